using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Certificates;

/// <summary>
/// The certificate that a peer showed in the handshake of this connection. TLS has proved that the peer holds its key, and nothing
/// else: not who it is, nor that anybody vouches for it.
/// </summary>
/// <param name="certificate">The peer's own; it stays the connection's.</param>
/// <param name="intermediates">What came with it, as DER.</param>
public sealed class ShownCertificate(X509Certificate2 certificate, IReadOnlyList<byte[]> intermediates)
{
    private readonly byte[] _hash = SHA256.HashData(certificate.RawDataMemory.Span);

    /// <summary>The peer's own.</summary>
    public X509Certificate2 Certificate { get; } = certificate;

    /// <summary>What came with it, as DER; not trusted, only helpful.</summary>
    public IReadOnlyList<byte[]> Intermediates { get; } = intermediates;

    /// <summary>SHA-256 over the DER certificate, 64 lower-case hexadecimal characters: how certificates are registered.</summary>
    public string Thumbprint => Convert.ToHexStringLower(_hash);

    /// <summary>The same in base64url: <c>x5t#S256</c>, how tokens name it (RFC 8705 section 3.1).</summary>
    public string Confirmation => Base64Url.EncodeToString(_hash);

    /// <summary>True when it is the first certificate of an x5c, which is the key's own (RFC 7517 section 4.7).</summary>
    public bool IsIn(JsonWebKeySet keys)
    {
        var encoded = Convert.ToBase64String(Certificate.RawDataMemory.Span);
        return keys.Keys.Any(k => k.X5c is [var own, ..] && string.Equals(own, encoded, StringComparison.Ordinal));
    }
}
