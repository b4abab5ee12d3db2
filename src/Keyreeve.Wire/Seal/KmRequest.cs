using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Unicode;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Wire.Seal;

/// <summary>Which record of a VAL service is meant: the service's own, or the one of exactly one client, device or user.</summary>
public enum KmIdentityKind
{
    /// <summary>A standalone ServiceID.</summary>
    Service = 0,

    /// <summary>ServiceID with ClientID (VAL client, or client on the VAL server).</summary>
    Client = 1,

    /// <summary>ServiceID with DeviceID (VAL UE ID).</summary>
    Device = 2,

    /// <summary>ServiceID with UserID (VAL user ID).</summary>
    User = 3,
}

/// <summary>
/// The identity beside the ServiceID, as a tagged union: service "a" with user "b:c" can never be mistaken for another split.
/// Compared ordinal and case-sensitive.
/// </summary>
/// <param name="Kind">Which of the three, or none.</param>
/// <param name="Value">The identity, empty exactly for <see cref="KmIdentityKind.Service"/>.</param>
public readonly record struct KmIdentity(KmIdentityKind Kind, string Value)
{
    /// <summary>A standalone ServiceID.</summary>
    public static KmIdentity ServiceOnly => new(KmIdentityKind.Service, "");
}

/// <summary>Why a body is no SEAL KM Request, with the member that is wrong.</summary>
/// <param name="Param">The JSON member, or null when the body as a whole is wrong.</param>
/// <param name="Reason">What is wrong with it, fit for the peer.</param>
public sealed record KmRequestError(string? Param, string Reason);

/// <summary>
/// The SEAL KM Request message. The specification gives its fields, the JSON coding is ours (docs/spec/choices.md).
/// <code>
/// { "version": "1.0.0",          Version
///   "sKmsUri": "https://...",    SKmsUri
///   "serviceId": "...",          ServiceID
///   "clientId" | "deviceId" | "userId": "...",   at most one (table 5.3.2-1, NOTE)
///   "dateTime": 1790000000,      Date/Time, integer seconds UTC
///   "requestId": "..." }         optional, 1-64 characters (ours)
/// </code>
/// </summary>
[Spec("TS 33.434", "5.3.2")]
public sealed record KmRequest
{
    /// <summary>The current version: "The current version is defined as "1.0.0"."</summary>
    public const string CurrentVersion = "1.0.0";

    /// <summary>Header of the detached JWS over the octets of the body. Ours, as the specification has no place for its signature (docs/spec/choices.md).</summary>
    public const string SignatureHeader = "X-JWS-Signature";

    /// <summary>Octets of a request. Our choice: every field at its longest fits twice.</summary>
    public const int MaxLength = 8 * 1024;

    private KmRequest()
    {
    }

    /// <summary>The SKM-S URI the request is meant for, as sent.</summary>
    public required string SKmsUri { get; init; }

    /// <summary>VAL service ID.</summary>
    public required string ServiceId { get; init; }

    /// <summary>The identity beside it.</summary>
    public required KmIdentity Identity { get; init; }

    /// <summary>Seconds from 1970-01-01T00:00:00Z in UTC.</summary>
    public required long DateTime { get; init; }

    /// <summary>Distinguishes two requests of one second; empty when not sent.</summary>
    public required string RequestId { get; init; }

    /// <summary>Reads a request; never throws.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out KmRequest? request, [NotNullWhen(false)] out KmRequestError? error)
    {
        error = null;
        if ((request = ReadPlain(json.Span)) is not null)
            return true;
        if (!StrictJson.TryParseObject(json, MaxLength, out var document, out var refused))
        {
            error = new(null, refused == JoseError.TooLarge ? "the request is longer than 8 KiB" : "the body is not one JSON object with distinct members");
            return false;
        }
        using (document)
            return TryRead(document.RootElement, out request, out error);
    }

