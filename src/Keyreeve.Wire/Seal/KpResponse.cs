using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Wire.Seal;

/// <summary>What an acknowledged SEAL KP Request has brought about.</summary>
public enum KpResult
{
    /// <summary>A new record.</summary>
    Added,

    /// <summary>A new version of a record, or another expiry of one.</summary>
    Changed,

    /// <summary>It was so already.</summary>
    Unchanged,

    /// <summary>The record is removed.</summary>
    Removed,

    /// <summary>The removal was taken back.</summary>
    Recovered,
}

/// <summary>
/// The SEAL KP Response message, an acknowledgement or an error code (clause 5.8 of Release 18); the coding is ours: the members of the SEAL KM
/// Response (table 5.3.3-1), and instead of the payload
/// <code>
///   "result": "added" | "changed" | "unchanged" | "removed" | "recovered"      the acknowledgement: it is on disk
///   "errorCode": "01" ... "04"                                               instead of it
/// </code>
/// </summary>
[Spec("TS 33.434", "5.8")]
public sealed record KpResponse : SkmResponse
{
    /// <summary>Octets of a response. Our choice.</summary>
    public const int MaxLength = 16 * 1024;

    /// <summary>The acknowledgement; null on error.</summary>
    public KpResult? Result { get; init; }

    /// <summary>Reads a response; never throws. Exactly one of result and errorCode is there.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out KpResponse? response, [NotNullWhen(false)] out KmResponseError? error)
    {
        response = null;
        if (!StrictJson.TryParseObject(json, MaxLength, out var document, out _))
        {
            error = new(null, "the body is not one JSON object with distinct members, or longer than 16 KiB");
            return false;
        }
        using (document)
        {
            var root = document.RootElement;
            if (!KmResponse.TryReadMembers(root, out var members, out error))
                return false;
            var (hasResult, hasCode) = (root.TryGetProperty("result", out var resultElement), root.TryGetProperty("errorCode", out var codeElement));
            var (result, code) = (hasResult ? ResultOf(resultElement) : null, hasCode ? KmResponse.CodeOf(codeElement) : null);
            error = hasResult == hasCode ? new("result", "either result or errorCode is present")
                : hasResult && result is null ? new("result", "is added, changed, unchanged, removed or recovered")
                : hasCode && code is null ? new("errorCode", "is one of \"01\" to \"04\"; 05 to FF are reserved")
                : null;
            if (error is not null)
                return false;
            response = new()
            {
                UserUri = members.UserUri,
                SKmsUri = members.SKmsUri,
                ServiceId = members.ServiceId,
                SKmsId = members.SKmsId,
                Identity = members.Identity,
                DateTime = members.DateTime,
                Result = result,
                ErrorCode = code,
            };
            return true;
        }
    }

    private protected override void WriteResult(Utf8JsonWriter json)
    {
        if (Result is { } result)
            json.WriteString("result"u8, TextOf(result));
    }

    private static KpResult? ResultOf(JsonElement element)
    {
        StrictJson.TryGetText(element, out var text);
        foreach (var known in Enum.GetValues<KpResult>())
            if (TextOf(known) == text)
                return known;
        return null;
    }

    private static string TextOf(KpResult result) => result switch
    {
        KpResult.Added => "added",
        KpResult.Changed => "changed",
        KpResult.Unchanged => "unchanged",
        KpResult.Removed => "removed",
        KpResult.Recovered => "recovered",
    };
}
