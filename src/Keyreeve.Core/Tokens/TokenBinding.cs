using Keyreeve.Core.Certificates;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Core.Tokens;

/// <summary>Certificate-bound access tokens (RFC 8705 section 3): who gets them, and who may use them.</summary>
[Spec("RFC 8705", "3")]
public static class TokenBinding
{
    /// <summary>The client's certificate when its tokens are bound, or <see cref="Unbound"/>.</summary>
    /// <param name="Certificate">SHA-256 of the certificate in base64url, or null.</param>
    public sealed record Binding(string? Certificate);

    /// <summary>Good for whoever holds the token.</summary>
    public static Binding Unbound { get; } = new((string?)null);

    /// <summary>Decides before anything is consumed: a client that is registered for bound tokens gets no others.</summary>
    [Spec("RFC 8705", "3.4")]
    public static Outcome<Binding> Decide(AuthenticatedClient client)
    {
        if (!client.Client.BoundTokens && !client.IsProvedByCertificate)
            return Unbound;
        return client.Certificate is { } shown
            ? new Binding(shown.Confirmation)
            : new Refusal(RefusalCode.CertificateMissing, "tokens of this client are bound to its certificate, and none was shown",
                $"client {client.Client.ClientId} has bound tokens and showed no certificate: it belongs to listener mtls (mtls_endpoint_aliases)");
    }

    /// <summary>
    /// What a refresh family is bound to. A public client's is not: its refresh tokens rotate, and it could never renew its certificate.
    /// </summary>
    [Spec("RFC 8705", "4")]
    public static string? OfFamily(AuthenticatedClient client, Binding binding) => client.Client.IsPublic ? null : binding.Certificate;

    /// <summary>
    /// Whether a client may refresh a bound grant: with the certificate of last time, or with another one that is the client's own, by
    /// its registration or because it has just authenticated the client. So certificates are renewed.
    /// </summary>
    public static bool MayRefresh(RefreshFamily family, AuthenticatedClient client) => family.BoundTo is null || client.IsProvedByCertificate
        || client.Certificate is { } shown
            && (string.Equals(shown.Confirmation, family.BoundTo, StringComparison.Ordinal) || client.Client.CertificateThumbprints.Contains(shown.Thumbprint, StringComparer.Ordinal));

    /// <summary>Whether the caller of a resource may use the token; null is yes.</summary>
    [Spec("RFC 8705", "3")]
    public static Refusal? WhyNot(VerifiedToken token, ShownCertificate? shown)
    {
        if (!token.IsBound)
            return null;
        return shown is not null && string.Equals(token.BoundTo, shown.Confirmation, StringComparison.Ordinal)
            ? null
            : new Refusal(RefusalCode.BoundToAnotherKey, shown is null ? "the access token is bound to a certificate: show it on listener mtls" : "the access token is not valid",
                $"token {token.Claims.JwtId} is bound to a certificate and came with {(shown is null ? "none" : "another one")}");
    }
}
