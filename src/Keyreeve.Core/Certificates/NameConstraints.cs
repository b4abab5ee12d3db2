using System.Formats.Asn1;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Core.Certificates;

/// <summary>
/// The nameConstraints extension of our authorities: someone who steals a key of them, or who trusts the root in a browser, gives
/// away this host and the loopback, not the whole web.
/// </summary>
[Spec("RFC 5280", "4.2.1.10")]
internal static class NameConstraints
{
    public const string Oid = "2.5.29.30";

    // NameConstraints   ::= SEQUENCE { permittedSubtrees [0] GeneralSubtrees OPTIONAL, excludedSubtrees [1] ... }
    // GeneralSubtrees   ::= SEQUENCE OF SEQUENCE { base GeneralName, minimum [0] DEFAULT 0 }
    // GeneralName       ::= dNSName [2] IA5String | iPAddress [7] OCTET STRING (address followed by mask)
    private static readonly Asn1Tag Permitted = new(TagClass.ContextSpecific, 0, isConstructed: true);
    private static readonly Asn1Tag DnsName = new(TagClass.ContextSpecific, 2);
    private static readonly Asn1Tag Address = new(TagClass.ContextSpecific, 7);

    /// <summary>Permits localhost, 127.0.0.0/8, ::1 and the host, which may be a DNS name or an IP address.</summary>
    /// <exception cref="ArgumentException">The host is neither.</exception>
    public static X509Extension For(string hostName)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        using (writer.PushSequence(Permitted))
        {
            WriteName(writer, "localhost");
            WriteSubnet(writer, IPAddress.Parse("127.0.0.0"), prefixLength: 8);
            WriteSubnet(writer, IPAddress.IPv6Loopback, prefixLength: 128);
            if (IPAddress.TryParse(hostName, out var address))
                WriteSubnet(writer, address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128);
            else if (!CertificateNames.IsDnsName(hostName))
                throw new ArgumentException("The host is neither a DNS name (ASCII, A-labels) nor an IP address.", nameof(hostName));
            else if (!hostName.Equals("localhost", StringComparison.OrdinalIgnoreCase))
                WriteName(writer, hostName);
        }

        return new X509Extension(Oid, writer.Encode(), critical: true);
    }

    private static void WriteName(AsnWriter writer, string name)
    {
        using (writer.PushSequence())
            writer.WriteCharacterString(UniversalTagNumber.IA5String, name, DnsName);
    }

    private static void WriteSubnet(AsnWriter writer, IPAddress network, int prefixLength)
    {
        var bytes = network.GetAddressBytes();
        Span<byte> subtree = stackalloc byte[bytes.Length * 2];
        bytes.CopyTo(subtree);
        var mask = subtree[bytes.Length..];
        mask.Clear();
        for (var bit = 0; bit < prefixLength; bit++)
            mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
        using (writer.PushSequence())
            writer.WriteOctetString(subtree, Address);
    }
}
