using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>The last moment at which an earlier process on this store was alive, by its audit; 0 when there was none. Unix seconds.</summary>
public sealed record PreviousLife(long LastSeen);

/// <summary>
/// Remembers accepted KM requests for twice the window: the same token subject, service, identity, Date/Time and request id is a
/// replay. In memory; what the process before this one may have accepted is refused by its date, so that a restart opens no gap.
/// </summary>
public sealed class ReplayMemory(SealSettings settings, PreviousLife previous, TimeProvider clock)
{
    /// <summary>Requests remembered at once; more are refused rather than forgotten. Our choice: 20,000 a second at a window of 5 s, in about 20 MB.</summary>
    private const int Capacity = 500_000;

    private readonly long _refusedUntil = previous.LastSeen == 0 ? 0 : previous.LastSeen + 1 + (long)settings.Window.TotalSeconds;
    private readonly Lock _gate = new();
    private HashSet<Seen> _young = [];
    private HashSet<Seen> _old = [];
    private long _youngSince = clock.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>True exactly once for a request.</summary>
    public bool FirstUse(string subject, KmRequest request)
    {
        // A request accepted by the process before us carries a date of at most its last moment plus the window.
        if (request.DateTime <= _refusedUntil)
            return false;
        var seen = Seen.Of(subject, request);
        lock (_gate)
        {
            Turn(clock.GetUtcNow().ToUnixTimeSeconds());
            if (_young.Count + _old.Count >= Capacity || _old.Contains(seen))
                return false;
            return _young.Add(seen);
        }
    }

    /// <summary>Each generation lives twice the window: what falls out is older than any request that would still be accepted.</summary>
    private void Turn(long now)
    {
        var life = 2 * (long)settings.Window.TotalSeconds + 1;
        if (now - _youngSince < life)
            return;
        _old = now - _youngSince >= 2 * life ? [] : _young;
        _young = [];
        _youngSince = now;
    }

    /// <summary>128 bits of SHA-256 over the five values, lengths included: no two requests share one, and nobody can make two that do.</summary>
    private readonly record struct Seen(long A, long B)
    {
        public static Seen Of(string subject, KmRequest request)
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

        private static int Room(string text) => sizeof(int) + Encoding.UTF8.GetMaxByteCount(text.Length);

        private static void Append(Span<byte> octets, ref int end, string text)
        {
            BinaryPrimitives.WriteInt32BigEndian(octets[end..], text.Length);
            end += sizeof(int);
            end += Encoding.UTF8.GetBytes(text, octets[end..]);
        }
    }
}
