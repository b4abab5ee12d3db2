using System.Buffers;
using System.Text.Json;

namespace Keyreeve.Wire.Seal;

/// <summary>What every response of the SKM-S says (table 5.3.3-1), whether it gives key material or acknowledges its provisioning.</summary>
[Spec("TS 33.434", "5.3.3")]
public abstract record SkmResponse
{
    /// <summary>URI of the user or VAL server for which the response is intended; null only when nobody was authenticated.</summary>
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
        if (Identity is { } identity && KmRequest.MemberOf(identity.Kind) is { } member)
            json.WriteString(member, identity.Value);
        json.WriteNumber("dateTime"u8, DateTime);
        if (ErrorCode is { } code)
            json.WriteString("errorCode"u8, ((int)code).ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        else
            WriteResult(json);
        json.WriteEndObject();
    }

    /// <summary>What stands in the place of an error code.</summary>
    private protected abstract void WriteResult(Utf8JsonWriter json);
}
