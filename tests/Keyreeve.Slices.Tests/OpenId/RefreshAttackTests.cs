using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Refresh tokens: rotation, theft, and honest clients that lose an answer.</summary>
[Proves("TS 33.434", "A.5")]
[Proves("RFC 9700", "4.14.2")]
public sealed class RefreshAttackTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Client = "seal-client";

    [Fact]
    public async Task Every_refresh_rotates_the_token_and_gives_a_new_access_token()
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        var second = await RefreshedAsync(flow, Refresh(first));
        var third = await RefreshedAsync(flow, Refresh(second));
        Assert.Equal(3, ((string[])[Refresh(first), Refresh(second), Refresh(third)]).Distinct().Count());
        Assert.Equal(3, ((string[])[Access(first), Access(second), Access(third)]).Distinct().Count());
        Assert.Equal("bearer", (string)third["token_type"]!);
        Assert.Equal((string)first["scope"]!, (string)third["scope"]!);
        Assert.Matches("^[\\x20-\\x7E]+$", Refresh(third));
        Assert.True(await server.IsActiveAsync(Client, Access(first)));
        Assert.False(await server.IsActiveAsync(Client, Refresh(first)));
        Assert.True(await server.IsActiveAsync(Client, Refresh(third)));
    }

    [Fact]
    public async Task A_replay_inside_the_grace_gets_the_same_successor()
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        var second = await RefreshedAsync(flow, Refresh(first));
        server.Server.Time.Advance(TimeSpan.FromSeconds(30));
        var again = await RefreshedAsync(flow, Refresh(first));
        Assert.Equal(Refresh(second), Refresh(again));
        await RefreshedAsync(flow, Refresh(second));
    }

    [Fact]
    public async Task Eight_refreshes_at_once_get_one_successor_and_the_family_lives()
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => flow.RefreshAsync(Refresh(first))));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.Status));
        var successor = Assert.Single(answers.Select(a => Refresh(a.Body)).Distinct());
        await RefreshedAsync(flow, successor);
    }

    [Fact]
    public async Task A_replay_after_the_grace_ends_the_family_and_its_access_tokens()
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        var second = await RefreshedAsync(flow, Refresh(first));
        server.Server.Time.Advance(TimeSpan.FromSeconds(61));
        AssertInvalidGrant(await flow.RefreshAsync(Refresh(first)));
        await AssertDeadAsync(flow, first, second);
    }

    [Fact]
    public async Task A_token_two_generations_old_ends_the_family_at_once()
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        var second = await RefreshedAsync(flow, Refresh(first));
        var third = await RefreshedAsync(flow, Refresh(second));
        AssertInvalidGrant(await flow.RefreshAsync(Refresh(first)));
        await AssertDeadAsync(flow, first, second, third);
    }

    [Fact]
    public async Task More_replays_inside_the_grace_than_an_honest_client_makes_end_the_family()
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        var second = await RefreshedAsync(flow, Refresh(first));
        for (var i = 0; i < 10; i++)
            Assert.Equal(Refresh(second), Refresh(await RefreshedAsync(flow, Refresh(first))));
        AssertInvalidGrant(await flow.RefreshAsync(Refresh(first)));
        await AssertDeadAsync(flow, first, second);
    }

    [Fact]
    public async Task Another_clients_refresh_token_is_refused_without_effect()
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        AssertInvalidGrant(await server.NewFlow("openid-client").RefreshAsync(Refresh(first)));
        var second = await RefreshedAsync(flow, Refresh(first));
        // A replaced one neither, even after the grace: only its own client's replay is a sign of theft.
        server.Server.Time.Advance(TimeSpan.FromSeconds(61));
        AssertInvalidGrant(await server.NewFlow("openid-client").RefreshAsync(Refresh(first)));
        await RefreshedAsync(flow, Refresh(second));
    }

    [Fact]
    public async Task A_narrower_scope_narrows_the_access_token_and_not_the_family()
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        var narrow = await RefreshedAsync(flow, Refresh(first), "val:pump-control");
        Assert.Equal("val:pump-control", (string)narrow["scope"]!);
        Assert.Null(narrow["id_token"]);
        var claims = OpenIdServer.ClaimsOf(Access(narrow));
        Assert.Equal(("val:pump-control", "https://val.example/pump-control"), ((string)claims["scope"]!, (string)claims["aud"]!));
        var wide = await RefreshedAsync(flow, Refresh(narrow));
        Assert.Equal((string)first["scope"]!, (string)wide["scope"]!);
    }

    [Theory]
    [InlineData("openid val:pump-control seal:key_management profile")]
    [InlineData("val:fleet-tracking")]
    [InlineData("no-such-scope")]
    [InlineData("\"")]
    public async Task A_wider_scope_is_invalid_scope_and_the_token_stays_good(string scope)
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        var (status, body, response) = await flow.RefreshAsync(Refresh(first), scope);
        new Answer(response, body.ToJsonString()).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        Assert.Equal(HttpStatusCode.BadRequest, status);
        await RefreshedAsync(flow, Refresh(first));
    }

    [Fact]
    public async Task A_scope_that_was_taken_from_the_client_or_the_user_is_not_granted_again()
    {
        await server.AddClientAsync(new()
        {
            ClientId = "shrinking",
            Name = "Shrinking",
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["openid", "val:pump-control", "seal:key_management"]),
        });
        await server.AddUserAsync("olga");
        var flow = server.NewFlow("shrinking");
        var first = await flow.TokensAsync(server.NewUser("olga"));
        await server.ChangeClientAsync("shrinking", c => c with { Scopes = ScopeList.Of(["openid", "val:pump-control"]) });
        var second = await RefreshedAsync(flow, Refresh(first));
        Assert.Equal("openid val:pump-control", (string)second["scope"]!);
        await server.ChangeUserAsync("olga", u => u with { ValServiceIds = [] });
        var third = await RefreshedAsync(flow, Refresh(second));
        Assert.Equal("openid", (string)third["scope"]!);
    }

    [Fact]
    public async Task A_refresh_token_that_is_not_used_dies_and_a_used_one_lives_on_to_its_absolute_end()
    {
        await using var own = await OpenIdServer.StartAsync("Tokens:RefreshIdleSeconds=60", "Tokens:RefreshAbsoluteSeconds=150");
        own.Server.Time.StandStill();
        var flow = own.NewFlow();
        var user = own.NewUser();
        var idle = await flow.TokensAsync(user);
        own.Server.Time.Advance(TimeSpan.FromSeconds(61));
        AssertInvalidGrant(await flow.RefreshAsync(Refresh(idle)));
        Assert.False(await own.IsActiveAsync(Client, Refresh(idle)));

        var busy = await flow.TokensAsync(user);
        for (var i = 0; i < 2; i++)
        {
            own.Server.Time.Advance(TimeSpan.FromSeconds(55));
            busy = await RefreshedAsync(flow, Refresh(busy));
        }
        own.Server.Time.Advance(TimeSpan.FromSeconds(45));
        AssertInvalidGrant(await flow.RefreshAsync(Refresh(busy)));
    }

    [Fact]
    public async Task A_disabled_users_refresh_token_is_invalid_grant_and_stays_so()
    {
        await server.AddUserAsync("paula");
        var flow = server.NewFlow();
        var first = await flow.TokensAsync(server.NewUser("paula"));
        await server.ChangeUserAsync("paula", u => u with { Disabled = true });
        AssertInvalidGrant(await flow.RefreshAsync(Refresh(first)));
        await server.ChangeUserAsync("paula", u => u with { Disabled = false });
        AssertInvalidGrant(await flow.RefreshAsync(Refresh(first)));
    }

    [Fact]
    public async Task A_refresh_needs_the_clients_authentication()
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        (await server.PostAsync("/token", null, ("grant_type", "refresh_token"), ("refresh_token", Refresh(first)), ("client_id", Client)))
            .AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        await RefreshedAsync(flow, Refresh(first));
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("access token")]
    public async Task What_is_no_refresh_token_is_refused(string text)
    {
        var flow = server.NewFlow();
        if (text == "access token")
            text = Access(await flow.TokensAsync());
        var (_, body, response) = await flow.RefreshAsync(text);
        new Answer(response, body.ToJsonString()).AssertError(HttpStatusCode.BadRequest, text.Length == 0 ? "invalid_request" : "invalid_grant");
    }

    private async Task AssertDeadAsync(SealFlow flow, params JsonObject[] all)
    {
        foreach (var tokens in all)
        {
            Assert.False(await server.IsActiveAsync(Client, Access(tokens)));
            Assert.False(await server.IsActiveAsync(Client, Refresh(tokens)));
            AssertInvalidGrant(await flow.RefreshAsync(Refresh(tokens)));
        }
    }

    private static async Task<JsonObject> RefreshedAsync(SealFlow flow, string token, string? scope = null)
    {
        var (status, body, response) = await flow.RefreshAsync(token, scope);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.True(response.Headers.CacheControl!.NoStore);
        return body;
    }

    private static string Access(JsonObject tokens) => (string)tokens["access_token"]!;

    private static string Refresh(JsonObject tokens) => (string)tokens["refresh_token"]!;

    private static void AssertInvalidGrant((HttpStatusCode Status, JsonObject Body, HttpResponseMessage Response) answer) =>
        new Answer(answer.Response, answer.Body.ToJsonString()).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
}
