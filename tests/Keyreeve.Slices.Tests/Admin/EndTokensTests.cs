using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

/// <summary>When the operator has the answer, what was taken away is gone: at introspection and at the door of the SKM-S.</summary>
public sealed class EndTokensTests(AdminFixture admin) : IClassFixture<AdminFixture>
{
    [Fact]
    public async Task A_disabled_users_tokens_are_dead_when_the_answer_comes()
    {
        var tokens = await LogInAsync("alice");
        var subject = (string)admin.Server.User("alice")["sub"]!;
        Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/users/{subject}/disable")).Status);
        await AssertDeadAsync(tokens);
        var (refreshed, _, _) = await new SealFlow(admin.Server).RefreshAsync((string)tokens["refresh_token"]!);
        Assert.Equal(HttpStatusCode.BadRequest, refreshed);
        // Switched on again, old grants stay dead.
        Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/users/{subject}/enable")).Status);
        (refreshed, _, _) = await new SealFlow(admin.Server).RefreshAsync((string)tokens["refresh_token"]!);
        Assert.Equal(HttpStatusCode.BadRequest, refreshed);
        await AssertDeadAsync(tokens);
    }

    [Fact]
    public async Task A_user_disabled_by_a_whole_change_loses_the_tokens_too()
    {
        var subject = await admin.AddUserAsync("whole");
        var tokens = await LogInAsync("bob");
        var bob = await admin.GetAsync("/users/" + admin.Server.User("bob")["sub"]);
        bob.Body["disabled"] = true;
        Assert.Equal(HttpStatusCode.OK, (await admin.PutAsync("/users/" + bob.Body["subject"], bob.Body.ToJsonString(), bob.ETag)).Status);
        await AssertDeadAsync(tokens);
        Assert.False((bool)(await admin.GetAsync("/users/" + subject)).Body["disabled"]!);
    }

