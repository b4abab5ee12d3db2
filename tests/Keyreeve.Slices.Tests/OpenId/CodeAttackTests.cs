using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Stolen, replayed, injected and late authorization codes.</summary>
[Proves("TS 33.434", "A.4.2.4")]
[Proves("RFC 6749", "4.1.2")]
[Proves("RFC 7636", "4.6")]
public sealed class CodeAttackTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    [Fact]
    public async Task A_replayed_code_is_refused_and_everything_that_came_of_it_is_dead()
    {
        var flow = server.NewFlow();
        var code = await flow.CodeAsync();
        var (_, tokens, _) = await flow.RedeemAsync(code);
        Assert.True(await server.IsActiveAsync("seal-client", Access(tokens)));
        server.Server.Time.Advance(TimeSpan.FromSeconds(30));
        AssertInvalidGrant(await flow.RedeemAsync(code));
        Assert.False(await server.IsActiveAsync("seal-client", Access(tokens)));
        Assert.False(await server.IsActiveAsync("seal-client", Refresh(tokens)));
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/userinfo", Access(tokens))).Status);
        AssertInvalidGrant(await flow.RefreshAsync(Refresh(tokens)));
    }

    [Fact]
    public async Task What_a_refresh_made_of_it_dies_with_it()
    {
        var flow = server.NewFlow();
        var code = await flow.CodeAsync();
        var (_, first, _) = await flow.RedeemAsync(code);
        server.Server.Time.Advance(TimeSpan.FromSeconds(5));
        var (_, second, _) = await flow.RefreshAsync(Refresh(first));
        AssertInvalidGrant(await flow.RedeemAsync(code));
        foreach (var dead in (string[])[Access(first), Access(second), Refresh(second)])
            Assert.False(await server.IsActiveAsync("seal-client", dead));
    }

    [Fact]
    public async Task A_replay_by_another_client_is_refused_and_ends_nothing()
    {
        var flow = server.NewFlow();
        var code = await flow.CodeAsync();
        var (_, tokens, _) = await flow.RedeemAsync(code);
        AssertInvalidGrant(await server.NewFlow("openid-client").RedeemAsync(code));
        Assert.True(await server.IsActiveAsync("seal-client", Access(tokens)));
        Assert.Equal(HttpStatusCode.OK, (await flow.RefreshAsync(Refresh(tokens))).Status);
    }

    [Fact]
    public async Task Another_clients_code_is_refused_and_stays_good_for_its_owner()
    {
        var flow = server.NewFlow();
        var code = await flow.CodeAsync();
        AssertInvalidGrant(await server.NewFlow("openid-client").RedeemAsync(code));
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code)).Status);
    }

    [Fact]
    public async Task A_code_lives_for_60_seconds()
    {
        await using var own = await OpenIdServer.StartAsync();
        own.Server.Time.StandStill();
        var flow = own.NewFlow();
        var user = own.NewUser();
        var early = await flow.CodeAsync(user);
        own.Server.Time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(early)).Status);
        var late = await flow.CodeAsync(user);
        own.Server.Time.Advance(TimeSpan.FromSeconds(60));
        AssertInvalidGrant(await flow.RedeemAsync(late));
    }

    [Theory]
    [InlineData("http://127.0.0.1:8400/callback/")]
    [InlineData("http://127.0.0.1:8401/callback")]
    [InlineData("http://127.0.0.1/callback")]
    [InlineData("https://attacker.example/")]
    public async Task Another_redirect_URI_than_that_of_the_request_is_refused(string uri)
    {
        var flow = server.NewFlow();
        var code = await flow.CodeAsync();
        flow.RedirectUri = uri;
        AssertInvalidGrant(await flow.RedeemAsync(code));
        flow.RedirectUri = OpenIdServer.Callback;
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code)).Status);
    }

    [Theory]
    [InlineData("0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF")]
    [InlineData("0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFg")]
    [InlineData("short")]
    [InlineData("0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG ")]
    [InlineData("long")]
    [InlineData("the challenge itself")]
    public async Task A_wrong_verifier_is_refused_and_does_not_use_up_the_code(string verifier)
    {
        var flow = server.NewFlow();
        var code = await flow.CodeAsync();
        AssertInvalidGrant(await flow.RedeemAsync(code, verifier switch
        {
            "long" => new string('v', 129),
            "the challenge itself" => flow.Parameters["code_challenge"],
            _ => verifier,
        }));
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code)).Status);
    }

    [Fact]
    [Proves("RFC 9700", "4.8.2")]
    public async Task A_verifier_for_a_code_without_challenge_is_a_downgrade_and_refused()
    {
        await AddPlainClientAsync("plain-client");
        var flow = server.PlainFlow("plain-client");
        var code = await flow.CodeAsync();
        AssertInvalidGrant(await flow.RedeemAsync(code, SealFlow.Verifier));
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code, null)).Status);
    }

    [Fact]
    public async Task A_client_that_may_go_without_PKCE_must_keep_to_it_once_it_has_begun()
    {
        await AddPlainClientAsync("half-client");
        var flow = server.NewFlow("half-client");
        flow.Parameters["scope"] = "openid";
        var code = await flow.CodeAsync();
        AssertInvalidGrant(await flow.RedeemAsync(code, null));
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code)).Status);
    }

    [Fact]
    public async Task A_client_that_sent_a_redirect_URI_without_PKCE_must_repeat_it()
    {
        await AddPlainClientAsync("forgetful-client");
        var flow = server.PlainFlow("forgetful-client");
        var code = await flow.CodeAsync();
        AssertInvalidGrant(await flow.TokenAsync(new() { ["grant_type"] = "authorization_code", ["code"] = code }));
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code, null)).Status);
    }

    [Fact]
    public async Task Eight_redemptions_at_once_give_one_success_and_end_the_grant()
    {
        var flow = server.NewFlow();
        var user = server.NewUser();
        for (var round = 0; round < 3; round++)
        {
            var code = await flow.CodeAsync(user);
            var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => flow.RedeemAsync(code)));
            var success = Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
            Assert.All(answers.Where(a => a.Status != HttpStatusCode.OK), AssertInvalidGrant);
            Assert.False(await server.IsActiveAsync("seal-client", Access(success.Body)));
            AssertInvalidGrant(await flow.RefreshAsync(Refresh(success.Body)));
        }
    }

    [Fact]
    [Proves("TS 33.434", "A.8")]
    public async Task An_ended_grant_stays_ended_for_a_token_that_was_minted_a_moment_later()
    {
        var flow = server.NewFlow();
        var code = await flow.CodeAsync();
        var (_, tokens, _) = await flow.RedeemAsync(code);
        AssertInvalidGrant(await flow.RedeemAsync(code));
        var grant = (string)OpenIdServer.ClaimsOf(Access(tokens))["grant_id"]!;
        var revocations = server.Service<Core.Snapshots.SnapshotState>().Revocations;
        var later = server.Server.Time.GetUtcNow().AddSeconds(5).ToUnixTimeSeconds();
        Assert.True(revocations.Covers("jti", "sub", "seal-client", grant, later));
    }

    [Fact]
    public async Task A_user_who_was_switched_off_after_the_login_gets_no_tokens()
    {
        var user = await server.AddUserAsync("nina");
        var flow = server.NewFlow();
        flow.Parameters["scope"] = "openid";
        var code = await flow.CodeAsync(user);
        await server.ChangeUserAsync("nina", u => u with { Disabled = true });
        AssertInvalidGrant(await flow.RedeemAsync(code));
    }

    [Theory]
    [InlineData("x")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("' OR 1=1")]
    [InlineData("long")]
    public async Task A_made_up_code_is_invalid_grant(string code) =>
        AssertInvalidGrant(await server.NewFlow().RedeemAsync(code == "long" ? new string('A', 10_000) : code));

    private Task AddPlainClientAsync(string id) => server.AddClientAsync(new()
    {
        ClientId = id,
        Name = id,
        Profile = ClientProfile.OpenId,
        PkceOptional = true,
        Consent = ConsentRule.Implied,
        RedirectUris = [OpenIdServer.Callback],
        Scopes = ScopeList.Of(["openid"]),
    });

    private static string Access(JsonObject tokens) => (string)tokens["access_token"]!;

    private static string Refresh(JsonObject tokens) => (string)tokens["refresh_token"]!;

    private static void AssertInvalidGrant((HttpStatusCode Status, JsonObject Body, HttpResponseMessage Response) answer) =>
        new Answer(answer.Response, answer.Body.ToJsonString()).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
}
