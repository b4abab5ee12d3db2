using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// The protected header of a JWE, as far as it may matter. As in a JWS, no key or address of a key in it is believed; the ephemeral
/// key (<c>epk</c>) is none: it proves nothing.
/// </summary>
[Spec("RFC 7516", "4.1")]
public sealed record JweHeader
{
    /// <summary>Characters of <c>apu</c> and <c>apv</c>. Our choice; RFC 7518 says nothing.</summary>
    private const int MaxPartyLength = 512;

    private JweHeader()
    {
    }

    /// <summary><c>alg</c></summary>
    public JweKeyManagement KeyManagement { get; private init; }

    /// <summary><c>enc</c></summary>
    public JweContent Content { get; private init; }

    /// <summary><c>kid</c>: opaque, which of the reader's keys is meant.</summary>
    public string? Kid { get; private init; }

    /// <summary><c>typ</c> as written.</summary>
    public string? Typ { get; private init; }

    /// <summary><c>cty</c> as written: "JWT" for a nested token.</summary>
    public string? Cty { get; private init; }

    /// <summary><c>jti</c>: the name of the token inside, where the writer tells it (RFC 7519, 5.3 lets claims be repeated so).</summary>
    public string? JwtId { get; private init; }

    /// <summary><c>epk</c>: there exactly when the algorithm agrees on a key. Whether the point is on the curve is found by its use.</summary>
    public JsonWebKey? EphemeralKey { get; private init; }

    /// <summary><c>apu</c>, decoded; empty if absent.</summary>
    public ReadOnlyMemory<byte> PartyU { get; private init; }

    /// <summary><c>apv</c>, decoded; empty if absent.</summary>
    public ReadOnlyMemory<byte> PartyV { get; private init; }

    /// <summary>Reads the decoded header; a value that is refused says why.</summary>
    internal static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out JweHeader? header, out JoseError error)
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

    private static JoseError Read(JsonElement root, out JweHeader? header)
    {
        header = null;
        if (root.TryGetProperty("crit"u8, out JsonElement critical))
        {
            // Nothing that could be critical is understood in a JWE here; b64 belongs to JWS alone (RFC 7797).
            JoseError refused = CriticalHeader.Check(critical, root);
            return refused == JoseError.None ? JoseError.UnsupportedCritical : refused;
        }

        // A peer that chooses how far its text unpacks chooses our memory (RFC 8725, 3.6).
        if (root.TryGetProperty("zip"u8, out _))
        {
            return JoseError.CompressionNotAllowed;
        }

        if (!TryText(root, "alg"u8, out string? alg) || !TryText(root, "enc"u8, out string? enc) || alg is null || enc is null
            || !TryText(root, "kid"u8, out string? kid) || !TryText(root, "typ"u8, out string? typ)
            || !TryText(root, "cty"u8, out string? cty) || !TryText(root, "jti"u8, out string? jti)
            || !TryParty(root, "apu"u8, out byte[]? partyU) || !TryParty(root, "apv"u8, out byte[]? partyV))
        {
            return JoseError.BadHeader;
        }

        if (!JweAlgorithms.TryParse(alg, out JweKeyManagement management) || !JweAlgorithms.TryParse(enc, out JweContent content))
        {
            return JoseError.UnsupportedAlgorithm;
        }

        JsonWebKey? ephemeral = null;
        bool sent = root.TryGetProperty("epk"u8, out JsonElement epk);
        if (sent != management.Agrees())
        {
            return JoseError.BadHeader;
        }

        if (sent && !JsonWebKey.TryRead(epk, out ephemeral, out JoseError error))
        {
            return error;
        }

        if (ephemeral is not null && ephemeral.Kty != "EC")
        {
            return JoseError.UnsupportedKey;
        }

        header = new JweHeader
        {
            KeyManagement = management,
            Content = content,
            Kid = kid,
            Typ = typ,
            Cty = cty,
            JwtId = jti,
            EphemeralKey = ephemeral,
            PartyU = partyU,
            PartyV = partyV,
        };
        return JoseError.None;
    }

    /// <summary>True with the text, or with null if the member is absent; false for another kind of value.</summary>
    private static bool TryText(JsonElement root, ReadOnlySpan<byte> name, out string? text)
    {
        text = null;
        return !root.TryGetProperty(name, out JsonElement value) || StrictJson.TryGetText(value, out text);
    }

    private static bool TryParty(JsonElement root, ReadOnlySpan<byte> name, out byte[]? party)
    {
        party = [];
        return TryText(root, name, out string? text)
            && (text is null || (text.Length <= MaxPartyLength && Base64UrlStrict.TryDecode(text, out party)));
    }
}
