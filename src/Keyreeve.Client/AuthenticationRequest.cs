using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>
/// One OpenID Connect authentication request and what its answer will be measured by. It belongs to one user agent and one
/// attempt: keep it, and read the answer with it.
/// </summary>
public sealed record AuthenticationRequest
{
    internal AuthenticationRequest()
    {
    }

    /// <summary>Where to send the user's browser.</summary>
    public required Uri Address { get; init; }

    /// <summary>The parameters as sent, in the order of table A.4.2.2-1, then nonce.</summary>
    public required IReadOnlyList<KeyValuePair<string, string>> Parameters { get; init; }

    /// <summary>Comes back in the answer.</summary>
    public required TokenText State { get; init; }

    /// <summary>Comes back in the ID token.</summary>
    public required TokenText Nonce { get; init; }

    /// <summary>Goes to the token endpoint alone (RFC 7636).</summary>
    public required TokenText CodeVerifier { get; init; }

    /// <summary>As registered.</summary>
    public required string RedirectUri { get; init; }

    /// <summary>What is asked for; <c>openid</c> among it.</summary>
    public required ScopeList Scope { get; init; }

    /// <summary>In order of preference.</summary>
    public required IReadOnlyList<string> AcrValues { get; init; }

    /// <summary>All REQUIRED parameters, with a fresh state, nonce and verifier of 256 bits each.</summary>
    [Spec("TS 33.434", "A.4.2.2")]
    internal static AuthenticationRequest Create(SimMetadata metadata, SimClientOptions options, ScopeList scope)
    {
        var (state, nonce, verifier) = (Fresh(), Fresh(), Fresh());
        // "The scope value "openid" ... is mandatory"
        var asked = scope.Contains("openid") ? scope : ScopeList.Of(["openid", .. scope]);
        KeyValuePair<string, string>[] parameters =
        [
            new("response_type", "code"),
            new("client_id", options.ClientId),
            new("scope", asked.Text),
            new("redirect_uri", options.RedirectUri),
            new("state", state),
            new("acr_values", string.Join(' ', options.AcrValues)),
            new("code_challenge", PkceChallenge.Of(verifier).Value),
            new("code_challenge_method", "S256"),
            new("nonce", nonce),
        ];
        var address = new StringBuilder(metadata.AuthorizationEndpoint.AbsoluteUri);
        var separator = metadata.AuthorizationEndpoint.Query.Length == 0 ? '?' : '&';
        foreach (var (name, value) in parameters)
        {
            address.Append(separator).Append(name).Append('=').Append(Uri.EscapeDataString(value));
            separator = '&';
        }
        return new AuthenticationRequest
        {
            Address = new Uri(address.ToString()),
            Parameters = parameters,
            State = new(state),
            Nonce = new(nonce),
            CodeVerifier = new(verifier),
            RedirectUri = options.RedirectUri,
            Scope = asked,
            AcrValues = options.AcrValues,
        };
    }

    /// <inheritdoc />
    public override string ToString() => "AuthenticationRequest { to " + Address.GetLeftPart(UriPartial.Path) + " }";

    private static string Fresh() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
}
