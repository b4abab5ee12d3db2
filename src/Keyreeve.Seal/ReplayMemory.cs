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
    /// <summary>Requests remembered at once; more are refused rather than forgotten. Our choice: 50,000 a second for 10 s.</summary>
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

    /// <summary>A fixed-size fingerprint of the five values, lengths included: no two requests share one.</summary>
    private readonly record struct Seen(Int128 A, Int128 B)
    {
        public static Seen Of(string subject, KmRequest request)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            Append(hash, subject);
            Append(hash, request.ServiceId);
            Append(hash, request.Identity.Value);
            Append(hash, request.RequestId);
            Span<byte> rest = stackalloc byte[9];
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(rest, request.DateTime);
            rest[8] = (byte)request.Identity.Kind;
            hash.AppendData(rest);
            Span<byte> value = stackalloc byte[32];
            hash.GetHashAndReset(value);
            return new(System.Buffers.Binary.BinaryPrimitives.ReadInt128BigEndian(value), System.Buffers.Binary.BinaryPrimitives.ReadInt128BigEndian(value[16..]));
        }

        private static void Append(IncrementalHash hash, string text)
        {
            Span<byte> length = stackalloc byte[4];
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(length, text.Length);
            hash.AppendData(length);
            hash.AppendData(Encoding.UTF8.GetBytes(text));
        }
    }
}
