using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Core.Keys;

/// <summary>
/// A share as a custodian keeps it.
/// <code>
///  text  := "kshare-" set(8 hex digits) "-" x(2 decimal digits) "-" base64url( y(32 octets) | check(4 octets) )
///  check := the first octets of SHA-256("kshare-" set "-" x "-" | y)
/// </code>
/// Set and place are for people: they say which envelope it is. The check finds a typing error in one share, which the secret would not: of several
/// shares it only shows that one of them is wrong. It tells nothing to who has not the share.
/// </summary>
public static class ShareText
{
    private const string Prefix = "kshare-";
    private const int CheckSize = 4;

    /// <summary>A name for a new set.</summary>
    public static string NewSet() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));

    /// <summary>True for what can be the name of a set.</summary>
    public static bool IsSet(string text) => text.Length == 8 && text.All(char.IsAsciiHexDigitLower);

    /// <summary>Writes it.</summary>
    public static string Write(string set, Share share)
    {
        var head = HeadOf(set, share.X);
        byte[] octets = [.. share.Y, .. CheckOf(head, share.Y)];
        var text = head + Base64Url.EncodeToString(octets);
        CryptographicOperations.ZeroMemory(octets);
        return text;
    }

    /// <summary>Reads it; spaces around it are the envelope's.</summary>
    public static bool TryRead(string text, [NotNullWhen(true)] out string? set, [NotNullWhen(true)] out Share? share)
    {
        (set, share) = (null, null);
        var parts = text.Trim().Split('-', 4);
        if (parts.Length != 4 || parts[0] + "-" != Prefix || !IsSet(parts[1])
            || parts[2] is not [>= '0' and <= '9', >= '0' and <= '9'] || !byte.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var x) || x is 0 or > Shamir.MaxShares
            || parts[3].Length != Base64Url.GetEncodedLength(SealingKey.KeySize + CheckSize) || !Base64Url.IsValid(parts[3]))
            return false;
        var octets = Base64Url.DecodeFromChars(parts[3]);
        try
        {
            var y = octets.AsSpan(..^CheckSize);
            if (!CryptographicOperations.FixedTimeEquals(CheckOf(HeadOf(parts[1], x), y), octets.AsSpan(y.Length)))
                return false;
            (set, share) = (parts[1], new Share(x, y.ToArray()));
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(octets);
        }
    }

    private static string HeadOf(string set, byte x) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{set}-{x:00}-");

    private static byte[] CheckOf(string head, ReadOnlySpan<byte> y)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.ASCII.GetBytes(head));
        hash.AppendData(y);
        return hash.GetHashAndReset()[..CheckSize];
    }
}
