using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>Where the browser goes after a logout, proved to be the client's. Made by <see cref="LogoutStep.Decide"/> alone.</summary>
public sealed class LogoutTarget
{
    internal LogoutTarget(Client client, string redirectUri, string? state) => (Client, RedirectUri, State) = (client, redirectUri, state);

    /// <summary>The client, proved by its ID token.</summary>
    public Client Client { get; }

    /// <summary>One of its registered URIs, character by character.</summary>
    public string RedirectUri { get; }

    /// <summary>Given back verbatim.</summary>
    public string? State { get; }

    /// <summary>The address with the state.</summary>
    public string Address => State is null ? RedirectUri
        : RedirectUri + (RedirectUri.Contains('?', StringComparison.Ordinal) ? '&' : '?') + "state=" + Uri.EscapeDataString(State);
}

/// <summary>
/// What becomes of a logout request. The browser is sent on only with an ID token of ours that names the client, to a URI of that
/// client; without one anybody can send people here, so they are asked and stay here.
/// </summary>
[Spec("OpenID Connect RP-Initiated Logout 1.0", "2")]
[Spec("OpenID Connect RP-Initiated Logout 1.0", "3")]
public abstract record LogoutStep
{
    private LogoutStep(LogoutTarget? target) => Target = target;

    /// <summary>Where the browser goes when the session has ended; null for our own page.</summary>
    public LogoutTarget? Target { get; }

    /// <summary>End the session, if there is one.</summary>
    public sealed record End : LogoutStep
    {
        internal End(LogoutTarget? target)
            : base(target)
        {
        }
    }

    /// <summary>Ask the user first.</summary>
    public sealed record Ask : LogoutStep
    {
        internal Ask(LogoutTarget? target)
            : base(target)
        {
        }
    }

    /// <summary>
    /// Decides by the hint as read (null when none was sent or it is none of ours), the client it names, and this browser's session.
    /// A second value says why a target was dropped, for the operator; the user can log out all the same.
    /// </summary>
    public static Outcome<(LogoutStep Step, Refusal? Dropped)> Decide(ParameterList asked, IdTokenHint? hint, Client? client, LoginSession? session)
    {
        if (asked.FirstRepeated() is { } repeated)
            return Refusal.About(RefusalCode.RepeatedParameter, repeated, "a parameter was sent more than once");
        asked.TrySingle("state", out var state);
        if (state is { Length: > OAuthLimits.MaxState })
            return Refusal.About(RefusalCode.InvalidParameter, "state", $"state is longer than {OAuthLimits.MaxState} characters");
        var (target, dropped) = TargetOf(asked, hint, client, state);
        // Nobody is logged in here: nothing is left to ask for.
        if (session is null)
            return (new End(target), dropped);
        // "the OP should ask the End-User whether to log out": unless the client proves that it means this very session.
        // A proof for one thing is none for a request that is wrong in another: what does not fit is asked about.
        var proved = hint is not null && client is { Disabled: false } && dropped is null
            && string.Equals(hint.SessionId, session.SessionId, StringComparison.Ordinal)
            && string.Equals(hint.Subject, session.Subject, StringComparison.Ordinal);
        return (proved ? new End(target) : new Ask(target), dropped);
    }

    private static (LogoutTarget? Target, Refusal? Dropped) TargetOf(ParameterList asked, IdTokenHint? hint, Client? client, string? state)
    {
        asked.TrySingle("post_logout_redirect_uri", out var redirectUri);
        asked.TrySingle("client_id", out var clientId);
        if (asked.Has("id_token_hint") && hint is null)
            return (null, Refusal.About(RefusalCode.InvalidParameter, "id_token_hint", "id_token_hint is no ID token of this server"));
        if (hint is null)
            return (null, redirectUri is null ? null : Refusal.About(RefusalCode.MissingParameter, "id_token_hint", "a post_logout_redirect_uri needs an id_token_hint"));
        if (client is not { Disabled: false } || !string.Equals(client.ClientId, hint.ClientId, StringComparison.Ordinal))
            return (null, new(RefusalCode.UnknownClient, "the application is not known here", $"client {hint.ClientId} of the id_token_hint is disabled or removed"));
        // "If both client_id and id_token_hint are present, the OP MUST verify that the Client Identifier matches"
        if (clientId is not null && !string.Equals(clientId, client.ClientId, StringComparison.Ordinal))
            return (null, Refusal.About(RefusalCode.InvalidParameter, "client_id", "client_id is not the client of the id_token_hint"));
        if (redirectUri is null)
            return (null, null);
        // "The value MUST have been previously registered with the OP": compared as a string, without the exception for loopback ports.
        return client.PostLogoutRedirectUris.Contains(redirectUri, StringComparer.Ordinal)
            ? (new LogoutTarget(client, redirectUri, state), null)
            : (null, new(RefusalCode.RedirectUriNotRegistered, "the address to return to is not registered for this application",
                $"client {client.ClientId} asked for a post_logout_redirect_uri that is not registered: compare character by character")
            { Param = "post_logout_redirect_uri" });
    }
}
