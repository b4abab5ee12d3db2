using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Certificates;

/// <summary>POST /certificates/{serial}/renew: another certificate with the same names and another key. The one before stays good until it ends or is revoked.</summary>
internal static class RenewCertificate
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(CertificateJson.Renewal)).Succeeded(out var body, out var refusal))
            return refusal;
        if (await request.Admin.Parts.Stores.Certificates.FindAsync(request.Id, request.Cancel) is not { } before)
            return AdminAnswer.NotFound("certificate");
        var validity = CertificateJson.ReadDays(body);
        if (body.Wrong is { } wrong)
            return wrong;
        if (before.RevokedAt is not null || before.ReplacedBy is not null)
            return Refusal.Of(RefusalCode.Conflict, before.RevokedAt is not null ? "the certificate was revoked: issue another one" : $"the certificate was renewed already, by {before.ReplacedBy}");
        if (before.Authority == CaRole.Operators)
            return Refusal.Of(RefusalCode.Conflict, "an operator's certificate is renewed by registering another one (POST /operators)");
        if (!CertificateJson.ReadKey(body).Succeeded(out var key, out refusal))
            return refusal;
        using var certificate = X509Certificate2.CreateFromPem(before.Pem);
        var asked = EntityRequest.Again(certificate);
        return await IssueCertificate.RunAsync(request, before.Authority, validity is { } days ? asked with { Validity = days } : asked, key, before.ClientId, before.Serial);
    }
}
