using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Wire.OAuth;

/// <summary>
/// An S256 code challenge: BASE64URL(SHA256(ASCII(code_verifier))). <c>plain</c> does not exist here
/// (TS 33.434 table A.4.2.2-1 asks for S256, RFC 9700 forbids plain).
/// </summary>
[Spec("RFC 7636", "4.2")]
public sealed record PkceChallenge
{
    private PkceChallenge(string value) => Value = value;

    /// <summary>43 characters of base64url.</summary>
    public string Value { get; }

    /// <summary>Reads a challenge as sent: exactly the base64url of 32 octets.</summary>
    public static bool TryRead(string? text, [NotNullWhen(true)] out PkceChallenge? challenge)
    {
        challenge = null;
        // 43 characters of the alphabet are not enough: no hash sets the two bits that stand for nothing.
        if (text is not { Length: 43 } || !Base64UrlStrict.TryDecode(text, out _))
            return false;
        challenge = new(text);
        return true;
    }

    /// <summary>The challenge of a verifier.</summary>
    public static PkceChallenge Of(string verifier) => new(Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(verifier))));

    /// <summary>code-verifier = 43*128unreserved</summary>
    [Spec("RFC 7636", "4.1")]
    public static bool IsVerifier(string text)
    {
        if (text.Length is < 43 or > 128)
            return false;
        foreach (var c in text)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '.' or '_' or '~'))
                return false;
        return true;
    }

    /// <summary>True when the verifier gives this challenge; compared in fixed time.</summary>
    [Spec("RFC 7636", "4.6")]
    public bool IsMetBy(string verifier) =>
        IsVerifier(verifier)
        && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Of(verifier).Value), Encoding.ASCII.GetBytes(Value));
}
