using System.Buffers;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Http;

/// <summary>
/// Reads bodies with a limit and forms strictly. The framework's form reader would also take multipart, and would join repeated
/// parameters so that nobody sees the repetition.
/// </summary>
[Spec("TS 33.434", "4.2")]
public static class FormBody
{
    /// <summary>The parameters of a form body, or of nothing when the body is empty.</summary>
    public static async ValueTask<Outcome<ParameterList>> ReadFormAsync(HttpRequest request)
    {
        if (!IsMediaType(request.ContentType, "application/x-www-form-urlencoded"))
            return Refusal.Of(RefusalCode.UnsupportedMediaType, "the body is application/x-www-form-urlencoded");
        var body = await ReadAsync(request, OAuthLimits.MaxBody);
        if (!body.Succeeded(out var octets, out var refusal))
            return refusal;
        var read = ParameterList.TryRead(octets.Span, out var list, out var error);
        octets.Clear();
        return read ? list! : Of(error);
    }

    /// <summary>The parameters of the query.</summary>
    public static Outcome<ParameterList> ReadQuery(HttpRequest request)
    {
        var query = request.QueryString.Value;
        if (string.IsNullOrEmpty(query))
            return ParameterList.Empty;
        if (query.Length > OAuthLimits.MaxQuery)
            return Of(ParameterError.TooLarge);
        return ParameterList.TryRead(System.Text.Encoding.UTF8.GetBytes(query[1..]), out var list, out var error) ? list : Of(error);
    }

    /// <summary>The whole body, at most <paramref name="limit"/> octets; the reading itself is bounded, not only the result.</summary>
    public static async ValueTask<Outcome<Body>> ReadAsync(HttpRequest request, int limit)
    {
        if (request.ContentLength > limit)
            return Refusal.Of(RefusalCode.TooLarge, $"the body is longer than {limit} octets");
        var reader = request.BodyReader;
        while (true)
        {
            var result = await reader.ReadAsync(request.HttpContext.RequestAborted);
            if (result.Buffer.Length > limit)
            {
                reader.AdvanceTo(result.Buffer.End);
                return Refusal.Of(RefusalCode.TooLarge, $"the body is longer than {limit} octets");
            }
            if (result.IsCompleted)
            {
                var body = new Body(result.Buffer.ToArray());
                reader.AdvanceTo(result.Buffer.End);
                return body;
            }
            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    /// <summary>True for the media type, with or without parameters such as charset.</summary>
    public static bool IsMediaType(string? contentType, string mediaType)
    {
        if (contentType is null)
            return false;
        var end = contentType.IndexOf(';', StringComparison.Ordinal);
        return (end < 0 ? contentType.AsSpan() : contentType.AsSpan(0, end)).Trim(' ').Equals(mediaType, StringComparison.OrdinalIgnoreCase);
    }

    private static Refusal Of(ParameterError error) => error switch
    {
        ParameterError.TooLarge => Refusal.Of(RefusalCode.TooLarge, "too many or too long parameters"),
        ParameterError.BadEncoding => Refusal.Of(RefusalCode.Malformed, "the parameters are not percent-encoded UTF-8"),
        ParameterError.ControlCharacter => Refusal.Of(RefusalCode.Malformed, "a parameter contains a control character"),
        ParameterError.None => throw new InvalidOperationException("no error to refuse for"),
    };

    /// <summary>A body that was read; cleared when it held credentials.</summary>
    public sealed class Body(byte[] octets)
    {
        /// <summary>The octets.</summary>
        public ReadOnlySpan<byte> Span => octets;

        /// <summary>The octets.</summary>
        public ReadOnlyMemory<byte> Memory => octets;

        /// <summary>Overwrites them.</summary>
        public void Clear() => Array.Clear(octets);
    }
}
