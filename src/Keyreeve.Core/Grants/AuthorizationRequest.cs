using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>What <c>prompt</c> asks (OIDC Core 3.1.2.1).</summary>
[Flags]
public enum Prompt
{
    /// <summary>Not sent.</summary>
    Unspecified = 0,

    /// <summary>Show nothing.</summary>
    None = 1,

    /// <summary>Authenticate again.</summary>
    Login = 2,

    /// <summary>Ask for consent again.</summary>
    Consent = 4,

    /// <summary>Let the user choose the account: here, log in again.</summary>
    SelectAccount = 8,
}

/// <summary>An authentication request that passed every check which needs no user. Made by <see cref="Decide"/> alone.</summary>
[Spec("TS 33.434", "A.4.1")]
[Spec("TS 33.434", "A.4.2.2")]
public sealed class AuthorizationRequest
{
    private AuthorizationRequest(AuthorizationTarget target, ScopeList scope) => (Target, Scope) = (target, scope);

    /// <summary>Client, redirect URI, state, mode.</summary>
    public AuthorizationTarget Target { get; }

    /// <summary>The scope asked for; every value is known and the client's to ask.</summary>
    public ScopeList Scope { get; }

    /// <summary>PKCE challenge, or null for a client registered without.</summary>
    public PkceChallenge? Challenge { get; private init; }

    /// <summary>Given back in the ID token.</summary>
    public string? Nonce { get; private init; }

    /// <summary>What may or must be shown.</summary>
    public Prompt Prompt { get; private init; }

    /// <summary>Seconds since authentication at most, or null.</summary>
    public long? MaxAge { get; private init; }

    /// <summary>Fills the login form.</summary>
    public string? LoginHint { get; private init; }

    /// <summary>The authentication classes of <c>acr_values</c> that are known here, in the order of preference: wished for, not demanded.</summary>
    public IReadOnlyList<string> AcrValues { get; private init; } = [];

    /// <summary>The resource servers named; what the scope opens includes each.</summary>
    public ResourceList Resources { get; private init; } = ResourceList.None;

    /// <summary>The weakest class that an essential <c>acr</c> claim accepts, or null.</summary>
    public string? EssentialAcr { get; private init; }

    /// <summary>
    /// Annex A: "The standard parameters shown in table A.4.2.2-1 are required by this Connect profile." For plain OpenID the
    /// last three (state, acr_values, and PKCE for a client registered without) may be missing. <paramref name="pushed"/> is true for a
    /// request that came from the client itself (RFC 9126).
    /// </summary>
    [Spec("RFC 9126", "6")]
    public static Outcome<AuthorizationRequest> Decide(ParameterList asked, AuthorizationTarget target, ScopeCatalogue catalogue, bool pushed = false)
    {
        var client = target.Client;
        var strict = client.Profile == ClientProfile.Seal;
        // "Request and response parameters MUST NOT be included more than once." Unknown ones are ignored, but repeated ones tell of confusion.
        if (asked.FirstRepeated("resource", "audience") is { } repeated)
            return Refusal.About(RefusalCode.RepeatedParameter, repeated, "a parameter was sent more than once");
        if (!asked.TrySingle("state", out var state) || state is { Length: > OAuthLimits.MaxState })
            return Refusal.About(RefusalCode.InvalidParameter, "state", $"state is longer than {OAuthLimits.MaxState} characters");

        if (client.RequirePushedRequests && !pushed)
            return Refusal.Of(RefusalCode.Malformed, "this client sends its authorization requests to the pushed authorization request endpoint");
        // A request object that is ignored would let the outer parameters win unnoticed: refuse, never ignore.
        if (asked.Has("request"))
            return Refusal.About(RefusalCode.RequestObjectNotSupported, "request", "request objects are not supported");
        if (asked.Has("request_uri"))
            return Refusal.About(RefusalCode.RequestUriNotSupported, "request_uri", "request_uri is not supported");
        if (asked.Has("registration"))
            return Refusal.About(RefusalCode.RegistrationNotSupported, "registration", "registration is not supported");

        asked.TrySingle("response_type", out var responseType);
        if (responseType is null)
            return Refusal.About(RefusalCode.MissingParameter, "response_type", "response_type is missing");
        // "For native SIM-C the value shall be set to "code"."
        if (responseType != "code")
            return Refusal.About(RefusalCode.UnsupportedResponseType, "response_type", "the only response_type is code");
        if (!client.Grants.Contains(GrantType.AuthorizationCode))
            return Refusal.Of(RefusalCode.GrantNotAllowed, "the client is not registered for the authorization code grant");
        asked.TrySingle("response_mode", out var mode);
        if (mode is not (null or "query" or "form_post"))
            return Refusal.About(RefusalCode.InvalidParameter, "response_mode", "response_mode is query or form_post");

        if (strict && state is null)
            return Refusal.About(RefusalCode.MissingParameter, "state", "state is missing (TS 33.434 table A.4.2.2-1)");
        asked.TrySingle("nonce", out var nonce);
        if (nonce is { Length: > OAuthLimits.MaxNonce })
            return Refusal.About(RefusalCode.InvalidParameter, "nonce", $"nonce is longer than {OAuthLimits.MaxNonce} characters");

        var pkce = DecidePkce(asked, client);
        if (!pkce.Succeeded(out var challenge, out var refusal))
            return refusal;
        var scopes = DecideScope(asked, client, catalogue, strict);
        if (!scopes.Succeeded(out var scope, out refusal))
            return refusal;
        if (!ResourceList.Read(asked).Succeeded(out var resources, out refusal) || !ResourceList.Narrow(scope, resources, ResourceList.None, catalogue).Succeeded(out _, out refusal))
            return refusal;
        var prompts = DecidePrompt(asked);
        if (!prompts.Succeeded(out var prompt, out refusal))
            return refusal;
        if (!DecideAcr(asked, strict).Succeeded(out var acrValues, out refusal) || !AcrClaim.Read(asked).Succeeded(out var essential, out refusal))
            return refusal;
        asked.TrySingle("max_age", out var maxAgeText);
        long maxAge = 0;
        if (maxAgeText is not null && (!long.TryParse(maxAgeText, System.Globalization.NumberStyles.None, null, out maxAge) || maxAge > int.MaxValue))
            return Refusal.About(RefusalCode.InvalidParameter, "max_age", "max_age is a number of seconds");
        asked.TrySingle("login_hint", out var hint);
        return new AuthorizationRequest(target, scope)
        {
            Challenge = challenge.Value,
            Nonce = nonce,
            Prompt = prompt.Value,
            MaxAge = maxAgeText is null ? null : maxAge,
            LoginHint = hint is { Length: <= OAuthLimits.MaxIdentity } ? hint : null,
            AcrValues = acrValues,
            EssentialAcr = essential.Value,
            Resources = resources,
        };
    }

