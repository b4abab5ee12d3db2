using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

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
        request = null;
        if (json.Length > MaxLength)
        {
            error = new(null, "the request is longer than 8 KiB");
            return false;
        }
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 4 });
            return TryRead(document.RootElement, out request, out error);
        }
        catch (JsonException)
        {
            error = new(null, "the body is not one JSON object with distinct members");
            return false;
        }
    }

    private static bool TryRead(JsonElement root, out KmRequest? request, out KmRequestError? error)
    {
        request = null;
        if (root.ValueKind != JsonValueKind.Object)
        {
            error = new(null, "the body is not a JSON object");
            return false;
        }
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
            Identity = client is not null ? new(KmIdentityKind.Client, client)
                : device is not null ? new(KmIdentityKind.Device, device)
                : user is not null ? new(KmIdentityKind.User, user)
                : KmIdentity.ServiceOnly,
            DateTime = seconds,
            RequestId = requestId ?? "",
        };
        return true;
    }

    private static bool TryText(JsonElement root, string name, bool required, int max, out string? value, out KmRequestError? error)
    {
        value = null;
        error = null;
        if (!root.TryGetProperty(name, out var element))
        {
            if (required)
                error = new(name, "is required");
            return !required;
        }
        if (element.ValueKind != JsonValueKind.String)
        {
            error = new(name, "is a string");
            return false;
        }
        if (!TryString(element, out var text) || text.Length == 0 || System.Text.Encoding.UTF8.GetByteCount(text) > max || HasControl(text))
        {
            error = new(name, $"has 1 to {max} octets and no control characters");
            return false;
        }
        value = text;
        return true;
    }

    /// <summary>A JSON string may hold lone surrogates, which GetString refuses by an exception.</summary>
    private static bool TryString(JsonElement element, [NotNullWhen(true)] out string? text)
    {
        try
        {
            text = element.GetString();
            return text is not null;
        }
        catch (InvalidOperationException)
        {
            text = null;
            return false;
        }
    }

    private static bool HasControl(string text)
    {
        foreach (var c in text)
            if (char.IsControl(c))
                return true;
        return false;
    }
}
