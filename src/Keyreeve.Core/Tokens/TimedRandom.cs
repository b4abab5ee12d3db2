using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// Random octets that begin with the second of their making. Rows that are found by them lie on disk in the order of their time, and
/// rows of one time end at one time: a sweep deletes neighbours, where random keys would have it write a page of each index for each
/// row. The time is no secret (who holds the token was there), and no part of what makes it unguessable.
/// </summary>
internal static class TimedRandom
{
    /// <summary>Unix seconds, big endian, 32 bits; in 2106 they begin anew, and only the order on disk notices.</summary>
    public const int TimeOctets = 4;

    /// <summary>Four octets of time, the rest random.</summary>
    public static byte[] Octets(int count, DateTimeOffset now)
    {
        var octets = new byte[count];
        BinaryPrimitives.WriteUInt32BigEndian(octets, unchecked((uint)now.ToUnixTimeSeconds()));
        RandomNumberGenerator.Fill(octets.AsSpan(TimeOctets));
        return octets;
    }
}
