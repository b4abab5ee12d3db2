using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>An access token that passed every check of a resource server; only <see cref="AccessTokenVerifier"/> makes one.</summary>
public sealed class CheckedAccessToken
{
    internal CheckedAccessToken(JwtClaims claims, ScopeList scope, string clientId, CertificateBinding binding) =>
        (Claims, Scope, ClientId, Binding) = (claims, scope, clientId, binding);

    /// <summary>All claims as signed.</summary>
    public JwtClaims Claims { get; }

    /// <summary><c>sub</c>: the user, or the client where no user takes part.</summary>
    public string Subject => Claims.Subject!;

    /// <summary><c>scope</c></summary>
    public ScopeList Scope { get; }

    /// <summary><c>client_id</c></summary>
    public string ClientId { get; }

    /// <summary><c>acr</c>: how the user authenticated; null where no user takes part.</summary>
    public string? AuthenticationClass => Claims.GetString("acr");

    /// <summary><c>auth_time</c>, Unix seconds: when; null where no user takes part.</summary>
    public long? AuthenticatedAt => Claims.GetInteger("auth_time");

    /// <summary>True when the token is good only on a connection with the client certificate that it names (RFC 8705 section 3).</summary>
    public bool IsBoundToCertificate => Binding.Kind != CertificateBindingKind.None;

    internal CertificateBinding Binding { get; }
}

/// <summary>What <c>cnf</c> says.</summary>
internal enum CertificateBindingKind
{
    /// <summary>Nothing: whoever bears the token may use it.</summary>
    None,

    /// <summary>The certificate with this SHA-256.</summary>
    Certificate,

    /// <summary>A proof that we cannot check: the token is good for nobody here.</summary>
    Other,
}

/// <summary>The confirmation claim of a token (RFC 7800), as far as RFC 8705 section 3.1 has it.</summary>
[Spec("RFC 8705", "3.1")]
internal sealed record CertificateBinding(CertificateBindingKind Kind, string? Thumbprint)
{
    internal static CertificateBinding Of(JwtClaims claims)
    {
        if (!claims.TryGetRaw("cnf", out var cnf))
            return new(CertificateBindingKind.None, null);
        // A second member would be a second proof, and leaving out what one does not understand is how a binding is lost.
        return cnf.ValueKind == System.Text.Json.JsonValueKind.Object && cnf.GetPropertyCount() == 1
            && AnswerBody.Text(cnf, "x5t#S256") is { Length: 43 } thumbprint
                ? new(CertificateBindingKind.Certificate, thumbprint)
                : new(CertificateBindingKind.Other, null);
    }

    /// <summary>True when the token may be used on a connection with this certificate, or with none.</summary>
    internal bool Allows(X509Certificate2? certificate) => Kind switch
    {
        CertificateBindingKind.None => true,
        CertificateBindingKind.Certificate => certificate is not null
            && SameText.Is(Thumbprint, Base64UrlStrict.Encode(SHA256.HashData(certificate.RawDataMemory.Span))),
        CertificateBindingKind.Other => false,
    };
}
