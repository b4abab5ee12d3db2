using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Wire.Seal;

/// <summary>'ErrorCode' values of table 5.3.3-2; 05-FF are reserved.</summary>
[Spec("TS 33.434", "5.3.3")]
public enum KmErrorCode
{
    /// <summary>01: unspecified error, 500; 503 when it may be asked again.</summary>
    Unspecified = 1,

    /// <summary>02: key information not available for the service, client, device or user, 404.</summary>
    NotAvailable = 2,

    /// <summary>03: request rejected, 401.</summary>
    Rejected = 3,

    /// <summary>04: unable to validate request, 400 or 403.</summary>
    NotValidated = 4,
}

/// <summary>Why a body is no SEAL KM Response, with the member that is wrong.</summary>
/// <param name="Param">The JSON member, or null when the body as a whole is wrong.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record KmResponseError(string? Param, string Reason);

/// <summary>The SEAL KM Response message (table 5.3.3-1): success carries the payload, an error its code and never a payload.</summary>
[Spec("TS 33.434", "5.3.3")]
public sealed record KmResponse : SkmResponse
{
    /// <summary>Octets of a response. Our choice: a key set of many users fits, and a peer cannot make us hold more.</summary>
    public const int MaxLength = 1024 * 1024;

    /// <summary><c>typ</c> of a payload that is encrypted for its receiver: an encrypted access token for the same key is none.</summary>
    public const string EncryptedPayloadType = "km-payload";

    /// <summary>Key material, opaque to the SKM-S, or a compact JWE of it; null on error.</summary>
    public string? Payload { get; init; }

    /// <summary>Reads a response; never throws. Exactly one of payload and errorCode is there, and the code is none of the reserved ones.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out KmResponse? response, [NotNullWhen(false)] out KmResponseError? error)
    {
        response = null;
        if (!StrictJson.TryParseObject(json, MaxLength, out var document, out var refused))
        {
            error = new(null, refused == JoseError.TooLarge ? "the response is longer than 1 MiB" : "the body is not one JSON object with distinct members");
            return false;
        }
        using (document)
            return TryRead(document.RootElement, out response, out error);
    }

    /// <summary>The kind of answer; never the payload, which is key material.</summary>
    public override string ToString() => ErrorCode is { } code ? $"KmResponse {{ ErrorCode = {code} }}" : "KmResponse { with payload }";

    private protected override void WriteResult(Utf8JsonWriter json) => json.WriteString("payload"u8, Payload);

    private static bool TryRead(JsonElement root, [NotNullWhen(true)] out KmResponse? response, [NotNullWhen(false)] out KmResponseError? error)
    {
        response = null;
        if (!TryReadMembers(root, out var members, out error) || (error = TakeResult(root, out var payload, out var code)) is not null)
            return false;
        response = members with { Payload = payload, ErrorCode = code };
        return true;
    }

    /// <summary>Everything but the result, which another message may have instead of a payload.</summary>
    internal static bool TryReadMembers(JsonElement root, [NotNullWhen(true)] out KmResponse? members, [NotNullWhen(false)] out KmResponseError? error)
    {
        members = null;
        if (!KmRequest.TryText(root, "userUri", required: false, 2000, out var userUri, out var wrong)
            || !KmRequest.TryText(root, "sKmsUri", required: true, 2000, out var uri, out wrong)
            || !KmRequest.TryText(root, "serviceId", required: false, 255, out var service, out wrong)
            || !KmRequest.TryText(root, "sKmsId", required: false, 255, out var sKmsId, out wrong)
            || !KmRequest.TryText(root, "clientId", required: false, 255, out var client, out wrong)
            || !KmRequest.TryText(root, "deviceId", required: false, 255, out var device, out wrong)
            || !KmRequest.TryText(root, "userId", required: false, 255, out var user, out wrong))
        {
            error = new(wrong.Param, wrong.Reason);
            return false;
        }
        error = null;
        if ((client is null ? 0 : 1) + (device is null ? 0 : 1) + (user is null ? 0 : 1) > 1)
            error = new("userId", "at most one of clientId, deviceId and userId may be present");
        else if (service is null && (client ?? device ?? user) is not null)
            error = new("serviceId", "an identity stands beside a serviceId");
        if (!root.TryGetProperty("dateTime", out var dateTime) || dateTime.ValueKind != JsonValueKind.Number
            || !dateTime.TryGetInt64(out var seconds) || seconds < 0 || dateTime.GetRawText().AsSpan().ContainsAny("eE."))
        {
            error ??= new("dateTime", "the number of seconds since 1970-01-01T00:00:00Z, an integer");
            seconds = 0;
        }
        if (error is not null)
            return false;
        members = new KmResponse
        {
            UserUri = userUri,
            SKmsUri = uri!,
            ServiceId = service,
            SKmsId = sKmsId,
            Identity = service is null ? null : KmRequest.IdentityOf(client, device, user),
            DateTime = seconds,
        };
        return true;
    }

    private static KmResponseError? TakeResult(JsonElement root, out string? payload, out KmErrorCode? code)
    {
        payload = null;
        code = null;
        var hasPayload = root.TryGetProperty("payload", out var payloadElement);
        var hasCode = root.TryGetProperty("errorCode", out var codeElement);
        // "an error value ... shall be returned in the 'ErrorCode' field ... and the 'Payload' field shall not be present" (5.3.3)
        if (hasPayload && hasCode)
            return new("payload", "is not present beside an errorCode");
        if (hasPayload)
            return StrictJson.TryGetText(payloadElement, out payload) ? null : new("payload", "is a string");
        if (!hasCode)
            return new("payload", "either payload or errorCode is present");
        code = CodeOf(codeElement);
        return code is null ? new("errorCode", "is one of \"01\" to \"04\"; 05 to FF are reserved") : null;
    }

    internal static KmErrorCode? CodeOf(JsonElement element) => !StrictJson.TryGetText(element, out var text) ? null : text switch
    {
        "01" => KmErrorCode.Unspecified,
        "02" => KmErrorCode.NotAvailable,
        "03" => KmErrorCode.Rejected,
        "04" => KmErrorCode.NotValidated,
        _ => null,
    };
}