    /// <summary>
    /// The usual message in one pass without a document: a flat object of the members above, each once, nothing escaped, every value as it has to be. Null for
    /// everything else, of which <see cref="StrictJson"/> and <see cref="TryRead(JsonElement, out KmRequest?, out KmRequestError?)"/> find out what it is.
    /// </summary>
    private static KmRequest? ReadPlain(ReadOnlySpan<byte> json)
    {
        if (json.Length > MaxLength || json.Contains((byte)'\\') || !Utf8.IsValid(json))
            return null;
        var reader = new Utf8JsonReader(json);
        var (version, uri, service, requestId, value, kind, seconds) = (false, default(string), default(string), default(string), default(string), KmIdentityKind.Service, -1L);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.ValueSpan;
                if (!reader.Read())
                    return null;
                if (name.SequenceEqual("dateTime"u8))
                {
                    if (reader.TokenType != JsonTokenType.Number || seconds >= 0 || !Utf8Parser.TryParse(reader.ValueSpan, out seconds, out var read) || read != reader.ValueSpan.Length || seconds < 0)
                        return null;
                    continue;
                }
                if (reader.TokenType != JsonTokenType.String)
                    return null;
                if (name.SequenceEqual("version"u8) && !version)
                {
                    if (!(version = reader.ValueTextEquals(CurrentVersion)))
                        return null;
                }
                else if (name.SequenceEqual("sKmsUri"u8) && uri is null)
                    uri = reader.GetString();
                else if (name.SequenceEqual("serviceId"u8) && service is null)
                    service = reader.GetString();
                else if (name.SequenceEqual("requestId"u8) && requestId is null)
                    requestId = reader.GetString();
                else if (value is null && (kind = KindOf(name)) != KmIdentityKind.Service)
                    value = reader.GetString();
                else
                    return null;
            }
            // What follows the object is looked at too.
            if (reader.TokenType != JsonTokenType.EndObject || reader.Read())
                return null;
        }
        catch (JsonException)
        {
            return null;
        }
        return version && seconds >= 0 && Fits(uri, 2000) && Fits(service, 255) && (value is null || Fits(value, 255)) && (requestId is null || Fits(requestId, 64))
            ? new() { SKmsUri = uri!, ServiceId = service!, Identity = value is null ? KmIdentity.ServiceOnly : new(kind, value), DateTime = seconds, RequestId = requestId ?? "" }
            : null;

        static bool Fits(string? text, int max) => text is not null && WhyNot("", text, max) is null;
    }

    private static KmIdentityKind KindOf(ReadOnlySpan<byte> member) => member switch
    {
        _ when member.SequenceEqual("userId"u8) => KmIdentityKind.User,
        _ when member.SequenceEqual("deviceId"u8) => KmIdentityKind.Device,
        _ when member.SequenceEqual("clientId"u8) => KmIdentityKind.Client,
        _ => KmIdentityKind.Service,
    };

    /// <summary>Makes a request that <see cref="TryRead(ReadOnlyMemory{byte}, out KmRequest?, out KmRequestError?)"/> will take; never throws.</summary>
    /// <param name="sKmsUri">The SKM-S it is meant for.</param>
    /// <param name="serviceId">VAL service ID, 1 to 255 octets.</param>
    /// <param name="identity">Whose record, 1 to 255 octets, or the service's own.</param>
    /// <param name="dateTime">Seconds from 1970-01-01T00:00:00Z in UTC.</param>
    /// <param name="requestId">Up to 64 octets; empty sends none.</param>
    /// <param name="request">The request.</param>
    /// <param name="error">The member that is out of range.</param>
    public static bool TryCreate(
        string sKmsUri, string serviceId, KmIdentity identity, long dateTime, string requestId,
        [NotNullWhen(true)] out KmRequest? request, [NotNullWhen(false)] out KmRequestError? error)
    {
        request = null;
        var member = MemberOf(identity.Kind);
        error = WhyNot("sKmsUri", sKmsUri, 2000)
            ?? WhyNot("serviceId", serviceId, 255)
            ?? (member is not null ? WhyNot(member, identity.Value, 255)
                : identity == KmIdentity.ServiceOnly ? null : new("userId", "a standalone serviceId has no identity beside it"))
            ?? (requestId.Length == 0 ? null : WhyNot("requestId", requestId, 64))
            ?? (dateTime < 0 ? new("dateTime", "the number of seconds since 1970-01-01T00:00:00Z, an integer") : null);
        if (error is not null)
            return false;
        request = new KmRequest { SKmsUri = sKmsUri, ServiceId = serviceId, Identity = identity, DateTime = dateTime, RequestId = requestId };
        return true;
    }

    /// <summary>Writes the message with its members in the order of table 5.3.2-1.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        WriteMembers(json);
        json.WriteEndObject();
    }

    /// <summary>The members alone.</summary>
    internal void WriteMembers(Utf8JsonWriter json)
    {
        json.WriteString("version"u8, CurrentVersion);
        json.WriteString("sKmsUri"u8, SKmsUri);
        json.WriteString("serviceId"u8, ServiceId);
        if (MemberOf(Identity.Kind) is { } member)
            json.WriteString(member, Identity.Value);
        json.WriteNumber("dateTime"u8, DateTime);
        if (RequestId.Length > 0)
            json.WriteString("requestId"u8, RequestId);
    }

    /// <summary>True for a text that a ClientID, DeviceID, UserID or SKmsID may be: 1 to 255 octets of UTF-8 without control characters.</summary>
    public static bool IsIdentity(string text) => WhyNot("", text, 255) is null;

    /// <summary>The JSON member that carries an identity of this kind; null for a standalone ServiceID and for a kind that does not exist.</summary>
    internal static string? MemberOf(KmIdentityKind kind) => kind switch
    {
        KmIdentityKind.Client => "clientId",
        KmIdentityKind.Device => "deviceId",
        KmIdentityKind.User => "userId",
        _ => null,
    };

    /// <summary>The members of the message, out of an object that may have others beside them.</summary>
    internal static bool TryRead(JsonElement root, [NotNullWhen(true)] out KmRequest? request, [NotNullWhen(false)] out KmRequestError? error)
    {
        request = null;
        if (!TryText(root, "version", required: true, 16, out var version, out error)
            || !TryText(root, "sKmsUri", required: true, 2000, out var uri, out error)
            || !TryText(root, "serviceId", required: true, 255, out var service, out error)
            || !TryText(root, "clientId", required: false, 255, out var client, out error)
            || !TryText(root, "deviceId", required: false, 255, out var device, out error)
            || !TryText(root, "userId", required: false, 255, out var user, out error)
            || !TryText(root, "requestId", required: false, 64, out var requestId, out error))
            return false;
        if (version != CurrentVersion)
        {
            error = new("version", "the only version is \"1.0.0\"");
            return false;
        }
        // "Only one of these fields may be present in any given SEAL KMS Request message." (table 5.3.2-1, NOTE)
        if ((client is null ? 0 : 1) + (device is null ? 0 : 1) + (user is null ? 0 : 1) > 1)
        {
            error = new("userId", "at most one of clientId, deviceId and userId may be present");
            return false;
        }
        if (!root.TryGetProperty("dateTime", out var dateTime) || dateTime.ValueKind != JsonValueKind.Number
            || !dateTime.TryGetInt64(out var seconds) || seconds < 0 || dateTime.GetRawText().AsSpan().ContainsAny("eE."))
        {
            error = new("dateTime", "the number of seconds since 1970-01-01T00:00:00Z, an integer");
            return false;
        }
        request = new KmRequest
        {
            SKmsUri = uri!,
            ServiceId = service!,
            Identity = IdentityOf(client, device, user),
            DateTime = seconds,
            RequestId = requestId ?? "",
        };
        return true;
    }

    /// <summary>The tagged union of three members of which at most one is there.</summary>
    internal static KmIdentity IdentityOf(string? client, string? device, string? user) =>
        client is not null ? new(KmIdentityKind.Client, client)
        : device is not null ? new(KmIdentityKind.Device, device)
        : user is not null ? new(KmIdentityKind.User, user)
        : KmIdentity.ServiceOnly;

    internal static bool TryText(JsonElement root, string name, bool required, int max, out string? value, [NotNullWhen(false)] out KmRequestError? error)
    {
        value = null;
        error = null;
        if (!root.TryGetProperty(name, out var element))
        {
            if (!required)
                return true;
            error = new(name, "is required");
            return false;
        }
        if (element.ValueKind != JsonValueKind.String)
        {
            error = new(name, "is a string");
            return false;
        }
        StrictJson.TryGetText(element, out value);
        error = WhyNot(name, value ?? "", max);
        return error is null;
    }

    /// <summary>
    /// Texts are opaque, but bounded, without control characters, and Unicode: a lone surrogate would be written as U+FFFD, and two
    /// different identities would become one.
    /// </summary>
    internal static KmRequestError? WhyNot(string name, string text, int max)
    {
        if (text.Length is 0 || text.Length > max || System.Text.Encoding.UTF8.GetByteCount(text) > max)
            return new(name, $"has 1 to {max} octets and no control characters");
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsControl(text[i]))
                return new(name, $"has 1 to {max} octets and no control characters");
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                i++;
            else if (char.IsSurrogate(text[i]))
                return new(name, "is Unicode text");
        }
        return null;
    }
}
