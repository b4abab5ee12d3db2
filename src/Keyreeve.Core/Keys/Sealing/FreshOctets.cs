using System.Security.Cryptography;

namespace Keyreeve.Core.Keys;

/// <summary>
/// Random octets for many keys and nonces. The generator is asked for some thousand at once, because asking costs more than the octets do. Each is handed
/// out once and then no longer kept; what is left is zeroed at the end. So it lives as long as the piece of work it is made for, and no longer. Safe to use
/// by many threads: octets that two had would be a key that two have.
/// </summary>
/// <param name="atOnce">Octets that are drawn at once; more than these are asked for directly.</param>
public sealed class FreshOctets(int atOnce) : IDisposable
{
    /// <summary>Keeps nothing: the generator is asked each time.</summary>
    public static FreshOctets OneByOne { get; } = new(0);

    private readonly Lock _oneAtATime = new();
    private readonly PinnedSecret _drawn = new(atOnce);
    private int _left;
    private bool _gone;

    /// <summary>Fills it with octets that nobody else has.</summary>
    /// <exception cref="ObjectDisposedException">The work it was made for is over.</exception>
    public void Fill(Span<byte> destination)
    {
        if (destination.Length > atOnce)
        {
            RandomNumberGenerator.Fill(destination);
            return;
        }
        lock (_oneAtATime)
        {
            ObjectDisposedException.ThrowIf(_gone, this);
            if (_left < destination.Length)
            {
                // Nothing counts as drawn before it is.
                _left = 0;
                RandomNumberGenerator.Fill(_drawn.Span);
                _left = atOnce;
            }
            var next = _drawn.Span.Slice(_left - destination.Length, destination.Length);
            _left -= destination.Length;
            next.CopyTo(destination);
            CryptographicOperations.ZeroMemory(next);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (atOnce == 0)
            return;
        lock (_oneAtATime)
        {
            _gone = true;
            _drawn.Dispose();
        }
    }

    /// <inheritdoc />
    public override string ToString() => "FreshOctets";
}