    private static Outcome<Optional<PkceChallenge?>> DecidePkce(ParameterList asked, Client client)
    {
        asked.TrySingle("code_challenge", out var text);
        asked.TrySingle("code_challenge_method", out var method);
        if (text is null)
        {
            if (method is not null || client.RequiresPkce)
                return Refusal.About(RefusalCode.MissingParameter, "code_challenge", "code_challenge is missing (S256)");
            return new Optional<PkceChallenge?>(null);
        }
        // A missing method means plain (RFC 7636 4.3), and plain is refused like any other method than S256.
        if (method is null)
            return Refusal.About(RefusalCode.MissingParameter, "code_challenge_method", "code_challenge_method is missing: S256");
        if (method != "S256")
            return Refusal.About(RefusalCode.InvalidParameter, "code_challenge_method", "code_challenge_method is S256");
        if (!PkceChallenge.TryRead(text, out var challenge))
            return Refusal.About(RefusalCode.InvalidParameter, "code_challenge", "code_challenge is the base64url of a SHA-256 value");
        return new Optional<PkceChallenge?>(challenge);
    }

    private static Outcome<ScopeList> DecideScope(ParameterList asked, Client client, ScopeCatalogue catalogue, bool strict)
    {
        asked.TrySingle("scope", out var text);
        if (text is null)
            return Refusal.About(RefusalCode.MissingParameter, "scope", "scope is missing");
        if (!ScopeList.TryRead(text, out var scope))
            return Refusal.About(RefusalCode.ScopeNotAllowed, "scope", "scope is not a list of scope values");
        // "The scope value "openid" is defined by the OpenID Connect standard and is mandatory"
        if (strict && !scope.Contains(ScopeCatalogue.OpenId))
            return Refusal.About(RefusalCode.ScopeNotAllowed, "scope", "the scope openid is missing (TS 33.434 table A.4.2.2-1)");
        foreach (var value in scope)
            if (catalogue.Find(value) is null || !client.Scopes.Contains(value))
                return new Refusal(RefusalCode.ScopeNotAllowed, "a scope is unknown or not allowed for this client",
                    $"client {client.ClientId} asked for scope {value}: unknown, or not in its registration")
                { Param = "scope" };
        return scope;
    }

    private static Outcome<Optional<Prompt>> DecidePrompt(ParameterList asked)
    {
        asked.TrySingle("prompt", out var text);
        var prompt = Prompt.Unspecified;
        foreach (var value in (text ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            Prompt? known = value switch
            {
                "none" => Prompt.None,
                "login" => Prompt.Login,
                "consent" => Prompt.Consent,
                "select_account" => Prompt.SelectAccount,
                _ => null,
            };
            if (known is null)
                return Refusal.About(RefusalCode.InvalidParameter, "prompt", "prompt is none, login, consent or select_account");
            prompt |= known.Value;
        }
        if (prompt.HasFlag(Prompt.None) && prompt != Prompt.None)
            return Refusal.About(RefusalCode.InvalidParameter, "prompt", "prompt none stands alone");
        return new Optional<Prompt>(prompt);
    }

    private static Outcome<List<string>> DecideAcr(ParameterList asked, bool strict)
    {
        asked.TrySingle("acr_values", out var text);
        if (text is null)
            return strict ? Refusal.About(RefusalCode.MissingParameter, "acr_values", "acr_values is missing (TS 33.434 table A.4.2.2-1)") : new List<string>();
        var known = text.Split(' ').Where(AuthenticationClass.IsKnown).Distinct(StringComparer.Ordinal).ToList();
        // OIDC makes acr_values voluntary: a plain client gets what there is, and the ID token tells the truth. The strict profile
        // makes it the UE's list of methods; when none of them exists here there is nothing to log in with (docs/spec/choices.md).
        if (strict && known.Count == 0)
            return Refusal.About(RefusalCode.UnmetAuthentication, "acr_values", "none of the requested authentication methods is supported");
        return known;
    }
}

/// <summary>An outcome whose value may be "nothing was asked".</summary>
internal readonly record struct Optional<T>(T Value);
