using System.Diagnostics.CodeAnalysis;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Keyreeve.Client;

/// <summary>One HTTP answer, read to a bound. The body is null when it was longer.</summary>
internal sealed record AnswerBody(int Status, string? MediaType, byte[]? Octets)
{
    /// <summary><c>Retry-After</c> in seconds; null when there is none or it is a date.</summary>
    internal TimeSpan? RetryAfter { get; private init; }

    /// <summary>Octets of an answer. Our choice: as long as the longest key set we read.</summary>
    internal const int MaxLength = 256 * 1024;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    /// <summary>For a log.</summary>
    internal string Described => $"HTTP {Status}, {(MediaType is null ? "no media type" : Printable.Of(MediaType, 80))}{(Octets is null ? ", too long" : "")}";

    internal static async Task<AnswerBody> SendAsync(HttpClient http, HttpRequestMessage request, int maxLength, CancellationToken cancel)
    {
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        var octets = await ReadAsync(response.Content, maxLength, cancel);
        return new((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, octets) { RetryAfter = response.Headers.RetryAfter?.Delta };
    }

    /// <summary>The body as one JSON object without repeated members; the caller disposes of the document.</summary>
    internal bool TryReadObject([NotNullWhen(true)] out JsonDocument? document)
    {
        document = null;
        if (Octets is null || MediaType is not { } type
            || !(type.Equals("application/json", StringComparison.OrdinalIgnoreCase) || type.EndsWith("+json", StringComparison.OrdinalIgnoreCase)))
            return false;
        try
        {
            document = JsonDocument.Parse(Octets, Strict);
        }
        catch (Exception refused) when (refused is JsonException or InvalidOperationException)
        {
            return false; // InvalidOperationException: a member name with half a surrogate pair
        }
        if (document.RootElement.ValueKind == JsonValueKind.Object)
            return true;
        document.Dispose();
        document = null;
        return false;
    }

    /// <summary>The text of a member; null when it is absent, no string, or not Unicode.</summary>
    internal static string? Text(JsonElement root, string name)
    {
        try
        {
            return root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>True when the member is an array that contains this text.</summary>
    internal static bool ArrayHas(JsonElement array, string text)
    {
        if (array.ValueKind != JsonValueKind.Array)
            return false;
        foreach (var element in array.EnumerateArray())
            if (element.ValueKind == JsonValueKind.String && element.ValueEquals(text))
                return true;
        return false;
    }

    private static async Task<byte[]?> ReadAsync(HttpContent content, int maxLength, CancellationToken cancel)
    {
        if (content.Headers.ContentLength > maxLength)
            return null;
        await using var stream = await content.ReadAsStreamAsync(cancel);
        using var read = new MemoryStream();
        var buffer = new byte[8192];
        for (int count; (count = await stream.ReadAsync(buffer, cancel)) > 0;)
        {
            if (read.Length + count > maxLength)
                return null;
            read.Write(buffer, 0, count);
        }
        return read.ToArray();
    }
}
