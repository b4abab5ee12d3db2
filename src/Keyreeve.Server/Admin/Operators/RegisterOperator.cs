using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Admin.Operators;

/// <summary>
/// POST /operators: registers a certificate of the Operators CA, or issues one for a request whose key never leaves its owner.
/// </summary>
internal static class RegisterOperator
{
    private const int MaxPem = 16 * 1024;

    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(OperatorJson.New)).Succeeded(out var body, out var refusal))
            return refusal;
        var name = body.RequiredText("name", 64);
        var (pem, csr) = (body.Text("certificate", MaxPem, lines: true), body.Text("csr", MaxPem, lines: true));
        if (body.Wrong is null && pem is null == csr is null)
            body.Fail("certificate", "exactly one of certificate and csr is required");
        if (body.Wrong is { } wrong)
            return wrong;
        var authority = request.Admin.Parts.Pki[CaRole.Operators];
        if (!(pem is not null ? Read(pem) : Issue(csr!, name, request.Admin.Parts.Pki, request.Admin.Now)).Succeeded(out var certificate, out refusal))
            return refusal;
        using (certificate)
        {
            if (!PeerCertificates.Check(certificate, [], [authority.Certificate], EntityUse.Client, request.Admin.Now, null).TryGetVerified(out var verified, out var why))
                return Refusal.About(RefusalCode.InvalidParameter, "certificate", $"the certificate would not be accepted at the door: {why}. It must come from this server's Operators CA: send csr instead");
            var parts = request.Admin.Parts;
            if (await OperatorCertificates.IsRegisteredAsync(parts.Stores.Sealed, parts.Kek, verified.Sha256Thumbprint, request.Cancel))
                return Refusal.Of(RefusalCode.Conflict, "the certificate is registered already");
            if (csr is not null)
            {
                var record = IssuedCertificate.Of(certificate, CaRole.Operators, clientId: null, request.Admin.Now);
                if (!(await parts.Stores.Certificates.AddAsync(record, replaces: null, request.Entry("certificate.issued", null, record.Serial, $"operators: {name}"), CancellationToken.None)).Succeeded(out _, out refusal))
                    return refusal;
            }
            await OperatorCertificates.RegisterAsync(parts.Stores.Sealed, parts.Kek, verified.Sha256Thumbprint, name, request.Operator.Actor, parts.Clock, CancellationToken.None);
            var json = OperatorJson.Write(verified.Sha256Thumbprint, name, request.Operator);
            if (csr is not null)
                json["certificate"] = certificate.ExportCertificatePem() + "\n" + authority.Certificate.ExportCertificatePem() + "\n";
            return AdminAnswer.Created($"{AdminRoutes.Base}/operators/{verified.Sha256Thumbprint}", json);
        }
    }

    private static Outcome<X509Certificate2> Read(string pem)
    {
        try
        {
            return X509Certificate2.CreateFromPem(pem);
        }
        catch (CryptographicException)
        {
            return Refusal.About(RefusalCode.InvalidParameter, "certificate", "certificate is not a certificate in PEM");
        }
    }

    /// <summary>Of the request only the key is taken, and its signature proves that the sender holds it; name and use are ours.</summary>
    private static Outcome<X509Certificate2> Issue(string csr, string name, Pki pki, DateTimeOffset now)
    {
        try
        {
            var asked = CertificateRequest.LoadSigningRequestPem(csr, HashAlgorithmName.SHA256);
            if (pki.Issue(CaRole.Operators, new EntityRequest { CommonName = name, Use = EntityUse.Client, Validity = OperatorCertificates.Validity }, asked.PublicKey, now).Succeeded(out var issued, out _))
                return issued;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            // What does not parse; what follows says it for a key or name outside the profile too.
        }
        return Refusal.About(RefusalCode.InvalidParameter, "csr", "csr is not a PKCS#10 request in PEM with an EC P-256 or RSA key of 2048 bits or more, or the name does not fit a certificate");
    }
}
