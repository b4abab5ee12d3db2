using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Admin.Certificates;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

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
        var parts = request.Admin.Parts;
        if (await parts.Stores.Certificates.FindAsync(request.Id, request.Cancel) is not { } found)
            return AdminAnswer.NotFound("certificate");
        // An operator's registration goes first: so the last operator cannot be shut out here either.
        if (found.Authority == CaRole.Operators && await OperatorCertificates.IsRegisteredAsync(parts.Stores.Sealed, parts.Kek, found.Thumbprint, request.Cancel)
            && !await OperatorCertificates.RemoveUnlessLastAsync(parts.Stores.Sealed, found.Thumbprint, request.Entry("operator.removed", null, found.Thumbprint, "its certificate is revoked"), CancellationToken.None))
            return Refusal.Of(RefusalCode.Conflict, "the last operator cannot be removed: register another one first");
        if (!(await RevokeAsync(request, found, reason)).Succeeded(out var certificate, out refusal))
            return refusal;
        await request.RefreshAsync();
        return AdminAnswer.Ok(CertificateJson.Write(certificate));
    }

    /// <summary>
    /// All certificates of a client that is removed: whoever is registered under its name later is somebody else. Also those that were issued for its
    /// registered name before a client had it, unless another client has the name too: it is by the name that they were this client's.
    /// </summary>
    public static async Task AllOfClientAsync(AdminRequest request, Client client)
    {
        var clientId = client.ClientId;
        if (client.TlsName is { Kind: CertificateNameKind.SanUri or CertificateNameKind.SanDns } name)
            await AllOfNameAsync(request, name, clientId);
        for (string? after = null; ;)
        {
            var page = await request.Admin.Parts.Stores.Certificates.ListAsync(clientId, after, 100, CancellationToken.None);
            // One that somebody else has revoked meanwhile is refused, and revoked.
            foreach (var certificate in page.Where(c => c.RevokedAt is null && c.NotAfter > request.Admin.Now.ToUnixTimeSeconds()))
                await RevokeAsync(request, certificate, X509RevocationReason.CessationOfOperation);
            if (page.Count < 100)
                return;
            after = page[^1].Serial;
        }
    }

    private static async Task AllOfNameAsync(AdminRequest request, RegisteredName name, string clientId)
    {
        var stores = request.Admin.Parts.Stores;
        if ((await stores.Directory.FindClientsByTlsNameAsync(name, CancellationToken.None)).Any(owner => owner.ClientId != clientId))
            return;
        for (string? after = null; ;)
        {
            var page = await stores.Certificates.ListOfNobodyAsync(request.Admin.Now.ToUnixTimeSeconds(), after, 100, CancellationToken.None);
            foreach (var certificate in page.Where(c => c.CouldBe(name)))
                await RevokeAsync(request, certificate, X509RevocationReason.CessationOfOperation);
            if (page.Count < 100)
                return;
            after = page[^1].Serial;
        }
    }

    private static Task<Outcome<IssuedCertificate>> RevokeAsync(AdminRequest request, IssuedCertificate certificate, X509RevocationReason reason)
    {
        var (parts, now) = (request.Admin.Parts, request.Admin.Now);
        var entry = request.Entry("certificate.revoked", certificate.ClientId, certificate.Serial, $"{CertificateJson.NameOf(reason)}: {certificate.Name}");
        return parts.Stores.Certificates.RevokeAsync(
            certificate.Serial, reason, now, (authority, all, number) => parts.Pki.BuildList(authority, all, number, now), entry, CancellationToken.None);
    }
}
