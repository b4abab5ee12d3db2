using System.Net;
using Keyreeve.Tests.Client;
using Xunit;

namespace Keyreeve.Tests.AspNetCore;

/// <summary>Keys of the issuer: rotation, floods, and an issuer that is away.</summary>
public sealed class IssuerKeysTests : IAsyncLifetime
{
    private readonly TokenIssuer _issuer = new();
    private ResourceServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ResourceServer.StartAsync(_issuer);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Fact]
    public async Task A_flood_of_unknown_kids_is_one_fetch()
    {
        await IsAsync(HttpStatusCode.OK, _issuer.Token());
        Assert.Equal(1, _issuer.KeyFetches);
        Pass(6);
        await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            using var invented = ScriptedSim.NewKey("invented-" + i);
            await IsAsync(HttpStatusCode.Unauthorized, ScriptedSim.Sign(_issuer.Claims(), invented, "at+jwt"));
        }));
        Assert.Equal(2, _issuer.KeyFetches);
        await IsAsync(HttpStatusCode.OK, _issuer.Token());
    }

    [Fact]
    public async Task A_crowd_that_comes_first_is_one_fetch()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => IsAsync(HttpStatusCode.OK, _issuer.Token())));
        Assert.Equal(1, _issuer.KeyFetches);
    }

    [Fact]
    public async Task A_new_key_is_fetched_and_the_old_one_holds_until_it_is_gone_from_the_set()
    {
        using var next = ScriptedSim.NewKey("k2");
        var (old, young) = (_issuer.Token(), ScriptedSim.Sign(_issuer.Claims(), next, "at+jwt"));
        await IsAsync(HttpStatusCode.OK, old);
        _issuer.Published.Add(next.PublicJwk!);
        Pass(6);
        await IsAsync(HttpStatusCode.OK, young);
        await IsAsync(HttpStatusCode.OK, old);
        Assert.Equal(2, _issuer.KeyFetches);

        _issuer.Published = [next.PublicJwk!];
        using var third = ScriptedSim.NewKey("k3");
        Pass(6);
        // Whatever makes us fetch: the set is replaced whole, and what the old key signed is out although it was remembered.
        await IsAsync(HttpStatusCode.Unauthorized, ScriptedSim.Sign(_issuer.Claims(), third, "at+jwt"));
        await IsAsync(HttpStatusCode.Unauthorized, old);
        await IsAsync(HttpStatusCode.OK, young);
    }

    [Fact]
    public async Task A_withdrawn_key_is_missed_within_minutes_without_an_unknown_one()
    {
        using var next = ScriptedSim.NewKey("k2");
        await IsAsync(HttpStatusCode.OK, _issuer.Token());
        _issuer.Published = [next.PublicJwk!];
        Pass(301);
        // This one begins the fetch and does not wait for it.
        _ = await _server.GetAsync("/pumps", "Bearer " + _issuer.Token());
        for (var deadline = Environment.TickCount64 + 60_000; (await _server.GetAsync("/pumps", "Bearer " + _issuer.Token())).Status == HttpStatusCode.OK;)
            Assert.True(Environment.TickCount64 < deadline, "the withdrawn key still holds");
        Assert.Equal(2, _issuer.KeyFetches);
    }

    [Theory]
    [InlineData("/jwks")]
    [InlineData("/.well-known/openid-configuration")]
    public async Task Before_the_issuer_was_reached_the_answer_is_503_and_nobody_is_refused_or_let_in(string away)
    {
        _issuer.Away.Add(away);
        var (status, challenge, _) = await _server.GetAsync("/pumps", "Bearer " + _issuer.Token());
        Assert.Equal((HttpStatusCode.ServiceUnavailable, ""), (status, challenge));
        // Whoever has no token, or junk, is told so all the same.
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/pumps")).Status);
        await IsAsync(HttpStatusCode.Unauthorized, "junk");
        _issuer.Away.Clear();
        await IsAsync(HttpStatusCode.ServiceUnavailable, _issuer.Token());
        Pass(1);
        await IsAsync(HttpStatusCode.OK, _issuer.Token());
    }

    [Fact]
    public async Task An_issuer_that_does_not_listen_or_is_not_trusted_is_503()
    {
        await using var other = new TokenIssuer();
        await using var untrusted = await ResourceServer.StartAsync(_issuer, o => o.RootsPem = other.RootsPem);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await untrusted.GetAsync("/pumps", "Bearer " + _issuer.Token())).Status);
        await using var nowhere = await ResourceServer.StartAsync(_issuer, o => o.Issuer = "https://localhost:1");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await nowhere.GetAsync("/pumps", "Bearer " + _issuer.Token())).Status);
    }

    [Fact]
    public async Task Known_keys_hold_for_a_day_while_the_issuer_is_away_and_an_unknown_one_is_503()
    {
        await IsAsync(HttpStatusCode.OK, _issuer.Token());
        _issuer.Away.Add("/jwks");
        using var next = ScriptedSim.NewKey("k2");
        Pass(6);
        await IsAsync(HttpStatusCode.ServiceUnavailable, ScriptedSim.Sign(_issuer.Claims(), next, "at+jwt"));
        await IsAsync(HttpStatusCode.OK, _issuer.Token());
        Pass(23 * 3600);
        await IsAsync(HttpStatusCode.OK, _issuer.Token());
        Pass(3600);
        await IsAsync(HttpStatusCode.ServiceUnavailable, _issuer.Token());
    }

    private void Pass(int seconds) => _issuer.Clock.Now += TimeSpan.FromSeconds(seconds);

    private async Task IsAsync(HttpStatusCode expected, string token) => Assert.Equal(expected, (await _server.GetAsync("/pumps", "Bearer " + token)).Status);
}
