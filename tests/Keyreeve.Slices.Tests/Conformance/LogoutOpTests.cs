using System.Net;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.Conformance;

/// <summary>
/// RP-Initiated Logout OP: the modules of oidcc-rp-initiated-logout-certification-test-plan. What a logout ends, and attacks on it,
/// stand in <see cref="OpenId.LogoutTests"/>.
/// </summary>
[Proves("OpenID Connect RP-Initiated Logout 1.0", "2")]
[Proves("OpenID Connect RP-Initiated Logout 1.0", "3")]
public sealed class LogoutOpTests(OpenIdServer server) : OpPlan(server), IClassFixture<OpenIdServer>
{
    private const string Landing = "https://rp.example/signed-out";

    [Fact]
    public async Task Oidcc_rp_initiated_logout_discovery_endpoint_verification()
    {
        foreach (var path in (string[])["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"])
            Assert.Equal(Server.Issuer + "/end_session", (string)(await Server.GetAsync(path)).Json["end_session_endpoint"]!);
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout()
    {
        var (user, hint) = await SignedInAsync();
        var answer = await user.GetAsync(Address(("id_token_hint", hint), ("post_logout_redirect_uri", Landing), ("state", "bye &=?#")));
        AssertLandsOn(answer, Landing + "?state=bye%20%26%3D%3F%23");
        await AssertSignedOutAsync(user);
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout_no_state()
    {
        var (user, hint) = await SignedInAsync();
        AssertLandsOn(await user.GetAsync(Address(("id_token_hint", hint), ("post_logout_redirect_uri", Landing))), Landing);
        await AssertSignedOutAsync(user);
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout_bad_post_logout_redirect_uri()
    {
        var (user, hint) = await SignedInAsync();
        foreach (var uri in (string[])["https://attacker.example/", Landing + "/", "https://RP.example/signed-out", "https://rp.example:443/signed-out", "https://rp.example/%73igned-out", "https://rp.example/x/../signed-out"])
            await AssertAsksAndStaysAsync(user, Address(("id_token_hint", hint), ("post_logout_redirect_uri", uri), ("state", "x")));
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri()
    {
        var (user, hint) = await SignedInAsync();
        await AssertAsksAndStaysAsync(user, Address(("id_token_hint", hint), ("post_logout_redirect_uri", Landing + "?foo=bar"), ("state", "x")));
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout_modified_id_token_hint()
    {
        var (user, hint) = await SignedInAsync();
        var parts = hint.Split('.');
        var none = Base64UrlStrict.Encode("{\"alg\":\"none\",\"typ\":\"JWT\"}"u8);
        foreach (var modified in (string[])[none + "." + parts[1] + ".", none + "." + parts[1] + "." + parts[2], parts[0] + "." + parts[1] + ".", hint[..^4]])
            await AssertAsksAndStaysAsync(user, Address(("id_token_hint", modified), ("post_logout_redirect_uri", Landing), ("state", "x")));
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout_bad_id_token_hint()
    {
        var (user, hint) = await SignedInAsync();
        using var foreign = ClientSigningKey.FromRsa(RSA.Create(2048), JwsAlgorithm.RS256, (string)OpenIdServer.HeaderOf(hint)["kid"]!);
        var forged = JwsWriter.Write(JwsWriter.Header(foreign, "JWT"), Encoding.UTF8.GetBytes(OpenIdServer.ClaimsOf(hint).ToJsonString()), foreign);
        await AssertAsksAndStaysAsync(user, Address(("id_token_hint", forged), ("post_logout_redirect_uri", Landing), ("state", "x")));
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout_no_id_token_hint()
    {
        var (user, _) = await SignedInAsync();
        await AssertAsksAndStaysAsync(user, Address(("post_logout_redirect_uri", Landing), ("state", "x")));
        await AssertAsksAndStaysAsync(user, Address(("post_logout_redirect_uri", Landing), ("client_id", ClientId), ("state", "x")));
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout_no_params()
    {
        var (user, _) = await SignedInAsync();
        await AssertAsksAndSignsOutAsync(user, "/end_session");
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout_only_state()
    {
        var (user, _) = await SignedInAsync();
        await AssertAsksAndSignsOutAsync(user, Address(("state", "bye")));
    }

    [Fact]
    public async Task Oidcc_rp_initiated_logout_no_post_logout_redirect_uri()
    {
        var (user, hint) = await SignedInAsync();
        var answer = await user.GetAsync(Address(("id_token_hint", hint), ("state", "bye")));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("You are signed out", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await AssertSignedOutAsync(user);
    }

    private static string Address(params (string Name, string Value)[] parameters) =>
        "/end_session?" + string.Join('&', parameters.Select(p => p.Name + "=" + Uri.EscapeDataString(p.Value)));

    private async Task<(SimUser User, string Hint)> SignedInAsync()
    {
        var user = Server.NewUser();
        return (user, Text((await TokensAsync(Request(), user)).Tokens, "id_token"));
    }

    private static void AssertLandsOn(HttpResponseMessage answer, string address)
    {
        Assert.Equal((HttpStatusCode.SeeOther, address), (answer.StatusCode, answer.Headers.Location!.OriginalString));
        Assert.True(answer.Headers.CacheControl!.NoStore);
    }

    private async Task AssertSignedOutAsync(SimUser user) => Assert.Equal("login_required", await ErrorAsync(Request(("prompt", "none")), user));

    /// <summary>A page that asks, and nothing happened; no answer to it leads to the address that was given.</summary>
    private async Task AssertAsksAndStaysAsync(SimUser user, string address)
    {
        var form = await AskedAsync(user, address);
        Assert.Contains("code", Response(await user.GoAsync(Request(("prompt", "none")).AuthorizeAddress)).Keys);
        form["decision"] = "stay";
        var answer = await user.PostAsync("/end_session/confirm", form);
        Assert.Equal((HttpStatusCode.OK, null), (answer.StatusCode, answer.Headers.Location));
        Assert.Contains("code", Response(await user.GoAsync(Request(("prompt", "none")).AuthorizeAddress)).Keys);
    }

    private async Task AssertAsksAndSignsOutAsync(SimUser user, string address)
    {
        var form = await AskedAsync(user, address);
        form["decision"] = "end";
        var answer = await user.PostAsync("/end_session/confirm", form);
        Assert.Equal((HttpStatusCode.OK, null), (answer.StatusCode, answer.Headers.Location));
        Assert.Contains("You are signed out", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await AssertSignedOutAsync(user);
    }

    private static async Task<Dictionary<string, string>> AskedAsync(SimUser user, string address)
    {
        var page = await user.GetAsync(address);
        Assert.Equal((HttpStatusCode.OK, null), (page.StatusCode, page.Headers.Location));
        var html = await page.Content.ReadAsStringAsync();
        Assert.Contains("value=\"end\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("rp.example", html + page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.OrdinalIgnoreCase);
        return SimUser.Form(html)!;
    }
}
