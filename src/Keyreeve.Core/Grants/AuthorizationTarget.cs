using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>How the authorization response travels.</summary>
public enum ResponseMode
{
    /// <summary>In the query of the redirect URI.</summary>
    Query,

    /// <summary>As a form that the browser posts (OAuth 2.0 Form Post Response Mode).</summary>
    FormPost,
}

/// <summary>
/// A client and a redirect URI that belong together: from here on, and only from here on, errors may be sent there
/// (RFC 6749 4.1.2.1). Made by <see cref="Decide"/> alone.
/// </summary>
public sealed class AuthorizationTarget
{
    private AuthorizationTarget(Client client, string redirectUri, bool redirectUriSent, string? state, ResponseMode mode)
    {
        Client = client;
        RedirectUri = redirectUri;
        RedirectUriSent = redirectUriSent;
        State = state;
        Mode = mode;
    }

    /// <summary>The client.</summary>
    public Client Client { get; }

    /// <summary>Where the answer goes.</summary>
    public string RedirectUri { get; }

    /// <summary>False when the only registered URI was taken because none was sent.</summary>
    public bool RedirectUriSent { get; }

    /// <summary>Given back verbatim.</summary>
    public string? State { get; }

    /// <summary>How the answer goes.</summary>
    public ResponseMode Mode { get; }

    /// <summary>client_id first, then redirect_uri; a refusal here is shown to the person and never redirected.</summary>
    [Spec("RFC 6749", "4.1.2.1")]
    public static Outcome<AuthorizationTarget> Decide(ParameterList asked, Client? client)
    {
        if (!asked.TrySingle("client_id", out var clientId))
            return Refusal.About(RefusalCode.RepeatedParameter, "client_id", "client_id was sent more than once");
        if (clientId is null)
            return Refusal.About(RefusalCode.MissingParameter, "client_id", "client_id is missing");
        if (client is null || client.Disabled || !string.Equals(client.ClientId, clientId, StringComparison.Ordinal))
            return new Refusal(RefusalCode.UnknownClient, "the application is not known here", $"no client {Show(clientId)}: register it with 'keyreeve admin client add'");
        if (!asked.TrySingle("redirect_uri", out var redirectUri))
            return Refusal.About(RefusalCode.RepeatedParameter, "redirect_uri", "redirect_uri was sent more than once");
        var sent = redirectUri is not null;
        if (redirectUri is null)
        {
            // OIDC and Annex A demand it; plain OAuth lets a client with a single registered URI leave it out.
            if (client.Profile == ClientProfile.Seal || client.RedirectUris.Length != 1 || asked.TrySingle("scope", out var scope) && (scope ?? "").Split(' ').Contains(Policy.ScopeCatalogue.OpenId))
                return Refusal.About(RefusalCode.MissingParameter, "redirect_uri", "redirect_uri is missing");
            redirectUri = client.RedirectUris[0];
        }
        if (!client.RedirectUris.Any(registered => Wire.OAuth.RedirectUri.Matches(registered, redirectUri)))
            return new Refusal(RefusalCode.RedirectUriNotRegistered, "the address to return to is not registered for this application",
                $"client {client.ClientId} asked for redirect_uri {Show(redirectUri)}, which is not registered: compare character by character")
            { Param = "redirect_uri" };
        if (!asked.TrySingle("state", out var state) || state is { Length: > OAuthLimits.MaxState })
            state = null;
        var mode = asked.TrySingle("response_mode", out var modeText) && modeText == "form_post" ? ResponseMode.FormPost : ResponseMode.Query;
        return new AuthorizationTarget(client, redirectUri, sent, state, mode);
    }

    private static string Show(string text) => text.Length <= 200 ? text : text[..200] + "...";
}
