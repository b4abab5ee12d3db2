using System.Net;
using System.Text;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Conformance;

public abstract partial class BasicOpModules
{
    [Fact]
    public async Task Oidcc_response_type_missing() => Assert.Equal("invalid_request", await ErrorAsync(Request(("response_type", null)), Server.NewUser()));

    [Fact]
    public async Task Oidcc_ensure_request_without_nonce_succeeds_for_code_flow() =>
        Assert.Null((await TokensAsync(Request(("nonce", null)), Server.NewUser())).Claims["nonce"]);

    [Fact]
    public async Task Oidcc_display_page() => await AssertGrantedAsync(("display", "page"));

    [Fact]
    public async Task Oidcc_display_popup() => await AssertGrantedAsync(("display", "popup"));

    [Fact]
    public async Task Oidcc_prompt_login()
    {
        var user = Server.NewUser();
        var (_, first) = await TokensAsync(Request(), user);
        Server.Server.Time.Advance(TimeSpan.FromSeconds(2));
        var (_, second) = await TokensAsync(Request(("prompt", "login")), user);
        Assert.Contains("/login", user.Seen);
        Assert.Equal(Text(first, "sub"), Text(second, "sub"));
        Assert.True((long)second["auth_time"]! > (long)first["auth_time"]!);
    }

    [Fact]
    public async Task Oidcc_prompt_none_not_logged_in()
    {
        var user = Server.NewUser();
        Assert.Equal("login_required", await ErrorAsync(Request(("prompt", "none")), user));
        AssertNothingShown(user);
    }

    [Fact]
    public async Task Oidcc_prompt_none_logged_in()
    {
        var user = Server.NewUser();
        var (_, first) = await TokensAsync(Request(), user);
        Server.Server.Time.Advance(TimeSpan.FromSeconds(2));
        var (_, second) = await TokensAsync(Request(("prompt", "none")), user);
        AssertNothingShown(user);
        Assert.Equal((Text(first, "sub"), (long)first["auth_time"]!), (Text(second, "sub"), (long)second["auth_time"]!));
    }

    [Fact]
    public async Task Oidcc_max_age_1()
    {
        var user = Server.NewUser();
        var (_, first) = await TokensAsync(Request(), user);
        Server.Server.Time.Advance(TimeSpan.FromSeconds(2));
        var (_, second) = await TokensAsync(Request(("max_age", "1")), user);
        Assert.Contains("/login", user.Seen);
        Assert.True((long)second["auth_time"]! > (long)first["auth_time"]!);
    }

    [Fact]
    public async Task Oidcc_max_age_10000()
    {
        var user = Server.NewUser();
        var (_, first) = await TokensAsync(Request(("max_age", "15000")), user);
        Server.Server.Time.Advance(TimeSpan.FromSeconds(2));
        var (_, second) = await TokensAsync(Request(("max_age", "10000")), user);
        AssertNothingShown(user);
        Assert.Equal((Text(first, "sub"), (long)first["auth_time"]!), (Text(second, "sub"), (long)second["auth_time"]!));
    }

    [Fact]
    public async Task Oidcc_ensure_request_with_unknown_parameter_succeeds() => await AssertGrantedAsync(("extra", "foobar"));

    [Fact]
    public async Task Oidcc_id_token_hint()
    {
        var user = Server.NewUser();
        var (tokens, first) = await TokensAsync(Request(), user);
        var (_, second) = await TokensAsync(Request(("prompt", "none"), ("id_token_hint", Text(tokens, "id_token"))), user);
        AssertNothingShown(user);
        Assert.Equal(Text(first, "sub"), Text(second, "sub"));
    }

