using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Grants;

using Client = Keyreeve.Core.Identity.Client;

[Proves("TS 33.434", "A.4.2.2")]
public sealed class AuthorizationRequestTests
{
    private static readonly Dictionary<string, string?> Good = new()
    {
        ["client_id"] = Samples.ClientId,
        ["redirect_uri"] = Samples.Redirect,
        ["response_type"] = "code",
        ["state"] = "s",
        ["scope"] = "openid val:a",
        ["acr_values"] = Authentication3gpp,
        ["code_challenge"] = Samples.Challenge,
        ["code_challenge_method"] = "S256",
    };

    private const string Authentication3gpp = "3gpp:acr:password";

    [Fact]
    public void A_good_request_is_read_as_sent()
    {
        var request = Samples.Granted(Decide(("nonce", "n"), ("prompt", "login consent"), ("max_age", "60"), ("login_hint", "grace"), ("unknown", "x"), ("response_mode", "query")));
        Assert.Equal(("n", Prompt.Login | Prompt.Consent, 60, "grace"), (request.Nonce, request.Prompt, request.MaxAge, request.LoginHint));
        Assert.Equal("openid val:a", request.Scope.Text);
        Assert.Equal(Samples.Challenge, request.Challenge!.Value);
        Assert.Equal("s", request.Target.State);
        var plain = Samples.Granted(Decide());
        Assert.Equal((null, Prompt.Unspecified, null, null), (plain.Nonce, plain.Prompt, plain.MaxAge, plain.LoginHint));
    }

