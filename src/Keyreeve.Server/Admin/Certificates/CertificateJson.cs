using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Certificates;

/// <summary>An issued certificate as the admin API writes it, and a request for one as it reads it.</summary>
internal static class CertificateJson
{
    /// <summary>Characters of a request in PEM.</summary>
    private const int MaxPem = 16 * 1024;

    private static readonly int MostDays = (int)CertificateAuthority.MaxEntityValidity.TotalDays;

    private static readonly AdminField[] Fields =
    [
        new("serial", FieldKind.Text, "Serial number, lower-case hexadecimal.", ReadOnly: true),
        new("authority", FieldKind.Text, "The authority: val, capif, servers or operators.", ReadOnly: true),
        new("clientId", FieldKind.Text, "The client it belongs to, or null.", ReadOnly: true),
        new("name", FieldKind.Text, "Its common name, for people.", ReadOnly: true),
        new("thumbprint", FieldKind.Text, "SHA-256 of the certificate, 64 lower-case hexadecimal digits.", ReadOnly: true),
        new("notBefore", FieldKind.Time, "When it begins.", ReadOnly: true),
        new("notAfter", FieldKind.Time, "When it ends.", ReadOnly: true),
        new("issuedAt", FieldKind.Time, "When it was issued.", ReadOnly: true),
        new("replacedBy", FieldKind.Text, "The serial number of the one that was issued in its place, or null.", ReadOnly: true),
        new("revokedAt", FieldKind.Time, "When it was revoked, or null.", ReadOnly: true),
        new("reason", FieldKind.Text, "Why it was revoked, or null.", ReadOnly: true),
    ];

    private static readonly AdminField Chain = new("certificate", FieldKind.Text, "The certificate followed by its authority, PEM.", ReadOnly: true);

    private static readonly AdminField Csr = new("csr", FieldKind.Text, "PEM of a PKCS#10 request: its key is taken, nothing else. Without it a key is made and returned once.", WriteOnly: true);

    private static readonly AdminField Days = new("days", FieldKind.Number, "How long it is good, 1 to 1095; 90 when absent, at a renewal as long as the one before.", WriteOnly: true);

    public static readonly AdminSchema Item = new("Certificate", Fields);

    public static readonly AdminSchema Shown = new("CertificateWithChain", [.. Fields, Chain]);

    public static readonly AdminSchema Issued = new("IssuedCertificate", [.. Fields, Chain, new AdminField("key", FieldKind.Text, "The private key that was made, PEM (PKCS#8); shown this once.", ReadOnly: true)]);

    public static readonly AdminSchema New = new("NewCertificate",
        new AdminField("authority", FieldKind.Text, "val (default: VAL servers and other clients), capif or servers.", WriteOnly: true),
        new AdminField("clientId", FieldKind.Text, "The client it is for: without names it gets the one that is registered (tlsName).", WriteOnly: true),
        new AdminField("name", FieldKind.Text, "Common name, for people; the clientId when absent, with hyphens for dots.", WriteOnly: true),
        new AdminField("uris", FieldKind.Texts, "uniformResourceIdentifier entries of the subjectAltName.", WriteOnly: true),
        new AdminField("dnsNames", FieldKind.Texts, "dNSName entries; the built-in authorities may speak for the server's host and localhost alone.", WriteOnly: true),
        new AdminField("addresses", FieldKind.Texts, "iPAddress entries.", WriteOnly: true),
        new AdminField("use", FieldKind.Texts, "client (default), server, or both.", WriteOnly: true),
        Days,
        Csr);

    public static readonly AdminSchema Renewal = new("CertificateRenewal", Csr, Days);

    public static readonly AdminSchema Revocation = new("CertificateRevocation",
        new AdminField("reason", FieldKind.Text, "unspecified (default), keyCompromise, affiliationChanged, superseded, cessationOfOperation or privilegeWithdrawn.", WriteOnly: true));

    public static string Path(string serial) => $"{AdminRoutes.Base}/certificates/{serial}";

    public static JsonObject Write(IssuedCertificate certificate) => new()
    {
        ["serial"] = certificate.Serial,
        ["authority"] = WireNames.Of(certificate.Authority),
        ["clientId"] = certificate.ClientId,
        ["name"] = certificate.Name,
        ["thumbprint"] = certificate.Thumbprint,
        ["notBefore"] = Times.OfSeconds(certificate.NotBefore),
        ["notAfter"] = Times.OfSeconds(certificate.NotAfter),
        ["issuedAt"] = Times.OfSeconds(certificate.IssuedAt),
        ["replacedBy"] = certificate.ReplacedBy,
        ["revokedAt"] = certificate.RevokedAt is { } at ? Times.OfSeconds(at) : null,
        ["reason"] = certificate.Reason is { } reason ? NameOf(reason) : null,
    };

    /// <summary>A CRLReason by its name in RFC 5280 section 5.3.1.</summary>
    public static string NameOf(X509RevocationReason reason)
    {
        var name = reason.ToString();
        return char.ToLower(name[0], CultureInfo.InvariantCulture) + name[1..];
    }

