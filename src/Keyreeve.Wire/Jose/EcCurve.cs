using System.Security.Cryptography;

namespace Keyreeve.Wire.Jose;

/// <summary>The two curves that exist here (RFC 7518, 6.2.1.1), with what is needed to look at keys and signatures before the provider does.</summary>
internal sealed class EcCurve
{
    private readonly byte[] order;

    private EcCurve(string name, JwsAlgorithm algorithm, ECCurve curve, string order)
    {
        Name = name;
        Algorithm = algorithm;
        Curve = curve;
        this.order = Convert.FromHexString(order);
    }

    internal static EcCurve P256 { get; } = new(
        "P-256", JwsAlgorithm.ES256, ECCurve.NamedCurves.nistP256,
        "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");

    internal static EcCurve P384 { get; } = new(
        "P-384", JwsAlgorithm.ES384, ECCurve.NamedCurves.nistP384,
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973");

    /// <summary>The JOSE name: "P-256".</summary>
    internal string Name { get; }

    /// <summary>The one algorithm keys of this curve sign with.</summary>
    internal JwsAlgorithm Algorithm { get; }

    internal ECCurve Curve { get; }

    /// <summary>Bytes of a coordinate, and of each half of a signature.</summary>
    internal int FieldSize => order.Length;

    internal static EcCurve? ByName(string? name) => name switch { "P-256" => P256, "P-384" => P384, _ => null };

    /// <summary>The curve of a provider's key; null if it is neither.</summary>
    internal static EcCurve? Of(ECCurve curve) => curve.IsNamed
        ? curve.Oid.Value switch { "1.2.840.10045.3.1.7" => P256, "1.3.132.0.34" => P384, _ => null }
        : null;

    /// <summary>True if the signature is r || s of the exact length with both in 1..n-1.</summary>
    internal bool IsSignatureInRange(ReadOnlySpan<byte> signature) =>
        signature.Length == 2 * FieldSize && IsInRange(signature[..FieldSize]) && IsInRange(signature[FieldSize..]);

    private bool IsInRange(ReadOnlySpan<byte> number) => number.ContainsAnyExcept((byte)0) && number.SequenceCompareTo(order) < 0;
}
