using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Core.Keys;

/// <summary>
/// A share as a custodian keeps it.
/// <code>
///  text := "kshare-" set(4 octets in hex) "-" x(2 decimal digits) "-" y(32 octets in base64url)
/// </code>
/// Set and place are for people: they say which envelope it is. Nothing in the text tells whether the share is right.
/// </summary>
public static class ShareText
{
    private const string Prefix = "kshare-";

    /// <summary>Writes it.</summary>
    public static string Write(string set, Share share) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Prefix}{set}-{share.X:00}-{Base64Url.EncodeToString(share.Y)}");

    /// <summary>Reads it; spaces around it are the envelope's.</summary>
    public static bool TryRead(string text, [NotNullWhen(true)] out Share? share)
    {
        share = null;
        var parts = text.Trim().Split('-', 4);
        if (parts.Length != 4 || parts[0] + "-" != Prefix || parts[1] is not { Length: 8 } set || !set.All(char.IsAsciiHexDigitLower)
            || parts[2] is not [>= '0' and <= '9', >= '0' and <= '9'] || !byte.TryParse(parts[2], out var x) || x == 0 || x > Shamir.MaxShares
            || parts[3].Length != Base64Url.GetEncodedLength(SealingKey.KeySize) || !Base64Url.IsValid(parts[3]))
            return false;
        var y = Base64Url.DecodeFromChars(parts[3]);
        if (y.Length != SealingKey.KeySize)
            return false;
        share = new(x, y);
        return true;
    }
}