    [Fact]
    public async Task Oidcc_login_hint()
    {
        var user = Server.NewUser();
        var login = await user.GetAsync((await user.GetAsync(Request(("login_hint", "alice")).AuthorizeAddress)).Headers.Location!.OriginalString);
        Assert.Contains("value=\"alice\"", await login.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await AssertGrantedAsync(("login_hint", "bob"));
    }

    [Fact]
    public async Task Oidcc_ui_locales() => await AssertGrantedAsync(("ui_locales", "se"));

    [Fact]
    public async Task Oidcc_claims_locales() => await AssertGrantedAsync(("claims_locales", "se"));

    [Fact]
    public async Task Oidcc_ensure_request_with_acr_values_succeeds()
    {
        var offered = (await Server.GetAsync("/.well-known/openid-configuration")).Json["acr_values_supported"]!.AsArray().Select(a => (string)a!).ToList();
        // alice has a password and nothing else: she gets in, and the token says how.
        var (_, claims) = await TokensAsync(Request(("acr_values", string.Join(' ', offered))), Server.NewUser());
        Assert.Contains(Text(claims, "acr"), offered);
        (_, claims) = await TokensAsync(Request(("acr_values", "1 2")), Server.NewUser());
        Assert.Equal("3gpp:acr:password", Text(claims, "acr"));
    }

    [Fact]
    public async Task Oidcc_ensure_registered_redirect_uri()
    {
        var user = Server.NewUser();
        await TokensAsync(Request(), user);
        AssertErrorPage(await user.GoAsync(Request(("redirect_uri", OpenIdServer.Callback + "/other")).AuthorizeAddress));
    }

    [Fact]
    public async Task Oidcc_ensure_post_request_succeeds()
    {
        var flow = Request();
        var user = Server.NewUser();
        var posted = await user.PostAsync("/authorize", flow.Parameters);
        Assert.Equal(HttpStatusCode.SeeOther, posted.StatusCode);
        var code = Response(await user.GoAsync(posted.Headers.Location!.OriginalString))["code"];
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code, null)).Status);
    }

    [Fact]
    public async Task Oidcc_request_uri_unsigned_supported_correctly_or_rejected() =>
        Assert.Equal("request_uri_not_supported", await ErrorAsync(Request(("request_uri", "https://rp.example/request.jwt")), Server.NewUser()));

    [Fact]
    public async Task Oidcc_unsigned_request_object_supported_correctly_or_rejected() =>
        Assert.Equal("request_not_supported", await ErrorAsync(Request(("request", RequestObject("\"state\":\"other\""))), Server.NewUser()));

    [Fact]
    public async Task Oidcc_ensure_request_object_with_redirect_uri()
    {
        // The one inside never wins: objects are refused, and the refusal goes to the registered URI outside or, without one, to a page.
        var inside = RequestObject("\"redirect_uri\":\"https://rp.example/inside\"");
        Assert.Equal("request_not_supported", await ErrorAsync(Request(("request", inside)), Server.NewUser()));
        AssertErrorPage(await Server.NewUser().GoAsync(Request(("request", inside), ("redirect_uri", "https://rp.example/outside")).AuthorizeAddress));
    }

    [Fact]
    public async Task Oidcc_ensure_request_with_valid_pkce_succeeds()
    {
        var flow = Request(("code_challenge", PkceChallenge.Of(SealFlow.Verifier).Value), ("code_challenge_method", "S256"));
        var code = Response(await Server.NewUser().GoAsync(flow.AuthorizeAddress))["code"];
        Assert.Equal("invalid_grant", Text((await flow.RedeemAsync(code, null)).Body, "error"));
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code)).Status);
    }

    private async Task AssertGrantedAsync((string, string?) parameter) =>
        Assert.NotNull((await TokensAsync(Request(parameter), Server.NewUser())).Tokens["access_token"]);

    private static void AssertNothingShown(SimUser user) => Assert.Empty(user.Seen.Intersect(["/login", "/consent"]));

    private static string RequestObject(string claims) =>
        Base64UrlStrict.Encode("{\"alg\":\"none\"}"u8) + "." + Base64UrlStrict.Encode(Encoding.UTF8.GetBytes("{" + claims + "}")) + ".";
}
