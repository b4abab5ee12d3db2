using System.Security.Cryptography;

namespace Keyreeve.Core.Keys;

/// <summary>One share of a secret: a point of each octet's polynomial.</summary>
/// <param name="X">Where, 1 to 255: no secret.</param>
/// <param name="Y">The values there; as secret as what was shared.</param>
public readonly record struct Share(byte X, byte[] Y)
{
    /// <summary>Prints its place alone.</summary>
    public override string ToString() => $"Share {X}";
}

/// <summary>
/// Secret sharing over GF(2^8) (A. Shamir, "How to share a secret", 1979): each octet is the value at 0 of a random polynomial of degree
/// threshold - 1. So many shares as the threshold says give the secret, one less gives nothing: every value is as likely as before.
/// </summary>
public static class Shamir
{
    /// <summary>Shares at most. Our choice: more people than a ceremony brings together; the field would give 255.</summary>
    public const int MaxShares = 32;

    /// <summary>Splits.</summary>
    /// <param name="secret">What is shared.</param>
    /// <param name="shares">How many there are, 2 to <see cref="MaxShares"/>.</param>
    /// <param name="threshold">How many open, 2 to <paramref name="shares"/>.</param>
    /// <param name="fill">Fills with random octets; comes in from the rim.</param>
    public static Share[] Split(ReadOnlySpan<byte> secret, int shares, int threshold, Action<Span<byte>> fill)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shares, MaxShares);
        ArgumentOutOfRangeException.ThrowIfLessThan(threshold, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threshold, shares);
        var length = secret.Length;
        var made = Enumerable.Range(1, shares).Select(x => new Share((byte)x, new byte[length])).ToArray();
        using var coefficients = new PinnedSecret(threshold - 1);
        for (var i = 0; i < secret.Length; i++)
        {
            // Also the highest one may be 0: else one value less would be possible, and that is something known.
            fill(coefficients.Span);
            foreach (var share in made)
                share.Y[i] = At(secret[i], coefficients.Span, share.X);
        }
        return made;
    }

    /// <summary>The secret of the shares, or, when one of them is wrong or they are too few, other octets: nothing here can tell.</summary>
    /// <param name="shares">Of different places and one length.</param>
    public static PinnedSecret Combine(IReadOnlyList<Share> shares)
    {
        if (shares.Count == 0 || shares.Any(s => s.X == 0 || s.Y.Length != shares[0].Y.Length) || shares.DistinctBy(s => s.X).Count() != shares.Count)
            throw new ArgumentException("shares are of different places, not 0, and of one length", nameof(shares));
        var secret = new PinnedSecret(shares[0].Y.Length);
        foreach (var share in shares)
        {
            // Lagrange at 0; minus is plus here.
            byte weight = 1;
            foreach (var other in shares)
                if (other.X != share.X)
                    weight = Gf256.Multiply(weight, Gf256.Multiply(other.X, Gf256.Inverse((byte)(other.X ^ share.X))));
            for (var i = 0; i < share.Y.Length; i++)
                secret.Span[i] ^= Gf256.Multiply(weight, share.Y[i]);
        }
        return secret;
    }

    /// <summary>Octets from the system.</summary>
    public static void Fill(Span<byte> octets) => RandomNumberGenerator.Fill(octets);

    private static byte At(byte constant, ReadOnlySpan<byte> coefficients, byte x)
    {
        byte value = 0;
        for (var i = coefficients.Length - 1; i >= 0; i--)
            value = (byte)(Gf256.Multiply(value, x) ^ coefficients[i]);
        return (byte)(Gf256.Multiply(value, x) ^ constant);
    }
}
