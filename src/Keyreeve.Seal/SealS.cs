using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// Reference point SEAL-S: VAL servers prove who they are by certificate and then by token. "Identities in the end entity certificates
/// shall be used for authentication and policy checks", and after TLS comes the OAuth-based authorization. Every door of the SEAL APIs
/// asks here once the token holds. A demand stands in the client's registration or in the settings; each of them adds and none takes away.
/// </summary>
[Spec("TS 33.434", "5.1.1.1")]
[Spec("TS 33.434", "5.1.1.2")]
[Spec("TS 33.434", "5.1.1.8")]
public sealed class SealS(SnapshotState state, SealSettings settings, Func<ClientTrust> trust, AuditQueue audit, TimeProvider clock)
{
    /// <summary>Why the caller with this token is refused for its certificate, or null. A refusal is audited here, for all doors alike.</summary>
    public async ValueTask<Refusal?> WhyNotAsync(HttpContext context, VerifiedToken token)
    {
        var client = await state.FindClientAsync(token.ClientId, context.RequestAborted);
        var shown = ConnectionCertificate.Of(context);
        var isDemanded = client is { RequireCertificate: true } || (settings.AllShowCertificates && await IsValServersAsync(token, context.RequestAborted));
        // Only who must or does show a certificate costs a look at it. A bound token has shown already that it came by this certificate.
        if (client is not null && !isDemanded && (shown is null || token.IsBound || !token.IsClients))
            return null;
        var check = shown is null ? null : trust().Check(shown, clock.GetUtcNow());
        IReadOnlyList<Client> owners = check?.Verified is { } verified ? await OwnersAsync(verified, context.RequestAborted) : [];
        if (WhyNot(client, isDemanded, check, owners) is not { } refusal)
            return null;
        var seen = shown is null ? "" : $" (certificate {shown.Thumbprint})";
        audit.TryAdd(new AuditEntry
        {
            Kind = "seal_s",
            Outcome = AuditOutcome.Refused,
            At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
            Actor = token.Subject,
            ClientId = token.ClientId,
            Subject = context.Request.Path,
            Detail = $"{refusal.Code}: {refusal.Operator}{seen}",
            Source = context.Connection.RemoteIpAddress?.ToString(),
            CorrelationId = context.TraceIdentifier,
        });
        return refusal;
    }

    /// <summary>The decision.</summary>
    /// <param name="client">The token's client as registered now; null when it is gone.</param>
    /// <param name="isDemanded">The client must show a certificate.</param>
    /// <param name="certificate">What the check of the shown certificate said; null when none was shown.</param>
    /// <param name="owners">The clients that the names in a good certificate are registered for.</param>
    public static Refusal? WhyNot(Client? client, bool isDemanded, PeerCheck? certificate, IReadOnlyList<Client> owners)
    {
        if (client is null)
            return new Refusal(RefusalCode.TokenRevoked, "the access token is not valid", "the client of the token is not registered any more");
        if (certificate is null)
            return isDemanded
                ? new Refusal(RefusalCode.CertificateMissing, "this client calls with its certificate and the token, on listener mtls",
                    $"of client {client.ClientId} certificate and token both are demanded ({DemandOf(client)}), and it showed no certificate: is it a connection to listener mtls?")
                : null;
        if (!certificate.TryGetVerified(out _, out var why))
            return isDemanded
                ? new Refusal(RefusalCode.CertificateNotAccepted, $"the certificate is not accepted: {TextOf(why.Value)}", $"the certificate with the token of client {client.ClientId} was refused: {why}")
                : null;
        if (owners.Any(owner => string.Equals(owner.ClientId, client.ClientId, StringComparison.Ordinal)))
            return null;
        if (owners.Count > 0)
            return new Refusal(RefusalCode.CertificateNotAccepted, "certificate and token are of different VAL servers",
                $"the token is of client {client.ClientId}, the certificate of {string.Join(", ", owners.Select(o => o.ClientId))}");
        return isDemanded
            ? new Refusal(RefusalCode.CertificateNotAccepted, "the certificate holds no name of a VAL server that is known here",
                $"the certificate with the token of client {client.ClientId} holds none of the registered names; that client's is {client.TlsName?.ToString() ?? "not registered (tlsName)"}")
            : null;
    }

    private static string DemandOf(Client client) => client.RequireCertificate ? "its registration says so" : "setting Seal:RequireCertificate";

    /// <summary>Why a certificate was refused, for its holder.</summary>
    public static string TextOf(PeerCertificateRefusal why) => why switch
    {
        PeerCertificateRefusal.Expired => "it has expired",
        PeerCertificateRefusal.NotYetValid => "it is not valid yet",
        PeerCertificateRefusal.WrongUsage => "it is not for clients",
        PeerCertificateRefusal.UntrustedIssuer => "no authority that is trusted here has issued it",
        PeerCertificateRefusal.Revoked => "it was revoked",
        PeerCertificateRefusal.RevocationUnknown => "whether it was revoked is not known",
        PeerCertificateRefusal.WeakKey => "its key or signature is too weak",
        PeerCertificateRefusal.Malformed => "it does not read",
    };

    /// <summary>
    /// True when VAL servers alone take part: the token is the client's own, or was made of another VAL server's (RFC 8693) and has that one's subject. A
    /// user's token comes from a VAL UE.
    /// </summary>
    private async ValueTask<bool> IsValServersAsync(VerifiedToken token, CancellationToken cancel) =>
        token.IsClients || (token.DerivedFrom.Count > 0 && !User.IsSubject(token.Subject) && await state.FindClientAsync(token.Subject, cancel) is not null);

    /// <summary>A URI says whose it is; a DNS name only when no URI does.</summary>
    private async ValueTask<IReadOnlyList<Client>> OwnersAsync(VerifiedPeerCertificate certificate, CancellationToken cancel)
    {
        foreach (var (kind, names) in new[] { (CertificateNameKind.SanUri, certificate.SubjectAltUris), (CertificateNameKind.SanDns, certificate.SubjectAltDnsNames) })
        {
            var owners = new List<Client>();
            foreach (var text in names)
                if (RegisteredName.TryRead(kind, text, out var name, out _))
                    owners.AddRange(await state.FindClientsByTlsNameAsync(name, cancel));
            if (owners.Count > 0)
                return owners;
        }
        return [];
    }
}
