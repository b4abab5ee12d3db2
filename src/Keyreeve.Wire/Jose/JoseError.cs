namespace Keyreeve.Wire.Jose;

/// <summary>
/// Why a JOSE value was refused. The list is closed: every reader here answers with one of these and never with an exception.
/// The names are for our own logs and tests; a peer is told no more than its protocol's error.
/// </summary>
public enum JoseError
{
    /// <summary>Nothing was refused.</summary>
    None = 0,

    /// <summary>Longer than <see cref="JoseLimits"/> allows; nothing was decoded.</summary>
    TooLarge,

    /// <summary>A compact JWS has exactly two dots and three parts (RFC 7515, 7.1); a detached one an empty middle part.</summary>
    NotThreeParts,

    /// <summary>A compact JWE has exactly four dots and five parts (RFC 7516, 7.1).</summary>
    NotFiveParts,

    /// <summary>Padding, white space, a character outside the alphabet, an impossible length or trailing bits that are not zero.</summary>
    BadBase64Url,

    /// <summary>Not UTF-8, not JSON, too deep, or not an object where an object is due.</summary>
    BadJson,

    /// <summary>A member name occurs twice in one JSON object (RFC 7515, 4; RFC 7519, 4).</summary>
    DuplicateMember,

    /// <summary>A header member is missing, of the wrong type, or contradicts another.</summary>
    BadHeader,

    /// <summary>The <c>alg</c> is not one of <see cref="JwsAlgorithm"/>; <c>none</c> is answered like any other unknown name.</summary>
    UnsupportedAlgorithm,

    /// <summary><c>crit</c> is not a non-empty array of distinct extension names that are present in the header.</summary>
    BadCritical,

    /// <summary><c>crit</c> names an extension that is not understood here.</summary>
    UnsupportedCritical,

    /// <summary><c>b64</c> is false where the payload must be encoded, as in every JWT (RFC 7797, 7).</summary>
    UnencodedPayloadNotAllowed,

    /// <summary>The key's <c>kty</c> or <c>crv</c> is unknown here.</summary>
    UnsupportedKey,

    /// <summary>The key lacks a member, is too small or too large, or is not a point of its curve.</summary>
    BadKey,

    /// <summary>Private or secret members where only a public key may stand.</summary>
    PrivateKeyNotAllowed,

    /// <summary>The key may not be used with that algorithm, or not for signatures at all.</summary>
    KeyAlgorithmMismatch,

    /// <summary>The signature does not verify.</summary>
    BadSignature,

    /// <summary>The JWE's content is compressed (<c>zip</c>), which is not read here.</summary>
    CompressionNotAllowed,

    /// <summary>Encrypted key, initialization vector or tag have not the length their algorithm gives them.</summary>
    BadEncryption,

    /// <summary>A registered claim has the wrong type or a value out of range (RFC 7519, 4.1).</summary>
    BadClaim,
}
