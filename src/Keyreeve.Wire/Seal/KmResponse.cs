using System.Buffers;
using System.Text.Json;

namespace Keyreeve.Wire.Seal;

/// <summary>'ErrorCode' values of table 5.3.3-2; 05-FF are reserved.</summary>
[Spec("TS 33.434", "5.3.3")]
public enum KmErrorCode
{
    /// <summary>01: unspecified error, 500.</summary>
    Unspecified = 1,

    /// <summary>02: key information not available for the service, client, device or user, 404.</summary>
    NotAvailable = 2,

    /// <summary>03: request rejected, 401.</summary>
    Rejected = 3,

    /// <summary>04: unable to validate request, 400 or 403.</summary>
    NotValidated = 4,
}

/// <summary>The SEAL KM Response message (table 5.3.3-1): success carries the payload, an error its code and never a payload.</summary>
[Spec("TS 33.434", "5.3.3")]
public sealed record KmResponse
{
    /// <summary>URI of the user for which the response is intended; null only when no user or client was authenticated.</summary>
    public string? UserUri { get; init; }

    /// <summary>URI of the SKM-S that sends the response.</summary>
    public required string SKmsUri { get; init; }

    /// <summary>ServiceID of the request; null when the request could not be read.</summary>
    public string? ServiceId { get; init; }

    /// <summary>ID of the SKM-S.</summary>
    public string? SKmsId { get; init; }

    /// <summary>"shall be the same value" as in the request; null when the request could not be read.</summary>
    public KmIdentity? Identity { get; init; }

    /// <summary>Date and time of the response, seconds in UTC.</summary>
    public required long DateTime { get; init; }

    /// <summary>Key material, opaque to the SKM-S; null on error.</summary>
    public string? Payload { get; init; }

    /// <summary>Null on success.</summary>
    public KmErrorCode? ErrorCode { get; init; }

    /// <summary>Writes the message with its members in the order of table 5.3.3-1.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        if (UserUri is not null)
            json.WriteString("userUri"u8, UserUri);
        json.WriteString("sKmsUri"u8, SKmsUri);
        if (ServiceId is not null)
            json.WriteString("serviceId"u8, ServiceId);
        if (SKmsId is not null)
            json.WriteString("sKmsId"u8, SKmsId);
        if (Identity is { } identity)
        {
            switch (identity.Kind)
            {
                case KmIdentityKind.Client:
                    json.WriteString("clientId"u8, identity.Value);
                    break;
                case KmIdentityKind.Device:
                    json.WriteString("deviceId"u8, identity.Value);
                    break;
                case KmIdentityKind.User:
                    json.WriteString("userId"u8, identity.Value);
                    break;
                case KmIdentityKind.Service:
                    break;
            }
        }
        json.WriteNumber("dateTime"u8, DateTime);
        if (ErrorCode is { } code)
            json.WriteString("errorCode"u8, ((int)code).ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        else
            json.WriteString("payload"u8, Payload);
        json.WriteEndObject();
    }
}
