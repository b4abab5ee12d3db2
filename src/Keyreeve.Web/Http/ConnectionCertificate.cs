using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Keyreeve.Web.Http;

/// <summary>What came with the certificate of a connection, kept by the host until a request needs it.</summary>
/// <param name="Certificates">DER, bounded by <see cref="ConnectionCertificate.MaxIntermediates"/>.</param>
public sealed record PresentedIntermediates(IReadOnlyList<byte[]> Certificates);

/// <summary>
/// The client certificate of a connection to listener mtls. It comes from the handshake and nowhere else: what stands in a header
/// (X-Forwarded-Client-Cert, X-SSL-*, Client-Cert), anybody can write.
/// </summary>
[Spec("RFC 8705", "6.5")]
[Spec("TS 33.434", "5.1.1.3")]
public static class ConnectionCertificate
{
    /// <summary>Octets of intermediates kept for a connection; who sends more is treated as if none had come. Our choice.</summary>
    public const int MaxIntermediates = 32 * 1024;

    /// <summary>The certificate, or null: another listener, or none was shown.</summary>
    public static ShownCertificate? Of(HttpContext context) =>
        context.Features.Get<Listener>()?.Name == Listener.Mtls && context.Connection.ClientCertificate is { } certificate
            ? new(certificate, context.Features.Get<PresentedIntermediates>()?.Certificates ?? [])
            : null;

    /// <summary>Keeps what a handshake brought.</summary>
    public static void Keep(IFeatureCollection connection, X509Certificate2Collection intermediates)
    {
        if (intermediates.Count is > 0 and <= PeerCertificates.MaxIntermediates && intermediates.Sum(static c => (long)c.RawDataMemory.Length) <= MaxIntermediates)
            connection.Set(new PresentedIntermediates([.. intermediates.Select(static c => c.RawData)]));
    }
}
