using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// A JWT Claims Set: strict JSON with the registered claims checked for type and range. It says nothing about trust; read it from
/// a payload whose signature was verified, or believe none of it.
/// </summary>
[Spec("RFC 7519", "4")]
public sealed class JwtClaims
{
    private readonly JsonElement root;

    private JwtClaims(JsonElement root) => this.root = root;

    /// <summary><c>iss</c>.</summary>
    public string? Issuer { get; private set; }

    /// <summary><c>sub</c>.</summary>
    public string? Subject { get; private set; }

    /// <summary><c>jti</c>.</summary>
    public string? JwtId { get; private set; }

    /// <summary><c>aud</c>, one or several; empty if absent.</summary>
    public IReadOnlyList<string> Audience { get; private set; } = [];

    /// <summary><c>exp</c> in whole seconds since 1970, rounded down; null if absent.</summary>
    public long? ExpiresAt { get; private set; }

    /// <summary><c>nbf</c> in whole seconds since 1970, rounded down; null if absent.</summary>
    public long? NotBefore { get; private set; }

    /// <summary><c>iat</c> in whole seconds since 1970, rounded down; null if absent.</summary>
    public long? IssuedAt { get; private set; }

    /// <summary>Reads a payload. The claims keep a copy of their own.</summary>
    [Spec("RFC 7519", "4.1")]
    [Spec("RFC 7519", "7.2")]
    public static bool TryRead(ReadOnlyMemory<byte> payload, [NotNullWhen(true)] out JwtClaims? claims, out JoseError error)
    {
        claims = null;
        if (!StrictJson.TryParseObject(payload, JoseLimits.MaxTokenLength, out JsonDocument? document, out error))
        {
            return false;
        }

        using (document)
        {
            var read = new JwtClaims(document.RootElement.Clone());
            if (!read.TakeRegistered())
            {
                error = JoseError.BadClaim;
                return false;
            }

            claims = read;
            return true;
        }
    }

    /// <summary>The text of a claim; null if it is absent or not a string.</summary>
    public string? GetString(string name) =>
        root.TryGetProperty(name, out JsonElement value) && StrictJson.TryGetText(value, out string? text) ? text : null;

    /// <summary>The texts of a claim that is a string or an array of strings; empty if it is absent or anything else.</summary>
    public IReadOnlyList<string> GetStrings(string name) =>
        root.TryGetProperty(name, out JsonElement value) && TryTexts(value, out IReadOnlyList<string>? texts) ? texts : [];

    /// <summary>A claim that is a whole number of 64 bits; null if it is absent or anything else.</summary>
    public long? GetInteger(string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number)
            ? number
            : null;

    /// <summary>A claim as JSON; false if absent.</summary>
    public bool TryGetRaw(string name, out JsonElement value) => root.TryGetProperty(name, out value);

    private bool TakeRegistered()
    {
        foreach (JsonProperty claim in root.EnumerateObject())
        {
            JsonElement value = claim.Value;
            bool fits = true;
            if (claim.NameEquals("iss"u8))
            {
                fits = StrictJson.TryGetText(value, out string? text);
                Issuer = text;
            }
            else if (claim.NameEquals("sub"u8))
            {
                fits = StrictJson.TryGetText(value, out string? text);
                Subject = text;
            }
            else if (claim.NameEquals("jti"u8))
            {
                fits = StrictJson.TryGetText(value, out string? text);
                JwtId = text;
            }
            else if (claim.NameEquals("aud"u8))
            {
                fits = TryTexts(value, out IReadOnlyList<string>? texts) && texts.Count > 0;
                Audience = texts ?? [];
            }
            else if (claim.NameEquals("exp"u8))
            {
                fits = TryNumericDate(value, out long seconds);
                ExpiresAt = seconds;
            }
            else if (claim.NameEquals("nbf"u8))
            {
                fits = TryNumericDate(value, out long seconds);
                NotBefore = seconds;
            }
            else if (claim.NameEquals("iat"u8))
            {
                fits = TryNumericDate(value, out long seconds);
                IssuedAt = seconds;
            }

            if (!fits)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A NumericDate: a JSON number, whole or not, from 1970 to 9999. A date in quotes is not one.</summary>
    [Spec("RFC 7519", "2")]
    internal static bool TryNumericDate(JsonElement value, out long seconds)
    {
        seconds = 0;
        if (value.ValueKind != JsonValueKind.Number)
        {
            return false;
        }

        if (!value.TryGetInt64(out seconds))
        {
            // The comparison is false for infinities too, which is what a number too large for a double becomes.
            if (!value.TryGetDouble(out double fractional) || !(fractional >= 0 && fractional < JoseLimits.MaxNumericDate + 1.0))
            {
                return false;
            }

            seconds = (long)Math.Floor(fractional);
        }

        return seconds is >= 0 and <= JoseLimits.MaxNumericDate;
    }

    private static bool TryTexts(JsonElement value, [NotNullWhen(true)] out IReadOnlyList<string>? texts)
    {
        texts = null;
        if (StrictJson.TryGetText(value, out string? one))
        {
            texts = [one];
            return true;
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            return false;
        }

        string[] several = new string[value.GetArrayLength()];
        int next = 0;
        foreach (JsonElement entry in value.EnumerateArray())
        {
            if (!StrictJson.TryGetText(entry, out string? text))
            {
                return false;
            }

            several[next++] = text;
        }

        texts = several.AsReadOnly();
        return true;
    }
}