    /// <summary>The reasons that may be given. Those of authorities, and of lists that take back what they said, are none of ours.</summary>
    public static X509RevocationReason ReadReason(JsonBody body)
    {
        X509RevocationReason[] known =
        [
            X509RevocationReason.Unspecified, X509RevocationReason.KeyCompromise, X509RevocationReason.AffiliationChanged, X509RevocationReason.Superseded,
            X509RevocationReason.CessationOfOperation, X509RevocationReason.PrivilegeWithdrawn,
        ];
        if (body.Text("reason", 64) is not { } text)
            return X509RevocationReason.Unspecified;
        foreach (var reason in known)
            if (string.Equals(NameOf(reason), text, StringComparison.Ordinal))
                return reason;
        body.Fail("reason", $"reason is one of {string.Join(", ", known.Select(NameOf))}");
        return X509RevocationReason.Unspecified;
    }

    /// <summary>How long, or null when the body does not say.</summary>
    public static TimeSpan? ReadDays(JsonBody body) => body.Number("days", 1, MostDays) is { } days ? TimeSpan.FromDays(days) : null;

    /// <summary>What a new certificate shall say, and which authority says it. Names of the client's registration stand in for what is not there.</summary>
    public static (CaRole Authority, EntityRequest Request) ReadNew(JsonBody body, Core.Identity.Client? client)
    {
        var authority = body.Named("authority", CaRole.ValMc, WireNames.Of);
        if (authority is CaRole.Root or CaRole.Operators)
            body.Fail("authority", authority == CaRole.Root ? "the root issues no such certificates" : "certificates of operators are issued by POST /operators");
        var uses = body.Texts("use", 2, 16) ?? ["client"];
        if (uses.FirstOrDefault(use => use is not ("client" or "server")) is { } other)
            body.Fail("use", $"use: {JsonBody.Shown(other)} is none of client, server");
        var uris = new List<Uri>();
        foreach (var text in body.Texts("uris", 32, 2000) ?? [])
            if (RegisteredName.TryRead(CertificateNameKind.SanUri, text, out _, out var reason) && Uri.TryCreate(text, UriKind.Absolute, out var uri))
                uris.Add(uri);
            else
                body.Fail("uris", reason);
        var addresses = new List<IPAddress>();
        foreach (var text in body.Texts("addresses", 32, 64) ?? [])
            if (RegisteredName.TryRead(CertificateNameKind.SanIp, text, out _, out var reason))
                addresses.Add(IPAddress.Parse(text));
            else
                body.Fail("addresses", reason);
        List<string> dnsNames = [.. body.Texts("dnsNames", 32, 253) ?? []];
        if (uris.Count + dnsNames.Count + addresses.Count == 0)
        {
            if (client?.TlsName is { Kind: CertificateNameKind.SanUri } byUri)
                uris.Add(new Uri(byUri.Value));
            else if (client?.TlsName is { Kind: CertificateNameKind.SanDns } byDns)
                dnsNames.Add(byDns.Value);
            else
                body.Fail("uris", "at least one of uris, dnsNames and addresses is required, or a clientId that is registered with a tlsName of san_uri: or san_dns:");
        }
        return (authority, new EntityRequest
        {
            // For people alone; with a dot it would read as the name of a host.
            CommonName = body.Text("name", 64) ?? client?.ClientId.Replace('.', '-') ?? "certificate",
            Use = (uses.Contains("client") ? EntityUse.Client : EntityUse.None) | (uses.Contains("server") ? EntityUse.Server : EntityUse.None),
            Uris = uris,
            DnsNames = dnsNames,
            Addresses = addresses,
            Validity = ReadDays(body) ?? TimeSpan.FromDays(90),
        });
    }

    /// <summary>The key of the request, whose signature proves that the sender holds it; or a new one, with its private half in PEM.</summary>
    public static Outcome<AskedKey> ReadKey(JsonBody body)
    {
        if (body.Text("csr", MaxPem, lines: true) is not { } csr)
        {
            using var made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return new AskedKey(new PublicKey(made), made.ExportPkcs8PrivateKeyPem() + "\n");
        }
        try
        {
            var key = CertificateRequest.LoadSigningRequestPem(csr, HashAlgorithmName.SHA256, signerSignaturePadding: RSASignaturePadding.Pkcs1).PublicKey;
            return KeyRules.Admits(key) ? new AskedKey(key, null) : Refusal.About(RefusalCode.InvalidParameter, "csr", "the key of csr is none of P-256, P-384 and RSA of 2048 bits or more");
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return Refusal.About(RefusalCode.InvalidParameter, "csr", "csr is not a PKCS#10 request in PEM that its own key has signed");
        }
    }
}

/// <summary>The key of a certificate to be issued.</summary>
/// <param name="Public">The key.</param>
/// <param name="PrivatePem">Its private half when it was made here, else null.</param>
internal sealed record AskedKey(PublicKey Public, string? PrivatePem);