    public static TheoryData<RefusalCode, string, string?> Wrong => new()
    {
        { RefusalCode.MissingParameter, "response_type", null },
        { RefusalCode.MissingParameter, "response_type", "" },
        { RefusalCode.UnsupportedResponseType, "response_type", "token" },
        { RefusalCode.UnsupportedResponseType, "response_type", "code id_token" },
        { RefusalCode.UnsupportedResponseType, "response_type", "Code" },
        { RefusalCode.UnsupportedResponseType, "response_type", "none" },
        { RefusalCode.InvalidParameter, "response_mode", "fragment" },
        { RefusalCode.InvalidParameter, "response_mode", "jwt" },
        { RefusalCode.MissingParameter, "state", null },
        { RefusalCode.MissingParameter, "state", "" },
        { RefusalCode.InvalidParameter, "state", new string('s', 2049) },
        { RefusalCode.InvalidParameter, "nonce", new string('n', 1025) },
        { RefusalCode.RequestObjectNotSupported, "request", "eyJ.x.y" },
        { RefusalCode.RequestUriNotSupported, "request_uri", "https://evil.example" },
        { RefusalCode.RegistrationNotSupported, "registration", "{}" },
        { RefusalCode.MissingParameter, "scope", null },
        { RefusalCode.ScopeNotAllowed, "scope", "val:a" },
        { RefusalCode.ScopeNotAllowed, "scope", "OPENID" },
        { RefusalCode.ScopeNotAllowed, "scope", " " },
        { RefusalCode.ScopeNotAllowed, "scope", "openid unknown" },
        { RefusalCode.ScopeNotAllowed, "scope", "openid email" }, // exists, and is not in the registration
        { RefusalCode.ScopeNotAllowed, "scope", "openid val:c" },
        { RefusalCode.ScopeNotAllowed, "scope", "openid \"" },
        { RefusalCode.ScopeNotAllowed, "scope", "openid " + new string('a', 4096) },
        { RefusalCode.MissingParameter, "code_challenge", null },
        { RefusalCode.InvalidParameter, "code_challenge", "short" },
        { RefusalCode.MissingParameter, "code_challenge_method", null },
        { RefusalCode.InvalidParameter, "code_challenge_method", "plain" },
        { RefusalCode.InvalidParameter, "code_challenge_method", "s256" },
        { RefusalCode.InvalidParameter, "prompt", "none login" },
        { RefusalCode.InvalidParameter, "prompt", "none none consent" },
        { RefusalCode.InvalidParameter, "prompt", "create" },
        { RefusalCode.InvalidParameter, "prompt", "LOGIN" },
        { RefusalCode.InvalidParameter, "max_age", "-1" },
        { RefusalCode.InvalidParameter, "max_age", "+1" },
        { RefusalCode.InvalidParameter, "max_age", "1.5" },
        { RefusalCode.InvalidParameter, "max_age", "1e3" },
        { RefusalCode.InvalidParameter, "max_age", " 1" },
        { RefusalCode.InvalidParameter, "max_age", "2147483648" },
        { RefusalCode.InvalidParameter, "max_age", "99999999999999999999" },
        { RefusalCode.MissingParameter, "acr_values", null },
        { RefusalCode.UnmetAuthentication, "acr_values", "3gpp:acr:none" },
        { RefusalCode.UnmetAuthentication, "acr_values", "3gpp:acr:password2" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_request_with_one_thing_wrong_is_refused(RefusalCode code, string name, string? value) =>
        Assert.Equal(name, Samples.Refused(code, Decide((name, value))).Param);

    [Theory]
    [InlineData("state", "")]
    [InlineData("response_mode", "form_post")]
    [InlineData("acr_values", "other 3gpp:acr:password")]
    [InlineData("max_age", "0")]
    [InlineData("max_age", "2147483647")]
    [InlineData("prompt", " login ")]
    [InlineData("prompt", "select_account")]
    [InlineData("request", "")]
    [InlineData("nonce", "384")]
    public void What_is_allowed_passes(string name, string value)
    {
        if (name == "state")
            value = new string('s', 2048);
        if (name == "nonce")
            value = new string('n', 1024);
        Samples.Granted(Decide((name, value)));
    }

    [Theory]
    [InlineData("&state=t")]
    [InlineData("&nonce=1&nonce=2")]
    [InlineData("&scope=openid")]
    [InlineData("&unknown=1&unknown=1")]
    [InlineData("&code_challenge=")]
    [InlineData("&resource=1&resource=2&nonce=1&nonce=2")]
    [InlineData("&audience=1&audience=2&prompt=none&prompt=login")]
    public void A_repeated_parameter_is_refused_wherever_it_stands(string more)
    {
        // The repeats come first, so that an allowed one could hide the other.
        var text = Text(Good);
        foreach (var form in new[] { text + more, more[1..] + "&" + text })
            Samples.Refused(RefusalCode.RepeatedParameter, AuthorizationRequest.Decide(Samples.Form(form), Target(Samples.Client), Samples.Catalogue));
    }

    [Fact]
    public void Resource_and_audience_may_be_repeated()
    {
        var asked = Text(Good) + $"&resource={Samples.Issuer}/userinfo&resource={Samples.Issuer}/userinfo&audience=1&audience=1";
        Assert.Equal([Samples.Issuer + "/userinfo"], Samples.Granted(AuthorizationRequest.Decide(Samples.Form(asked), Target(Samples.Client), Samples.Catalogue)).Resources);
    }

    [Fact]
    [Proves("RFC 9126", "6")]
    public void A_client_registered_so_is_heard_only_when_it_pushes()
    {
        var client = Samples.Client with { RequirePushedRequests = true };
        Samples.Refused(RefusalCode.Malformed, Decide(client));
        Samples.Granted(AuthorizationRequest.Decide(Samples.Form(Text(Good)), Target(client), Samples.Catalogue, pushed: true));
    }

    [Fact]
    public void A_client_without_the_grant_is_refused() =>
        Samples.Refused(RefusalCode.GrantNotAllowed, Decide(Samples.Client with { Grants = [GrantType.ClientCredentials] }));

    [Fact]
    public void The_plain_profile_may_leave_out_state_and_acr_values()
    {
        var request = Samples.Granted(Decide(Samples.PlainClient, ("state", null), ("acr_values", null), ("scope", "val:a")));
        Assert.Equal("val:a", request.Scope.Text);
        Samples.Granted(Decide(Samples.PlainClient, ("acr_values", "urn:other")));
    }

    [Fact]
    public void Only_a_confidential_plain_client_registered_so_may_leave_out_pkce()
    {
        var optional = Samples.PlainClient with { PkceOptional = true };
        Assert.Null(Samples.Granted(Decide(optional, ("code_challenge", null), ("code_challenge_method", null))).Challenge);
        Assert.NotNull(Samples.Granted(Decide(optional)).Challenge);
        // A method without challenge is a challenge that somebody took out.
        Samples.Refused(RefusalCode.MissingParameter, Decide(optional, ("code_challenge", null)));
        Samples.Refused(RefusalCode.InvalidParameter, Decide(optional, ("code_challenge_method", "plain")));
        Samples.Refused(RefusalCode.MissingParameter, Decide(optional, ("code_challenge_method", null)));
        foreach (var client in (Client[])[Samples.PlainClient, Samples.Client with { PkceOptional = true }, optional with { AuthMethods = [ClientAuthMethod.None] }])
            Samples.Refused(RefusalCode.MissingParameter, Decide(client, ("code_challenge", null), ("code_challenge_method", null)));
    }

    [Fact]
    public void A_login_hint_too_long_to_be_a_name_is_left_out()
    {
        Assert.Equal(255, Samples.Granted(Decide(("login_hint", new string('h', 255)))).LoginHint!.Length);
        Assert.Null(Samples.Granted(Decide(("login_hint", new string('h', 256)))).LoginHint);
    }

    private static Keyreeve.Core.Refusals.Outcome<AuthorizationRequest> Decide(params (string Name, string? Value)[] changed) => Decide(Samples.Client, changed);

    private static Keyreeve.Core.Refusals.Outcome<AuthorizationRequest> Decide(Client client, params (string Name, string? Value)[] changed)
    {
        var parameters = new Dictionary<string, string?>(Good);
        foreach (var (name, value) in changed)
            parameters[name] = value;
        return AuthorizationRequest.Decide(Samples.Form(Text(parameters)), Target(client), Samples.Catalogue);
    }

    private static AuthorizationTarget Target(Client client) => Samples.Granted(AuthorizationTarget.Decide(Samples.Form(Text(Good)), client));

    private static string Text(Dictionary<string, string?> parameters) =>
        string.Join('&', parameters.Where(p => p.Value is not null).Select(p => p.Key + "=" + Uri.EscapeDataString(p.Value!)));
}
