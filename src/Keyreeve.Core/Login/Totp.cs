using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;

namespace Keyreeve.Core.Login;

/// <summary>Time-based one-time passwords: what an authenticator app shows.</summary>
[Spec("RFC 6238", "4")]
public static class Totp
{
    /// <summary>Octets of a secret we make: "RECOMMENDED 160 bits" (RFC 4226 section 4).</summary>
    public const int SecretSize = 20;

    /// <summary>Digits of a code.</summary>
    public const int Digits = 6;

    /// <summary>Seconds of a step (RFC 6238 section 5.2).</summary>
    public const int StepSeconds = 30;

    /// <summary>Steps to either side that are accepted, for slow typing and clocks that differ (RFC 6238 section 5.2 advises at most one).</summary>
    public const int Window = 1;

    /// <summary>The step of a moment, X = 0 and T0 = 0.</summary>
    public static long StepOf(DateTimeOffset now) => now.ToUnixTimeSeconds() / StepSeconds;

    /// <summary>The code of a step.</summary>
    /// <param name="secret">The shared secret.</param>
    /// <param name="step">T of RFC 6238.</param>
    /// <param name="digits">6 to 8.</param>
    /// <param name="algorithm">SHA-1, SHA-256 or SHA-512.</param>
    [Spec("RFC 6238", "4.2")]
    public static string Code(ReadOnlySpan<byte> secret, long step, int digits = Digits, HashAlgorithmName? algorithm = null)
    {
        Span<byte> counter = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(counter, step);
        var mac = Mac(algorithm ?? HashAlgorithmName.SHA1, secret, counter);
        // Dynamic truncation (RFC 4226 section 5.3): the low nibble of the last octet says where four octets are read.
        var offset = mac[^1] & 0x0F;
        var number = BinaryPrimitives.ReadUInt32BigEndian(mac.AsSpan(offset)) & 0x7FFF_FFFF;
        var modulus = 1u;
        for (var i = 0; i < digits; i++)
            modulus *= 10;
        return (number % modulus).ToString("D" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }

    /// <summary>The step around now that a code belongs to, or null. Whether that step was used before is the store's to say.</summary>
    public static long? FindStep(ReadOnlySpan<byte> secret, string typed, DateTimeOffset now)
    {
        // People type the space that apps show in the middle.
        var code = typed.Replace(" ", "", StringComparison.Ordinal);
        if (code.Length != Digits || !code.All(char.IsAsciiDigit))
            return null;
        long? found = null;
        // All of them are compared, in fixed time each, so that the answer takes as long for every code.
        for (var step = StepOf(now) - Window; step <= StepOf(now) + Window; step++)
            if (CryptographicOperations.FixedTimeEquals(System.Text.Encoding.ASCII.GetBytes(Code(secret, step)), System.Text.Encoding.ASCII.GetBytes(code)))
                found = step;
        return found;
    }

    /// <summary>What the QR code holds: the <c>otpauth</c> address that authenticator apps read.</summary>
    public static string AddressOf(string issuer, string account, ReadOnlySpan<byte> secret) =>
        $"otpauth://totp/{Uri.EscapeDataString(issuer)}:{Uri.EscapeDataString(account)}?secret={Base32.Encode(secret)}&issuer={Uri.EscapeDataString(issuer)}&algorithm=SHA1&digits={Digits}&period={StepSeconds}";

    [SuppressMessage("Security", "CA5350", Justification = "HMAC-SHA-1 is what RFC 6238 and every authenticator app use; its collisions do not matter to an HMAC.")]
    private static byte[] Mac(HashAlgorithmName algorithm, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> counter) =>
        algorithm == HashAlgorithmName.SHA512 ? HMACSHA512.HashData(secret, counter)
        : algorithm == HashAlgorithmName.SHA256 ? HMACSHA256.HashData(secret, counter)
        : HMACSHA1.HashData(secret, counter);
}

/// <summary>Base32 without padding (RFC 4648 section 6), as authenticator apps and people read secrets.</summary>
[Spec("RFC 4648", "6")]
public static class Base32
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    /// <summary>Writes it.</summary>
    public static string Encode(ReadOnlySpan<byte> octets)
    {
        var text = new System.Text.StringBuilder((octets.Length * 8 + 4) / 5);
        var (bits, held) = (0u, 0);
        foreach (var octet in octets)
        {
            bits = bits << 8 | octet;
            for (held += 8; held >= 5; held -= 5)
                text.Append(Alphabet[(int)(bits >> (held - 5) & 31)]);
        }
        if (held > 0)
            text.Append(Alphabet[(int)(bits << (5 - held) & 31)]);
        return text.ToString();
    }

    /// <summary>Reads it; null for anything but its characters, and for a text that <see cref="Encode"/> does not write. Case and spaces do not matter.</summary>
    public static byte[]? Decode(string text)
    {
        var octets = new List<byte>(text.Length * 5 / 8);
        var (bits, held) = (0u, 0);
        foreach (var c in text)
        {
            if (c == ' ')
                continue;
            var value = Alphabet.IndexOf(char.ToUpperInvariant(c), StringComparison.Ordinal);
            if (value < 0)
                return null;
            bits = bits << 5 | (uint)value;
            held += 5;
            if (held >= 8)
            {
                held -= 8;
                octets.Add((byte)(bits >> held));
            }
        }
        // A character too many, or bits that belong to no octet: two texts would be one value.
        return held < 5 && (bits & ((1u << held) - 1)) == 0 ? [.. octets] : null;
    }
}
