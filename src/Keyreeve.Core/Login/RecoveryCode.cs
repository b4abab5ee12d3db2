using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Core.Login;

/// <summary>
/// The codes that a user keeps on paper for a lost second factor: 80 random bits each, so that a plain hash is enough at rest.
/// <code>XXXX-XXXX-XXXX-XXXX    base32</code>
/// </summary>
public static class RecoveryCode
{
    /// <summary>Codes in a list.</summary>
    public const int Count = 10;

    private const int Octets = 10;
    private const int Characters = Octets * 8 / 5;

    /// <summary>A whole list: for the user once, and the hashes for the store.</summary>
    public static (IReadOnlyList<string> Texts, IReadOnlyList<byte[]> Hashes) Generate(string subject)
    {
        var (texts, hashes) = (new List<string>(Count), new List<byte[]>(Count));
        for (var i = 0; i < Count; i++)
        {
            var code = Base32.Encode(RandomNumberGenerator.GetBytes(Octets));
            texts.Add(string.Join('-', code.Chunk(4).Select(part => new string(part))));
            hashes.Add(HashOf(subject, texts[^1])!);
        }
        return (texts, hashes);
    }

    /// <summary>The hash of a code as typed (case, hyphens and spaces do not matter), bound to its user; null for what cannot be one.</summary>
    public static byte[]? HashOf(string subject, string typed)
    {
        var code = typed.Length > 64 ? "" : typed.Replace("-", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal);
        if (code.Length != Characters || Base32.Decode(code) is not { } octets)
            return null;
        return SHA256.HashData([.. Encoding.UTF8.GetBytes("keyreeve recovery code " + subject + " "), .. octets]);
    }
}
