using System.Text.Json;

namespace Keyreeve.Client;

/// <summary>What a SIM-S says about itself (OpenID Connect Discovery 1.0 section 4), as far as a SIM-C needs it. All addresses are https.</summary>
[Spec("OpenID Connect Discovery 1.0", "4.3")]
public sealed record SimMetadata
{
    private SimMetadata()
    {
    }

    /// <summary>The issuer, byte for byte as configured.</summary>
    public required string Issuer { get; init; }

    /// <summary>Where the user's browser goes.</summary>
    public required Uri AuthorizationEndpoint { get; init; }

    /// <summary>Where codes become tokens.</summary>
    public required Uri TokenEndpoint { get; init; }

    /// <summary>The signing keys.</summary>
    public required Uri JwksUri { get; init; }

    /// <summary>RFC 7009, or null.</summary>
    public Uri? RevocationEndpoint { get; init; }

    /// <summary>RFC 7662, or null.</summary>
    public Uri? IntrospectionEndpoint { get; init; }

    /// <summary>Where these endpoints ask for a client certificate (RFC 8705 section 5); an endpoint that is not there stands where it always does.</summary>
    internal IReadOnlyDictionary<string, Uri> MtlsAliases { get; private init; } = new Dictionary<string, Uri>();

    /// <summary>Authentication responses carry <c>iss</c> (RFC 9207).</summary>
    public bool IssuerInResponse { get; init; }

    /// <summary>Where the metadata of an issuer stands; null when it is no https URL without query and fragment.</summary>
    internal static Uri? AddressOf(string issuer) =>
        TryHttps(issuer, out var parsed) && parsed!.Query.Length == 0 && !issuer.Contains('?', StringComparison.Ordinal)
            ? new Uri(issuer.TrimEnd('/') + "/.well-known/openid-configuration")
            : null;

    internal static async Task<ClientResult<SimMetadata>> FetchAsync(HttpClient http, Uri address, string issuer, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        return Read(await AnswerBody.SendAsync(http, request, AnswerBody.MaxLength, cancel), issuer);
    }

    private static ClientResult<SimMetadata> Read(AnswerBody answer, string issuer)
    {
        if (answer.Status != 200 || !answer.TryReadObject(out var document))
            return new BadAnswer("OpenID provider metadata", answer.Described);
        using (document)
            return Read(document.RootElement, issuer);
    }

    private static ClientResult<SimMetadata> Read(JsonElement root, string issuer)
    {
        // "The issuer value returned MUST be identical to the Issuer URL that was directly used to retrieve the configuration."
        var named = AnswerBody.Text(root, "issuer");
        if (!string.Equals(named, issuer, StringComparison.Ordinal))
            return new BadAnswer($"issuer {issuer}", named is null ? "none" : Printable.Of(named, 200));
        if (root.TryGetProperty("code_challenge_methods_supported", out var methods) && !AnswerBody.ArrayHas(methods, "S256"))
            return new BadAnswer("code_challenge_methods_supported with S256", "a list without it");
        if (!TryHttps(AnswerBody.Text(root, "authorization_endpoint"), out var authorize))
            return NoHttps("authorization_endpoint");
        if (!TryHttps(AnswerBody.Text(root, "token_endpoint"), out var token))
            return NoHttps("token_endpoint");
        if (!TryHttps(AnswerBody.Text(root, "jwks_uri"), out var jwks))
            return NoHttps("jwks_uri");
        Uri? revoke = null, introspect = null;
        if (root.TryGetProperty("revocation_endpoint", out _) && !TryHttps(AnswerBody.Text(root, "revocation_endpoint"), out revoke))
            return NoHttps("revocation_endpoint");
        if (root.TryGetProperty("introspection_endpoint", out _) && !TryHttps(AnswerBody.Text(root, "introspection_endpoint"), out introspect))
            return NoHttps("introspection_endpoint");
        var aliases = new Dictionary<string, Uri>(StringComparer.Ordinal);
        if (root.TryGetProperty("mtls_endpoint_aliases", out var others) && others.ValueKind == JsonValueKind.Object)
            foreach (var name in (string[])["token_endpoint", "revocation_endpoint", "introspection_endpoint"])
                if (others.TryGetProperty(name, out _))
                {
                    if (!TryHttps(AnswerBody.Text(others, name), out var alias))
                        return NoHttps("mtls_endpoint_aliases." + name);
                    aliases[name] = alias!;
                }
        return new SimMetadata
        {
            MtlsAliases = aliases,
            Issuer = issuer,
            AuthorizationEndpoint = authorize!,
            TokenEndpoint = token!,
            JwksUri = jwks!,
            RevocationEndpoint = revoke,
            IntrospectionEndpoint = introspect,
            IssuerInResponse = root.TryGetProperty("authorization_response_iss_parameter_supported", out var iss) && iss.ValueKind == JsonValueKind.True,
        };
    }

    /// <summary>The addresses that a client uses who proves himself by the connection's certificate.</summary>
    internal SimMetadata AtMtls() => this with
    {
        TokenEndpoint = MtlsAliases.GetValueOrDefault("token_endpoint", TokenEndpoint),
        RevocationEndpoint = MtlsAliases.GetValueOrDefault("revocation_endpoint") ?? RevocationEndpoint,
        IntrospectionEndpoint = MtlsAliases.GetValueOrDefault("introspection_endpoint") ?? IntrospectionEndpoint,
    };

    private static BadAnswer NoHttps(string member) => new($"{member}, an https URL", "none");

    private static bool TryHttps(string? text, out Uri? uri) =>
        Uri.TryCreate(text, UriKind.Absolute, out uri)
        && uri.Scheme == Uri.UriSchemeHttps && uri.UserInfo.Length == 0 && !text!.Contains('#', StringComparison.Ordinal);
}
