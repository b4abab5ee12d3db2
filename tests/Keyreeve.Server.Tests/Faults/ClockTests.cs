using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Sweeping;
using Keyreeve.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// The clock jumps by an hour, and back, while the server runs and sweeps: what was used or revoked stays so, what is good is not
/// destroyed, and nobody is locked out.
/// </summary>
public sealed class ClockTests : IAsyncLifetime
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private TestServer _server = null!;
    private SealFlow _flow = null!;
    private SimUser _user = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        _server.Time.StandStill();
        _flow = new SealFlow(_server);
        _user = new SimUser(_server);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Set_back_by_an_hour_nothing_used_comes_to_life_and_everybody_is_served()
    {
        var code = await _flow.CodeAsync(_user);
        var (_, first, _) = await _flow.RedeemAsync(code);
        var family = await _flow.TokensAsync(_user);
        var replaced = (string)family["refresh_token"]!;
        var (_, refreshed, _) = await _flow.RefreshAsync(replaced);
        var kept = await _flow.TokensAsync(_user);
        var revoked = (string)(await _flow.TokensAsync(_user))["access_token"]!;
        await RevokeAsync(revoked);
        var request = KeyRequest();
        Assert.Equal(HttpStatusCode.OK, await AskAsync(kept, request));
        // The grace of the replaced refresh token is over before the clock jumps.
        _server.Time.Advance(TimeSpan.FromMinutes(5));

        _server.Time.Advance(-Hour);
        await SweepAsync();
        Assert.True(await IsActiveAsync((string)kept["access_token"]!));
        Assert.False(await IsActiveAsync(revoked));
        Assert.Equal(HttpStatusCode.OK, (await _flow.RefreshAsync((string)kept["refresh_token"]!)).Status);
        Assert.Equal(HttpStatusCode.OK, await AskAsync(kept, KeyRequest()));
        Assert.NotNull((await _flow.TokensAsync(new SimUser(_server, "bob")))["access_token"]);
        // Used or replaced before: refused now as it was refused then.
        Assert.Equal(HttpStatusCode.BadRequest, (await _flow.RedeemAsync(code)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _flow.RefreshAsync((string)first["refresh_token"]!)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _flow.RefreshAsync(replaced)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _flow.RefreshAsync((string)refreshed["refresh_token"]!)).Status);
        // The hour is lived again: the moment of the request comes back, the request does not.
        _server.Time.Advance(Hour - TimeSpan.FromMinutes(5));
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync(kept, request));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(kept, KeyRequest()));
        Assert.False(await IsActiveAsync(revoked));
    }

    [Fact]
    public async Task An_hour_ahead_and_back_again_destroys_nothing_and_brings_nothing_back()
    {
        var used = await _flow.CodeAsync(_user);
        Assert.Equal(HttpStatusCode.OK, (await _flow.RedeemAsync(used)).Status);
        var fresh = await _flow.CodeAsync(_user);
        var kept = await _flow.TokensAsync(_user);
        var revoked = (string)(await _flow.TokensAsync(_user))["access_token"]!;
        await RevokeAsync(revoked);
        var request = KeyRequest();
        Assert.Equal(HttpStatusCode.OK, await AskAsync(kept, request));

        _server.Time.Advance(Hour);
        await SweepAsync();
        Assert.False(await IsActiveAsync((string)kept["access_token"]!));
        Assert.Equal(HttpStatusCode.BadRequest, (await _flow.RedeemAsync(fresh)).Status);
        var ahead = await _flow.TokensAsync(new SimUser(_server, "bob"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(ahead, KeyRequest("sip:bob@val.example")));
        // A change of the topic makes the list of revocations be read anew while the clock is wrong.
        await RevokeAsync((string)ahead["access_token"]!);

        _server.Time.Advance(-Hour);
        await SweepAsync();
        Assert.True(await IsActiveAsync((string)kept["access_token"]!));
        Assert.False(await IsActiveAsync(revoked));
        Assert.False(await IsActiveAsync((string)ahead["access_token"]!));
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync(kept, request));
        Assert.Equal(HttpStatusCode.OK, (await _flow.RefreshAsync((string)kept["refresh_token"]!)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _flow.RedeemAsync(used)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _flow.RedeemAsync(fresh)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _flow.RedeemAsync(fresh)).Status);
    }

    [Fact]
    public async Task What_an_operator_ends_after_the_clock_was_set_back_is_ended_also_when_it_was_issued_at_a_later_time()
    {
        // Some hours after the first start: the operator's certificate was issued at it.
        _server.Time.Advance(2 * Hour);
        var tokens = await _flow.TokensAsync(_user);
        _server.Time.Advance(-Hour);
        using var certificate = X509Certificate2.CreateFromPemFile(_server.Folder.AdminPem, _server.Folder.AdminKey);
        using var admin = _server.NewClient("mtls", certificate);
        var subject = (string)_server.User("alice")["sub"]!;
        using var answer = await admin.PostAsync($"/admin/v1/users/{subject}/disable", null, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.False(await IsActiveAsync((string)tokens["access_token"]!));
    }

    private Task SweepAsync() => _server.Server.Application.Services.GetRequiredService<Sweeper>().SweepAsync(TestContext.Current.CancellationToken);

    private async Task RevokeAsync(string token) => Assert.Equal(HttpStatusCode.OK, (await _flow.PostAsync("/revoke", new() { ["token"] = token })).Status);

    private async Task<bool> IsActiveAsync(string token) => (bool)(await _flow.PostAsync("/introspect", new() { ["token"] = token })).Body["active"]!;

    private string KeyRequest(string user = "sip:alice@val.example") => new JsonObject
    {
        ["version"] = "1.0.0",
        ["sKmsUri"] = (string)_server.Demo["skmsUri"]!,
        ["serviceId"] = "pump-control",
        ["userId"] = user,
        ["dateTime"] = _server.Time.GetUtcNow().ToUnixTimeSeconds(),
        ["requestId"] = Guid.NewGuid().ToString("N"),
    }.ToJsonString();

    private async Task<HttpStatusCode> AskAsync(JsonObject tokens, string request)
    {
        using var http = _server.NewClient();
        using var message = new HttpRequestMessage(HttpMethod.Post, "/seal/km/v1/requests") { Content = new StringContent(request, null, "application/json") };
        message.Headers.Authorization = new("Bearer", (string)tokens["access_token"]!);
        using var response = await http.SendAsync(message);
        return response.StatusCode;
    }
}
