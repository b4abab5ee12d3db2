using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// The protected header of a JWS, as far as it may matter. Keys and addresses of keys in a header (<c>jwk</c>, <c>jku</c>,
/// <c>x5c</c>, <c>x5u</c>) are not here: whoever signs does not say which key we trust. The one profile that defines <c>jwk</c>
/// asks for it by <see cref="JwsCompact.TryReadHeaderKey"/>.
/// </summary>
[Spec("RFC 7515", "4.1")]
public sealed record JwsHeader
{
    private JwsHeader()
    {
    }

    /// <summary><c>alg</c>. A claim of the sender; the key decides whether it holds.</summary>
    public JwsAlgorithm Algorithm { get; private init; }

    /// <summary><c>kid</c>: opaque, to be looked up in one issuer's set and nowhere else.</summary>
    public string? Kid { get; private init; }

    /// <summary><c>typ</c> as written; compare with <see cref="HasTyp"/>.</summary>
    public string? Typ { get; private init; }

    /// <summary><c>cty</c> as written.</summary>
    public string? Cty { get; private init; }

    /// <summary>True if <c>b64</c> is false and critical (RFC 7797): the payload is signed as it is.</summary>
    public bool UnencodedPayload { get; private init; }

    /// <summary>
    /// True if <c>typ</c> is <paramref name="mediaType"/> ("at+jwt"), without regard to case and with or without the prefix
    /// <c>application/</c>, which senders may leave out.
    /// </summary>
    [Spec("RFC 7515", "4.1.9")]
    public bool HasTyp(string mediaType) =>
        Typ is not null && WithoutPrefix(Typ).Equals(WithoutPrefix(mediaType), StringComparison.OrdinalIgnoreCase);

    private static ReadOnlySpan<char> WithoutPrefix(string mediaType)
    {
        const string prefix = "application/";
        ReadOnlySpan<char> rest = mediaType.AsSpan(mediaType.StartsWith(prefix, StringComparison.OrdinalIgnoreCase) ? prefix.Length : 0);
        return rest.Contains('/') ? mediaType : rest; // with another slash the prefix belongs to the name
    }

    /// <summary>Reads the decoded header; a value that is refused says why.</summary>
    internal static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out JwsHeader? header, out JoseError error)
    {
        header = null;
        if (!StrictJson.TryParseObject(json, JoseLimits.MaxHeaderLength, out JsonDocument? document, out error))
        {
            return false;
        }

        using (document)
        {
            error = Read(document.RootElement, out header);
            return error == JoseError.None;
        }
    }

    private static JoseError Read(JsonElement root, out JwsHeader? header)
    {
        header = null;
        JsonElement algorithm = default, kid = default, typ = default, cty = default, b64 = default, critical = default;
        foreach (JsonProperty member in root.EnumerateObject())
        {
            if (member.NameEquals("alg"u8))
            {
                algorithm = member.Value;
            }
            else if (member.NameEquals("kid"u8))
            {
                kid = member.Value;
            }
            else if (member.NameEquals("typ"u8))
            {
                typ = member.Value;
            }
            else if (member.NameEquals("cty"u8))
            {
                cty = member.Value;
            }
            else if (member.NameEquals("b64"u8))
            {
                b64 = member.Value;
            }
            else if (member.NameEquals("crit"u8))
            {
                critical = member.Value;
            }
        }

        if (!IsTextOrAbsent(kid) || !IsTextOrAbsent(typ) || !IsTextOrAbsent(cty) || algorithm.ValueKind != JsonValueKind.String
            || b64.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.True or JsonValueKind.False))
        {
            return JoseError.BadHeader;
        }

        bool b64IsCritical = false;
        if (critical.ValueKind != JsonValueKind.Undefined)
        {
            JoseError refused = CriticalHeader.Check(critical, root);
            if (refused != JoseError.None)
            {
                return refused;
            }

            b64IsCritical = true; // the only name that Check lets pass, and it never lets an empty list pass
        }

        bool unencoded = b64.ValueKind == JsonValueKind.False;
        if (unencoded && !b64IsCritical)
        {
            return JoseError.BadHeader; // RFC 7797, 6: a reader that does not know b64 would see another payload
        }

        if (!JwsAlgorithms.TryParse(algorithm, out JwsAlgorithm known))
        {
            return JoseError.UnsupportedAlgorithm;
        }

        header = new JwsHeader { Algorithm = known, Kid = Text(kid), Typ = Text(typ), Cty = Text(cty), UnencodedPayload = unencoded };
        return JoseError.None;
    }

    private static bool IsTextOrAbsent(JsonElement element) => element.ValueKind is JsonValueKind.Undefined or JsonValueKind.String;

    private static string? Text(JsonElement element) => element.ValueKind == JsonValueKind.Undefined ? null
        : element.ValueEquals("JWT"u8) ? "JWT"
        : element.ValueEquals("at+jwt"u8) ? "at+jwt"
        : element.GetString();
}
