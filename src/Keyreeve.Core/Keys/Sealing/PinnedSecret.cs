using System.Security.Cryptography;

namespace Keyreeve.Core.Keys;

/// <summary>Octets of a secret that the garbage collector does not copy about, and that are zeroed when they are done with. Prints nothing of them.</summary>
public sealed class PinnedSecret : IDisposable
{
    private readonly byte[] _octets;

    /// <summary>So many zero octets.</summary>
    public PinnedSecret(int length) => _octets = GC.AllocateArray<byte>(length, pinned: true);

    /// <summary>A copy; the caller zeroes its own.</summary>
    public PinnedSecret(ReadOnlySpan<byte> octets)
        : this(octets.Length) => octets.CopyTo(_octets);

    /// <summary>The octets, zero once disposed.</summary>
    public Span<byte> Span => _octets;

    /// <summary>New random octets.</summary>
    public static PinnedSecret Random(int length)
    {
        var secret = new PinnedSecret(length);
        RandomNumberGenerator.Fill(secret._octets);
        return secret;
    }

    /// <inheritdoc />
    public void Dispose() => CryptographicOperations.ZeroMemory(_octets);

    /// <inheritdoc />
    public override string ToString() => "PinnedSecret";
}
