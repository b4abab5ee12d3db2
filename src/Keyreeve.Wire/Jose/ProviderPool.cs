namespace Keyreeve.Wire.Jose;

/// <summary>
/// A few provider objects for one key. .NET does not promise that one ECDsa or RSA may be used by two threads at once, and making
/// one for each signature costs more than the signature; so each use takes one and gives it back. The same holds for AesGcm.
/// </summary>
/// <param name="create">Makes one; called whenever all are in use.</param>
public sealed class ProviderPool<T>(Func<T> create) : IDisposable
    where T : class, IDisposable
{
    private readonly T?[] idle = new T?[Math.Clamp(Environment.ProcessorCount, 1, 64)];
    private volatile bool disposed;

    /// <summary>Makes the first one now, so that a key that the provider refuses is refused when it is read.</summary>
    public void Fill() => GiveBack(create());

    /// <summary>One that nobody else has until it is given back.</summary>
    public T Take()
    {
        for (int slot = 0; slot < idle.Length; slot++)
        {
            if (Volatile.Read(ref idle[slot]) is not null && Interlocked.Exchange(ref idle[slot], null) is { } taken)
            {
                return taken;
            }
        }

        return create();
    }

    /// <summary>Keeps it for the next use, or frees it when enough are kept.</summary>
    public void GiveBack(T used)
    {
        if (!disposed)
        {
            for (int slot = 0; slot < idle.Length; slot++)
            {
                if (Volatile.Read(ref idle[slot]) is null && Interlocked.CompareExchange(ref idle[slot], used, null) is null)
                {
                    if (disposed)
                    {
                        Drain(); // disposed between the two looks
                    }

                    return;
                }
            }
        }

        used.Dispose();
    }

    /// <summary>Frees what is idle; what is in use is freed when it is given back.</summary>
    public void Dispose()
    {
        disposed = true;
        Drain();
    }

    private void Drain()
    {
        for (int slot = 0; slot < idle.Length; slot++)
        {
            Interlocked.Exchange(ref idle[slot], null)?.Dispose();
        }
    }
}
