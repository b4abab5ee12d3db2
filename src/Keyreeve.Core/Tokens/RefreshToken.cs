using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// A refresh token on the wire: <c>family.secret</c>. The family finds the one row of the grant by its primary key; the secret
/// is compared by its hash. All characters are of RFC 6749 appendix A.17.
/// </summary>
/// <param name="FamilyId">22 characters of base64url (<see cref="NewFamilyId"/>).</param>
/// <param name="Secret">The part that proves possession.</param>
public sealed record RefreshToken(string FamilyId, OpaqueToken Secret)
{
    /// <summary>Reads a token as presented.</summary>
    public static bool TryRead(string text, [NotNullWhen(true)] out RefreshToken? token)
    {
        token = null;
        if (text.Length != 22 + 1 + 43 || text[22] != '.')
            return false;
        foreach (var c in text.AsSpan(0, 22))
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_'))
                return false;
        if (!OpaqueToken.TryRead(text.AsSpan(23), out var secret))
            return false;
        token = new(text[..22], secret);
        return true;
    }

    /// <summary>
    /// An identifier for a grant and its family: 32 bits of time and 96 random bits. That is enough: it opens nothing, and a guess is
    /// tried at the token endpoint only, by a client that has authenticated.
    /// </summary>
    public static string NewFamilyId(DateTimeOffset now) => Base64Url.EncodeToString(TimedRandom.Octets(16, now));

    /// <summary>
    /// The name of the grant for tokens, revocations and the audit: a hash, because resource servers see it, and who knows a
    /// family's identifier itself could end it by presenting a wrong secret.
    /// </summary>
    public static string GrantNameOf(string familyId) =>
        Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes("keyreeve grant " + familyId)).AsSpan(0, 16));

    /// <summary>Prints the grant's name for others: neither the secret nor the family's identifier.</summary>
    public override string ToString() => "refresh token of grant " + GrantNameOf(FamilyId);

    /// <summary>The text for the wire.</summary>
    public string Reveal() => FamilyId + "." + Secret.Reveal();

    /// <summary>
    /// Seals the successor for whoever presents <paramref name="presented"/> again within the grace: a lost response or a
    /// parallel request then gets the same successor, not a sibling. AES-256-GCM; the key seals once, so the nonce is fixed.
    /// </summary>
    public static byte[] SealSuccessor(OpaqueToken presented, OpaqueToken successor)
    {
        var plain = Encoding.ASCII.GetBytes(successor.Reveal());
        var output = new byte[plain.Length + 16];
        using var aes = new AesGcm(presented.DeriveKey("keyreeve refresh successor"), 16);
        aes.Encrypt(stackalloc byte[12], plain, output.AsSpan(0, plain.Length), output.AsSpan(plain.Length));
        return output;
    }

    /// <summary>Opens what <see cref="SealSuccessor"/> sealed for this token.</summary>
    public static bool TryOpenSuccessor(OpaqueToken presented, ReadOnlySpan<byte> sealedSuccessor, [NotNullWhen(true)] out OpaqueToken? successor)
    {
        successor = null;
        if (sealedSuccessor.Length != 43 + 16)
            return false;
        var plain = new byte[43];
        using var aes = new AesGcm(presented.DeriveKey("keyreeve refresh successor"), 16);
        try
        {
            aes.Decrypt(stackalloc byte[12], sealedSuccessor[..43], sealedSuccessor[43..], plain);
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
        return OpaqueToken.TryRead(Encoding.ASCII.GetString(plain), out successor);
    }
}