    [Fact]
    public async Task A_changed_password_ends_tokens_and_grants_of_the_old_one()
    {
        await using var server = await TestServer.StartAsync();
        var other = new AdminFixtureOf(server);
        var flow = new SealFlow(server);
        var tokens = await flow.TokensAsync(new SimUser(server));
        var answer = await other.PostAsync($"/users/{server.User("alice")["sub"]}/password");
        var password = (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["generatedPassword"]!;
        Assert.False(await IsActiveAsync(server, tokens));
        Assert.Equal(HttpStatusCode.BadRequest, (await flow.RefreshAsync((string)tokens["refresh_token"]!)).Status);
        server.Time.Advance(TimeSpan.FromSeconds(2)); // a token of the second of the change itself is dead as well
        var again = await flow.TokensAsync(new SimUser(server) { Password = password });
        Assert.True(await IsActiveAsync(server, again));
    }

    [Fact]
    public async Task A_VAL_service_that_is_removed_gives_out_no_key_any_more()
    {
        await using var server = await TestServer.StartAsync();
        var tokens = await new SealFlow(server).TokensAsync(new SimUser(server));
        Assert.Equal(HttpStatusCode.OK, (await AskForKeyAsync(server, tokens)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await new AdminFixtureOf(server).DeleteAsync("/services/pump-control")).StatusCode);
        Assert.Equal((HttpStatusCode.Forbidden, "04"), await AskForKeyAsync(server, tokens));
    }

    [Fact]
    public async Task Taking_a_VAL_service_from_a_user_ends_the_tokens_that_list_it()
    {
        await using var server = await TestServer.StartAsync();
        var other = new AdminFixtureOf(server);
        var tokens = await new SealFlow(server).TokensAsync(new SimUser(server));
        var path = $"/users/{server.User("alice")["sub"]}";
        using var shown = await other.GetAsync(path);
        var alice = JsonNode.Parse(await shown.Content.ReadAsStringAsync())!.AsObject();
        alice["valServiceIds"] = new JsonArray("pump-control");
        using var changed = await other.PutAsync(path, alice.ToJsonString(), shown.Headers.ETag!.ToString());
        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        Assert.False(await IsActiveAsync(server, tokens));
        Assert.Equal((HttpStatusCode.Unauthorized, "03"), await AskForKeyAsync(server, tokens));
    }

    [Fact]
    public async Task A_removed_users_tokens_are_dead_when_the_answer_comes()
    {
        await using var server = await TestServer.StartAsync();
        var tokens = await new SealFlow(server).TokensAsync(new SimUser(server));
        Assert.True(await IsActiveAsync(server, tokens));
        Assert.Equal(HttpStatusCode.NoContent, (await new AdminFixtureOf(server).DeleteAsync($"/users/{server.User("alice")["sub"]}")).StatusCode);
        Assert.False(await IsActiveAsync(server, tokens));
        Assert.Equal((HttpStatusCode.Unauthorized, "03"), await AskForKeyAsync(server, tokens));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_removed_or_disabled_clients_tokens_are_dead_when_the_answer_comes(bool remove)
    {
        await using var server = await TestServer.StartAsync();
        var tokens = await new SealFlow(server).TokensAsync(new SimUser(server));
        Assert.True(await IsActiveAsync(server, tokens));
        Assert.Equal(HttpStatusCode.OK, (await AskForKeyAsync(server, tokens)).Status);
        var other = new AdminFixtureOf(server);
        if (remove)
        {
            Assert.Equal(HttpStatusCode.NoContent, (await other.DeleteAsync("/clients/seal-client")).StatusCode);
        }
        else
        {
            var read = await other.GetAsync("/clients/seal-client");
            var json = JsonNode.Parse(await read.Content.ReadAsStringAsync())!;
            json["disabled"] = true;
            Assert.Equal(HttpStatusCode.OK, (await other.PutAsync("/clients/seal-client", json.ToJsonString(), read.Headers.ETag!.Tag)).StatusCode);
        }
        Assert.False(await IsActiveAsync(server, tokens));
        Assert.Equal((HttpStatusCode.Unauthorized, "03"), await AskForKeyAsync(server, tokens));
        Assert.Equal(HttpStatusCode.Unauthorized, (await new SealFlow(server).RefreshAsync((string)tokens["refresh_token"]!)).Status);
    }

    [Fact]
    public async Task A_revoked_signing_key_verifies_nothing_and_its_successor_signs()
    {
        await using var server = await TestServer.StartAsync();
        var other = new AdminFixtureOf(server);
        var tokens = await new SealFlow(server).TokensAsync(new SimUser(server));
        var keys = JsonNode.Parse(await (await other.GetAsync("/signing-keys")).Content.ReadAsStringAsync())!["items"]!.AsArray();
        var kid = (string)keys.Single(k => (string)k!["algorithm"]! == "ES256" && (string)k["state"]! == "current")!["kid"]!;
        Assert.Equal(HttpStatusCode.NoContent, (await other.DeleteAsync("/signing-keys/" + kid)).StatusCode);
        Assert.False(await IsActiveAsync(server, tokens));
        using var http = server.NewClient();
        Assert.DoesNotContain(kid, await http.GetStringAsync("/jwks"), StringComparison.Ordinal);
        Assert.True(await IsActiveAsync(server, await new SealFlow(server).TokensAsync(new SimUser(server))));
    }

    private async Task<JsonObject> LogInAsync(string username)
    {
        var flow = new SealFlow(admin.Server);
        var tokens = await flow.TokensAsync(new SimUser(admin.Server, username));
        Assert.True(await IsActiveAsync(admin.Server, tokens));
        Assert.Equal(HttpStatusCode.OK, (await AskForKeyAsync(admin.Server, tokens, username)).Status);
        return tokens;
    }

    private async Task AssertDeadAsync(JsonObject tokens)
    {
        Assert.False(await IsActiveAsync(admin.Server, tokens));
        Assert.Equal((HttpStatusCode.Unauthorized, "03"), await AskForKeyAsync(admin.Server, tokens));
    }

    /// <summary>Asked by the resource server, whose registration is not the one that changes.</summary>
    private static async Task<bool> IsActiveAsync(TestServer server, JsonObject tokens)
    {
        var (status, body, _) = await new SealFlow(server, "val-server").PostAsync("/introspect", new() { ["token"] = (string)tokens["access_token"]! });
        Assert.Equal(HttpStatusCode.OK, status);
        return (bool)body["active"]!;
    }

    private static async Task<(HttpStatusCode Status, string? Error)> AskForKeyAsync(TestServer server, JsonObject tokens, string username = "alice")
    {
        using var http = server.NewClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (string)tokens["access_token"]!);
        var json = new JsonObject
        {
            ["version"] = "1.0.0",
            ["sKmsUri"] = (string)server.Demo["skmsUri"]!,
            ["serviceId"] = "pump-control",
            ["userId"] = (string)server.User(username)["valUserId"]!,
            ["dateTime"] = server.Time.GetUtcNow().ToUnixTimeSeconds(),
            ["requestId"] = Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8)),
        };
        var response = await http.PostAsync("/seal/km/v1/requests", new StringContent(json.ToJsonString(), Encoding.UTF8, "application/json"));
        return (response.StatusCode, (string?)JsonNode.Parse(await response.Content.ReadAsStringAsync())!["errorCode"]);
    }
}
