using Keyreeve.Core.Certificates;

namespace Keyreeve.Core.Identity;

/// <summary>The names that closed sets have in registries, metadata, the admin API and the store.</summary>
public static class WireNames
{
    /// <summary>RFC 7591's grant type names.</summary>
    public static string Of(GrantType grant) => grant switch
    {
        GrantType.AuthorizationCode => "authorization_code",
        GrantType.RefreshToken => "refresh_token",
        GrantType.ClientCredentials => "client_credentials",
        GrantType.TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        GrantType.JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
    };

    /// <summary>RFC 7591's client authentication method names.</summary>
    public static string Of(ClientAuthMethod method) => method switch
    {
        ClientAuthMethod.None => "none",
        ClientAuthMethod.SecretBasic => "client_secret_basic",
        ClientAuthMethod.SecretPost => "client_secret_post",
        ClientAuthMethod.PrivateKeyJwt => "private_key_jwt",
        ClientAuthMethod.TlsClientAuth => "tls_client_auth",
        ClientAuthMethod.SelfSignedTls => "self_signed_tls_client_auth",
    };

    /// <summary>Our profile names.</summary>
    public static string Of(ClientProfile profile) => profile switch
    {
        ClientProfile.Seal => "seal",
        ClientProfile.OpenId => "openid",
    };

    /// <summary>Our consent rule names.</summary>
    public static string Of(ConsentRule rule) => rule switch
    {
        ConsentRule.Remember => "remember",
        ConsentRule.Always => "always",
        ConsentRule.Implied => "implied",
    };

    /// <summary>Our authorities' names, in the admin API and in the addresses of their lists.</summary>
    public static string Of(CaRole authority) => authority switch
    {
        CaRole.Root => "root",
        CaRole.Servers => "servers",
        CaRole.Operators => "operators",
        CaRole.ValMc => "val",
        CaRole.Capif => "capif",
    };

    /// <summary>The value of a name, or null.</summary>
    public static T? Parse<T>(string? name, Func<T, string> nameOf)
        where T : struct, Enum
    {
        foreach (var value in Enum.GetValues<T>())
            if (string.Equals(nameOf(value), name, StringComparison.Ordinal))
                return value;
        return null;
    }
}
