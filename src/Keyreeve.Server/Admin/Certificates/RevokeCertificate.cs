using Keyreeve.Core.Certificates;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Admin.Certificates;

/// <summary>POST /certificates/{serial}/revoke: refused from the next request on, on all nodes within a second, and named in the authority's list.</summary>
internal static class RevokeCertificate
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadOptionalAsync(CertificateJson.Revocation)).Succeeded(out var body, out var refusal))
            return refusal;
        var reason = CertificateJson.ReadReason(body);
        if (body.Wrong is { } wrong)
            return wrong;
        var (parts, now) = (request.Admin.Parts, request.Admin.Now);
        if (await parts.Stores.Certificates.FindAsync(request.Id, request.Cancel) is not { } found)
            return AdminAnswer.NotFound("certificate");
        // An operator's registration goes first: so the last operator cannot be shut out here either.
        if (found.Authority == CaRole.Operators && await OperatorCertificates.IsRegisteredAsync(parts.Stores.Sealed, parts.Kek, found.Thumbprint, request.Cancel)
            && !await OperatorCertificates.RemoveUnlessLastAsync(parts.Stores.Sealed, found.Thumbprint, request.Entry("operator.removed", null, found.Thumbprint, "its certificate is revoked"), CancellationToken.None))
            return Refusal.Of(RefusalCode.Conflict, "the last operator cannot be removed: register another one first");
        var entry = request.Entry("certificate.revoked", found.ClientId, found.Serial, $"{CertificateJson.NameOf(reason)}: {found.Name}");
        var revoked = await parts.Stores.Certificates.RevokeAsync(
            found.Serial, reason, now, (authority, all, number) => parts.Pki.BuildList(authority, all, number, now), entry, CancellationToken.None);
        if (!revoked.Succeeded(out var certificate, out refusal))
            return refusal;
        await request.RefreshAsync();
        return AdminAnswer.Ok(CertificateJson.Write(certificate));
    }
}
