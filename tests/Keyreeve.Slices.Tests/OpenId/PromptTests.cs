using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>What may and what must be shown to the person: prompt and max_age.</summary>
[Proves("TS 33.434", "5.2.4")]
[Proves("OpenID Connect Core 1.0", "3.1.2.1")]
public sealed class PromptTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    [Fact]
    public async Task Prompt_none_without_a_session_is_login_required_and_shows_nothing()
    {
        var user = server.NewUser();
        var arrival = await GoAsync(user, "none");
        Assert.Equal("login_required", arrival["error"]);
        Assert.Equal("state-123", arrival["state"]);
        Assert.Equal(server.Issuer, arrival["iss"]);
        Assert.Empty(user.Seen);
    }

    [Fact]
    public async Task Prompt_none_without_consent_is_consent_required_and_shows_nothing()
    {
        var user = await server.AddUserAsync("carol");
        var flow = server.NewFlow();
        flow.Parameters["scope"] = "openid";
        await flow.CodeAsync(user);
        user.Seen.Clear();
        Assert.Equal("consent_required", (await GoAsync(user, "none"))["error"]);
        Assert.Empty(user.Seen);
    }

    [Fact]
    public async Task Prompt_none_with_session_and_consent_gives_the_same_subject_and_auth_time_silently()
    {
        var user = server.NewUser();
        var first = await ClaimsAsync(await server.NewFlow().CodeAsync(user));
        user.Seen.Clear();
        server.Server.Time.Advance(TimeSpan.FromSeconds(3));
        var second = await ClaimsAsync((await GoAsync(user, "none"))["code"]!);
        Assert.Empty(user.Seen);
        Assert.Equal(((string)first["sub"]!, (long)first["auth_time"]!), ((string)second["sub"]!, (long)second["auth_time"]!));
    }

    [Theory]
    [InlineData("login")]
    [InlineData("select_account")]
    [InlineData("login consent")]
    public async Task Prompt_login_asks_again_in_spite_of_a_session_and_is_satisfied_once(string prompt)
    {
        var user = server.NewUser();
        var first = await ClaimsAsync(await server.NewFlow().CodeAsync(user));
        server.Server.Time.Advance(TimeSpan.FromSeconds(2));
        foreach (var round in (int[])[1, 2])
        {
            user.Seen.Clear();
            var again = await ClaimsAsync((await GoAsync(user, prompt))["code"]!);
            Assert.Equal(prompt.Contains("consent", StringComparison.Ordinal) ? ["/login", "/consent"] : ["/login"], user.Seen);
            Assert.True((long)again["auth_time"]! > (long)first["auth_time"]!, $"round {round}");
        }
    }

    [Fact]
    public async Task Prompt_consent_asks_for_consent_again_and_not_for_a_login()
    {
        var user = server.NewUser();
        await server.NewFlow().CodeAsync(user);
        user.Seen.Clear();
        Assert.NotNull((await GoAsync(user, "consent"))["code"]);
        Assert.Equal(["/consent"], user.Seen);
    }

    [Theory]
    [InlineData("0", true)]
    [InlineData("1", true)]
    [InlineData("10000", false)]
    public async Task A_login_older_than_max_age_is_asked_for_again(string maxAge, bool asked)
    {
        var user = server.NewUser();
        var first = await ClaimsAsync(await server.NewFlow().CodeAsync(user));
        server.Server.Time.Advance(TimeSpan.FromSeconds(3));
        user.Seen.Clear();
        var flow = server.NewFlow();
        flow.Parameters["max_age"] = maxAge;
        var second = await ClaimsAsync(await flow.CodeAsync(user));
        Assert.Equal(asked ? ["/login"] : [], user.Seen);
        Assert.Equal(asked, (long)second["auth_time"]! > (long)first["auth_time"]!);
    }

    [Fact]
    public async Task Max_age_that_is_over_with_prompt_none_is_login_required()
    {
        var user = server.NewUser();
        await server.NewFlow().CodeAsync(user);
        server.Server.Time.Advance(TimeSpan.FromSeconds(3));
        var flow = server.NewFlow();
        flow.Parameters["max_age"] = "1";
        flow.Parameters["prompt"] = "none";
        Assert.Equal("login_required", (await user.GoAsync(flow.AuthorizeAddress))["error"]);
    }

    [Fact]
    [Proves("RFC 6819", "4.4.1.10")]
    public async Task A_public_client_cannot_live_on_an_old_consent()
    {
        await server.AddClientAsync(new()
        {
            ClientId = "app",
            Name = "An app",
            Profile = ClientProfile.OpenId,
            AuthMethods = [ClientAuthMethod.None],
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["openid"]),
        });
        var user = server.NewUser();
        foreach (var _ in (int[])[1, 2])
        {
            user.Seen.Clear();
            var flow = server.NewFlow("app");
            flow.Parameters["scope"] = "openid";
            await flow.CodeAsync(user);
            Assert.Equal("/consent", user.Seen[^1]);
        }
        var silent = server.NewFlow("app");
        silent.Parameters["scope"] = "openid";
        silent.Parameters["prompt"] = "none";
        Assert.Equal("consent_required", (await user.GoAsync(silent.AuthorizeAddress))["error"]);
    }

    private Task<Arrival> GoAsync(SimUser user, string prompt)
    {
        var flow = server.NewFlow();
        flow.Parameters["prompt"] = prompt;
        return user.GoAsync(flow.AuthorizeAddress);
    }

    private async Task<JsonObject> ClaimsAsync(string code)
    {
        var (status, body, _) = await server.NewFlow().RedeemAsync(code);
        Assert.Equal(HttpStatusCode.OK, status);
        return OpenIdServer.ClaimsOf((string)body["id_token"]!);
    }
}
