using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// A JSON Web Key Set of public keys. Two keys may share a <c>kid</c> (RFC 7517, 4.5: different types under one name are
/// equivalents): a caller tries each.
/// </summary>
[Spec("RFC 7517", "5")]
public sealed record JsonWebKeySet
{
    private JsonWebKeySet(IReadOnlyList<JsonWebKey> keys) => Keys = keys;

    /// <summary>The keys we understand, in the order of the set.</summary>
    public IReadOnlyList<JsonWebKey> Keys { get; }

    /// <summary>A set of our own making.</summary>
    public static JsonWebKeySet Of(IEnumerable<JsonWebKey> keys) => new(keys.ToArray().AsReadOnly());

    /// <summary>
    /// Reads a set. Keys of a type or curve we do not know, and keys that lack a member or are out of range, are left out as RFC 7517
    /// asks. A private or secret key refuses the whole set: it must be withdrawn, not quietly skipped.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> json, [NotNullWhen(true)] out JsonWebKeySet? set, out JoseError error)
    {
        set = null;
        if (json.Length > JoseLimits.MaxKeySetLength)
        {
            error = JoseError.TooLarge;
            return false;
        }

        if (!StrictJson.TryParseObject(json.ToArray(), JoseLimits.MaxKeySetLength, out JsonDocument? document, out error))
        {
            return false;
        }

        using (document)
        {
            return TryRead(document.RootElement, out set, out error);
        }
    }

    /// <summary>As above, for a set inside a larger value (a client's <c>jwks</c>).</summary>
    public static bool TryRead(JsonElement json, [NotNullWhen(true)] out JsonWebKeySet? set, out JoseError error)
    {
        set = null;
        error = JoseError.BadJson;
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("keys"u8, out JsonElement keys)
            || keys.ValueKind != JsonValueKind.Array)
        {
            return false;
        }

        if (keys.GetArrayLength() > JoseLimits.MaxKeysInSet)
        {
            error = JoseError.TooLarge;
            return false;
        }

        var understood = new List<JsonWebKey>();
        foreach (JsonElement element in keys.EnumerateArray())
        {
            if (JsonWebKey.TryRead(element, out JsonWebKey? key, out JoseError refused))
            {
                understood.Add(key);
            }
            else if (refused is not (JoseError.UnsupportedKey or JoseError.BadKey))
            {
                error = refused;
                return false;
            }
        }

        set = new JsonWebKeySet(understood.AsReadOnly());
        error = JoseError.None;
        return true;
    }

    /// <summary>The keys under that <c>kid</c>, or all of them for null.</summary>
    public IEnumerable<JsonWebKey> WithKid(string? kid) =>
        kid is null ? Keys : Keys.Where(key => string.Equals(key.Kid, kid, StringComparison.Ordinal));

    /// <summary>Writes <c>{"keys":[...]}</c>, public members only.</summary>
    public void WritePublic(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("keys"u8);
        foreach (JsonWebKey key in Keys)
        {
            key.WritePublic(writer);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <summary>Two sets are equal if their keys are, in order.</summary>
    public bool Equals(JsonWebKeySet? other) => other is not null && Keys.SequenceEqual(other.Keys);

    /// <inheritdoc/>
    public override int GetHashCode() => Keys.Aggregate(Keys.Count, HashCode.Combine);
}
