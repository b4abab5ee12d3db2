using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>
/// Remembers accepted KM requests: the same token subject, service, identity, Date/Time and request id is a replay. One node does it
/// in its memory (<see cref="ReplayMemory"/>), several share a table (<see cref="SharedReplays"/>).
/// </summary>
public interface IReplayMemory
{
    /// <summary>
    /// True exactly once for a request, over every node that shares the memory. An exception means that nobody knows; the request is
    /// then not granted.
    /// </summary>
    ValueTask<bool> FirstUseAsync(string subject, KmRequest request);
}

/// <summary>A request as it is remembered: 128 bits of SHA-256 over the five values, lengths included. No two requests share one, and nobody can make two that do.</summary>
/// <param name="A">The first 64 bits.</param>
/// <param name="B">The next 64 bits.</param>
public readonly record struct SeenRequest(long A, long B)
{
    /// <summary>What a request of a token subject is remembered by.</summary>
    public static SeenRequest Of(string subject, KmRequest request)
    {
        var size = Room(subject) + Room(request.ServiceId) + Room(request.Identity.Value) + Room(request.RequestId) + 9;
        var rented = ArrayPool<byte>.Shared.Rent(size);
        var end = 0;
        Append(rented, ref end, subject);
        Append(rented, ref end, request.ServiceId);
        Append(rented, ref end, request.Identity.Value);
        Append(rented, ref end, request.RequestId);
        BinaryPrimitives.WriteInt64BigEndian(rented.AsSpan(end), request.DateTime);
        rented[end + 8] = (byte)request.Identity.Kind;
        Span<byte> value = stackalloc byte[32];
        SHA256.HashData(rented.AsSpan(0, end + 9), value);
        ArrayPool<byte>.Shared.Return(rented);
        return new(BinaryPrimitives.ReadInt64BigEndian(value), BinaryPrimitives.ReadInt64BigEndian(value[8..]));
    }

    /// <summary>Spreads well enough as it is: it is a hash.</summary>
    public override int GetHashCode() => A.GetHashCode();

    private static int Room(string text) => sizeof(int) + Encoding.UTF8.GetMaxByteCount(text.Length);

    private static void Append(Span<byte> octets, ref int end, string text)
    {
        BinaryPrimitives.WriteInt32BigEndian(octets[end..], text.Length);
        end += sizeof(int);
        end += Encoding.UTF8.GetBytes(text, octets[end..]);
    }
}
