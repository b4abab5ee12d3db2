using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Certificates;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>POST /certificates: a certificate of a built-in authority, for the key of a request or for one that is made here.</summary>
internal static class IssueCertificate
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(CertificateJson.New)).Succeeded(out var body, out var refusal))
            return refusal;
        Client? client = null;
        if (body.Text("clientId") is { } clientId && (client = await request.Admin.Parts.Stores.Directory.FindClientAsync(clientId, request.Cancel)) is null)
            return Refusal.About(RefusalCode.InvalidParameter, "clientId", $"there is no client {JsonBody.Shown(clientId)}");
        var (authority, asked) = CertificateJson.ReadNew(body, client);
        if (body.Wrong is { } wrong)
            return wrong;
        if (!CertificateJson.ReadKey(body).Succeeded(out var key, out refusal))
            return refusal;
        return await RunAsync(request, authority, asked, key, client?.ClientId, replaces: null);
    }

    /// <summary>Issues and registers; what a renewal does too.</summary>
    public static async Task<AdminAnswer> RunAsync(AdminRequest request, CaRole authority, EntityRequest asked, AskedKey key, string? clientId, string? replaces)
    {
        var (parts, now) = (request.Admin.Parts, request.Admin.Now);
        // A renewal too: since the certificate before was issued its client may have gone, and the name to another one.
        if (await WhyNotTheirsAsync(request, asked, clientId) is { } taken)
            return taken;
        if (!parts.Pki.Issue(authority, asked, key.Public, now).Succeeded(out var certificate, out var refusal))
            return refusal;
        using (certificate)
        {
            var record = IssuedCertificate.Of(certificate, authority, clientId, now);
            var detail = $"{WireNames.Of(authority)}: {record.Name}, until {Times.OfSeconds(record.NotAfter)}{(replaces is null ? "" : ", in place of " + replaces)}";
            if (!(await parts.Stores.Certificates.AddAsync(record, replaces, request.Entry("certificate.issued", clientId, record.Serial, detail), CancellationToken.None)).Succeeded(out _, out refusal))
                return refusal;
            var json = CertificateJson.Write(record);
            json["certificate"] = parts.Pki.ChainPem(authority, certificate);
            json["key"] = key.PrivatePem;
            return AdminAnswer.Created(CertificateJson.Path(record.Serial), json);
        }
    }

    /// <summary>A name says whose a certificate is: nobody gets one with another client's.</summary>
    private static async Task<Refusal?> WhyNotTheirsAsync(AdminRequest request, EntityRequest asked, string? clientId)
    {
        var names = asked.Uris.Select(uri => (CertificateNameKind.SanUri, uri.OriginalString)).Concat(asked.DnsNames.Select(dns => (CertificateNameKind.SanDns, dns)));
        foreach (var (kind, text) in names)
            if (RegisteredName.TryRead(kind, text, out var name, out _)
                && (await request.Admin.Parts.Stores.Directory.FindClientsByTlsNameAsync(name, request.Cancel)) is { Count: > 0 } owners
                && owners.All(owner => owner.ClientId != clientId))
                return Refusal.About(RefusalCode.Conflict, "clientId", $"{JsonBody.Shown(text)} is the name of client {owners[0].ClientId}: issue one with that clientId");
        return null;
    }
}
