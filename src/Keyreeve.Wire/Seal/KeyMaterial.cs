using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Wire.Seal;

/// <summary>
/// Key material as it is provisioned: a payload, and from when to when it is given out.
/// <code>
/// { "payload": "...",                          1 to 65536 octets of UTF-8, opaque
///   "activatesAt": "2026-12-01T00:00:00Z",     optional; now when it is missing
///   "expiresAt": "2027-12-01T00:00:00Z" }      optional; never when it is missing
/// </code>
/// A member that is not known is refused: an "expiresAt" with a typing error would be a key that never ends.
/// </summary>
/// <param name="Payload">Octets; whoever is done with them clears them (<see cref="Clear"/>).</param>
/// <param name="ActivatesAt">Unix seconds; null: from the moment at which it is stored.</param>
/// <param name="ExpiresAt">Unix seconds, or 0 for never.</param>
public sealed record KeyMaterial(byte[] Payload, long? ActivatesAt, long ExpiresAt)
{
    /// <summary>Octets of a payload. Our choice: far below what a response may hold (1 MiB), far above any key.</summary>
    public const int MaxPayload = 64 * 1024;

    /// <summary>Octets of a document. Our choice: the longest payload with every octet written as an escape of six (<c>\u0041</c>), and the rest.</summary>
    public const int MaxLength = 6 * MaxPayload + 8 * 1024;

    /// <summary>9999-12-31T23:59:59Z. Our choice: what RFC 3339 can write.</summary>
    public const long MaxTime = 253_402_300_799;

    internal static readonly string[] Members = ["payload", "activatesAt", "expiresAt"];

    /// <summary>Reads a document with key material alone; never throws.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out KeyMaterial? material, [NotNullWhen(false)] out KmRequestError? error)
    {
        material = null;
        if (!TryParse(json, out var document, out error))
            return false;
        using (document)
        {
            error = WhyUnknown(document.RootElement, Members);
            return error is null && TryRead(document.RootElement, out material, out error);
        }
    }

    /// <summary>Overwrites the payload.</summary>
    public void Clear() => CryptographicOperations.ZeroMemory(Payload);

    /// <summary>Never the payload.</summary>
    public override string ToString() => $"KeyMaterial {{ {Payload.Length} octets }}";

    internal static bool TryParse(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out JsonDocument? document, [NotNullWhen(false)] out KmRequestError? error)
    {
        var read = StrictJson.TryParseObject(json, MaxLength, out document, out var refused);
        error = read ? null : new(null, refused == JoseError.TooLarge ? $"is longer than {MaxLength / 1024} KiB" : "is not one JSON object with distinct members");
        return read;
    }

    /// <summary>What is there and should not be, or null.</summary>
    internal static KmRequestError? WhyUnknown(JsonElement root, ReadOnlySpan<string> known)
    {
        foreach (var member in root.EnumerateObject())
            if (!Knows(member, known))
                return new(Shown(member.Name), "is not known here");
        return null;
    }

    internal static bool TryRead(JsonElement root, [NotNullWhen(true)] out KeyMaterial? material, [NotNullWhen(false)] out KmRequestError? error)
    {
        material = null;
        if (!TryTime(root, "activatesAt", out var activates, out error) || !TryTime(root, "expiresAt", out var expires, out error)
            || (error = WhyNotInOrder(activates, expires)) is not null || !TryPayload(root, out var payload, out error))
            return false;
        material = new(payload, activates, expires ?? 0);
        return true;
    }

    /// <summary>The octets of the payload, which are never a string of the runtime's: nobody could clear that.</summary>
    internal static bool TryPayload(JsonElement root, [NotNullWhen(true)] out byte[]? payload, [NotNullWhen(false)] out KmRequestError? error)
    {
        payload = null;
        error = null;
        if (!root.TryGetProperty("payload", out var element))
            error = new("payload", "is required");
        else if (element.ValueKind != JsonValueKind.String)
            error = new("payload", "is a string");
        if (error is not null)
            return false;
        var reader = new Utf8JsonReader(JsonMarshal.GetRawUtf8Value(element));
        reader.Read();
        TryCopyPayload(ref reader, out payload);
        error = payload is null ? new("payload", $"has 1 to {MaxPayload} octets") : null;
        return payload is not null;
    }

    /// <summary>The octets of the string at which a reader stands; false when they are too few or too many.</summary>
    internal static bool TryCopyPayload(ref Utf8JsonReader reader, [NotNullWhen(true)] out byte[]? payload)
    {
        var octets = payload = new byte[reader.ValueSpan.Length];
        var length = reader.CopyString(octets);
        if (length is 0 or > MaxPayload)
            payload = null;
        else if (length != octets.Length)
            payload = octets[..length];
        if (payload != octets)
            CryptographicOperations.ZeroMemory(octets);
        return payload is not null;
    }

    internal static KmRequestError? WhyNotInOrder(long? activatesAt, long? expiresAt) =>
        expiresAt is { } end && end <= (activatesAt ?? 0) ? new("expiresAt", "is after activatesAt") : null;

    private static bool TryTime(JsonElement root, string name, out long? seconds, [NotNullWhen(false)] out KmRequestError? error)
    {
        (seconds, error) = (null, null);
        if (!root.TryGetProperty(name, out var element) || element.ValueKind == JsonValueKind.Null)
            return true;
        if (StrictJson.TryGetText(element, out var text) && TryReadTime(text, out var read))
        {
            seconds = read;
            return true;
        }
        error = new(name, "is a time in UTC as 2026-12-01T00:00:00Z");
        return false;
    }

    /// <summary>RFC 3339 in the one form that we write: UTC, whole seconds.</summary>
    public static bool TryReadTime(string text, out long seconds)
    {
        var read = DateTimeOffset.TryParseExact(text, "yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at);
        seconds = at.ToUnixTimeSeconds();
        return read && seconds > 0;
    }

    private static bool Knows(JsonProperty member, ReadOnlySpan<string> known)
    {
        foreach (var name in known)
            if (member.NameEquals(name))
                return true;
        return false;
    }

    private static string Shown(string name) => new([.. name.Take(64).Select(c => char.IsAsciiLetterOrDigit(c) ? c : '?')]);
}
