using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Tokens;
using Keyreeve.Seal;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Slices.Tests.Storage;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>Records with as little or as much set as there is to set.</summary>
internal static class Samples
{
    public const long Now = 1_767_225_600;

    public static readonly Authentication Password = new(Now, "urn:keyreeve:password", "pwd");

    public static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));

    public static User User(string name = "alice") => new() { Subject = "u-" + Convert.ToHexStringLower(Hash(name))[..22], Username = name, SecurityStamp = "stamp-1" };

    public static User FullUser() => User("Grace Hopper") with
    {
        PasswordHash = "hash",
        DisplayName = "Grace",
        Email = "grace@example.org",
        ValUserId = "val-user",
        ValUeId = "val-ue",
        ValServiceIds = ["a.service", "b.service"],
        Disabled = true,
        FailedLogins = 3,
        LockCount = 2,
        LockedUntil = Now * 1000,
        MustChangePassword = true,
        Version = 1,
    };

    public static Client Client(string id = "client") => new() { ClientId = id, Name = "A client" };

    public static Client FullClient()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Client("full") with
        {
            Profile = ClientProfile.OpenId,
            AuthMethods = [ClientAuthMethod.PrivateKeyJwt, ClientAuthMethod.SecretPost],
            Secrets = [new() { Hash = Hash("one"), CreatedAt = Now }, new() { Hash = Hash("two"), CreatedAt = Now + 1 }],
            Keys = JsonWebKeySet.Of([JsonWebKey.FromEcdsa(key, "kid-1")]),
            RedirectUris = ["https://b.example/cb?x=\"1\"", "https://a.example/cb"],
            Grants = [GrantType.ClientCredentials, GrantType.AuthorizationCode],
            Scopes = ScopeList.Of(["openid", "val:b", "val:a"]),
            PkceOptional = true,
            Consent = ConsentRule.Implied,
            Audience = "https://audience.example",
            OwnedServices = ["z", "a"],
            CertificateThumbprints = [Convert.ToHexStringLower(Hash("cert 2")), Convert.ToHexStringLower(Hash("cert 1"))],
            IdTokenAlgorithm = JwsAlgorithm.PS256,
            MinimumAcr = "phr",
            Description = "what it is for",
            Pages = new("https://a.example/", "https://a.example/logo.png", "https://a.example/policy", "https://a.example/terms"),
            KeysUri = "https://a.example/jwks",
            PostLogoutRedirectUris = ["https://a.example/bye", "https://a.example/"],
            BoundTokens = true,
            TlsName = Keyreeve.Core.Certificates.RegisteredName.TryRead("subject_dn:CN=a\\,b,C=DE", out var name, out _) ? name : null,
            RequirePushedRequests = true,
            EncryptAccessTokens = true,
            SignedKeyRequests = true,
            EncryptedKeyMaterial = true,
            MayImpersonate = true,
            Sector = "sector.example",
            RequireCertificate = true,
            AccessTokenSeconds = 77,
            Disabled = true,
            Version = 1,
        };
    }

    public static TrustedIssuer FullIssuer()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        return new()
        {
            Issuer = "https://partner.example/x",
            Name = "Partner",
            Keys = JsonWebKeySet.Of([JsonWebKey.FromEcdsa(key, "kid-1")]),
            KeysUri = "https://partner.example/jwks",
            Algorithms = [JwsAlgorithm.ES384, JwsAlgorithm.PS256],
            Scopes = ScopeList.Of(["val:b", "val:a"]),
            Clients = ["z", "a"],
            Links = System.Collections.Immutable.ImmutableDictionary<string, string>.Empty.Add("carol \"=1", "u-1"),
            Federated = true,
            Acr = "phr",
            Origin = new("https://partner.example/introspect", "serving-system", [1, 2, 3]),
            TokenSeconds = 60,
            Disabled = true,
            Version = 1,
        };
    }

    public static AuthorizationCode Code(string code = "code") => new()
    {
        Hash = Hash(code),
        ClientId = "client",
        Subject = User().Subject,
        RedirectUri = "https://a.example/cb",
        RedirectUriSent = false,
        Scope = ScopeList.Empty,
        Authentication = Password,
        GrantId = "grant-" + code,
        ExpiresAt = Now + 60,
    };

    public static AuthorizationCode FullCode() => Code("full") with
    {
        RedirectUriSent = true,
        Challenge = "challenge",
        Nonce = "nonce",
        Scope = ScopeList.Of(["openid", "val:a"]),
        Resources = ResourceList.Of(["https://a.example", "https://b.example"]),
        SessionId = "session",
        RedeemedAt = Now + 1,
    };

    public static RefreshFamily Family(string id = "family") => new()
    {
        FamilyId = id,
        ClientId = "client",
        Subject = User().Subject,
        Scope = ScopeList.Of(["openid"]),
        Authentication = Password,
        Generation = 0,
        CurrentHash = Hash("token 0"),
        RotatedAt = Now * 1000,
        IdleExpiresAt = (Now + 100) * 1000,
        AbsoluteExpiresAt = (Now + 1000) * 1000,
    };

    public static RefreshFamily FullFamily() => Family("full") with
    {
        BoundTo = "thumbprint",
        Resources = ResourceList.Of(["https://a.example"]),
        SessionId = "session",
        StartedAt = Now * 999,
        Generation = 4,
        PreviousHash = Hash("token 3"),
        SealedSuccessor = [1, 2, 3],
        Reuses = 2,
        EndedAt = Now,
    };

    public static RefreshFamily Rotated(RefreshFamily family, string token) => family with
    {
        Generation = family.Generation + 1,
        PreviousHash = family.CurrentHash,
        CurrentHash = Hash(token),
        SealedSuccessor = [9],
        RotatedAt = family.RotatedAt + 1,
        IdleExpiresAt = family.IdleExpiresAt + 1,
        Reuses = 0,
        BoundTo = "next thumbprint",
    };

    public static LoginSession Session(string cookie, string subject) => new()
    {
        Hash = Hash(cookie),
        SessionId = "sid-" + cookie,
        Subject = subject,
        SecurityStamp = "stamp-1",
        Authentication = Password,
        ExpiresAt = (Now + 60) * 1000,
        CreatedAt = Now * 1000,
        Browser = "Firefox on Linux",
    };

    public static KeyRecord Record(string service, KmIdentityKind kind = KmIdentityKind.Service, string identity = "") => new()
    {
        ServiceId = service,
        Identity = new(kind, identity),
        UpdatedAt = Now,
        Latest = 1,
    };

    /// <summary>Octets instead of seals: the store does not look into them.</summary>
    public static KeyVersion Version(long number = 1, long activatesAt = Now, string text = "") => new()
    {
        Number = number,
        ActivatesAt = activatesAt,
        CreatedAt = Now,
        KekVersion = 1,
        WrappedKey = Hash($"wrapped {number} {text}"),
        Ciphertext = Hash($"payload {number} {text}"),
    };
}
