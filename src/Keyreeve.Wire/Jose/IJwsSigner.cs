namespace Keyreeve.Wire.Jose;

/// <summary>
/// A key that signs and is never handed out. Two kinds exist: the server's keys, sealed at rest, and a client's own keys
/// (<see cref="ClientSigningKey"/>). Implementations are safe to use from several threads.
/// </summary>
public interface IJwsSigner
{
    /// <summary>The one algorithm this key signs with.</summary>
    JwsAlgorithm Algorithm { get; }

    /// <summary>The <c>kid</c> written into headers; empty for none.</summary>
    string KeyId { get; }

    /// <summary>Bytes of every signature this key makes.</summary>
    int SignatureSize { get; }

    /// <summary>
    /// Signs; <paramref name="signature"/> is at least <see cref="SignatureSize"/> long. Gives the number of bytes written, which is
    /// <see cref="SignatureSize"/>. ECDSA signatures are r || s, never DER.
    /// </summary>
    int Sign(ReadOnlySpan<byte> signingInput, Span<byte> signature);
}
