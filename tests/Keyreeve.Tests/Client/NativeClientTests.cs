using System.Net;
using Keyreeve.Client;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Client;

/// <summary>Sign-in by a loopback redirect, and the session that follows.</summary>
public sealed class NativeClientTests
{
    private readonly ScriptedSim _sim = new();
    private readonly HttpClient _browser = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    [Proves("TS 33.434", "A.4.2.3")]
    [Proves("RFC 8252", "7.3")]
    public async Task A_forged_response_is_dropped_without_a_word_and_the_wait_goes_on()
    {
        var client = await _sim.ClientAsync(redirect: "http://127.0.0.1/callback");
        var result = await client.SignInAsync(ScriptedSim.Scopes, async (address, _) =>
        {
            var query = System.Web.HttpUtility.ParseQueryString(address.Query);
            var (back, state, iss) = (query["redirect_uri"]!, query["state"]!, Uri.EscapeDataString(ScriptedSim.Issuer));
            foreach (var forged in (string[])[$"{back}?code=evil&state=other&iss={iss}", $"{back}?error=access_denied&state=other&iss={iss}", $"{back}?code=evil&state={state}", back, back + "x?code=evil&state=" + state])
                await VisitAsync(HttpStatusCode.NoContent, forged);
            Assert.DoesNotContain(_sim.Seen, s => s.Path == "/token");
            _sim.AnswerTokens(ScriptedSim.Sign(_sim.IdClaims(query["nonce"]), _sim.Key));
            await VisitAsync(HttpStatusCode.OK, $"{back}?code=the-code&state={state}&iss={iss}");
        }, Cancel);
        Assert.True(result.Succeeded(out var tokens, out var failure), failure?.Describe());
        Assert.Equal("access-1", tokens.AccessToken.Reveal());
    }

    [Fact]
    [Proves("TS 33.434", "A.5")]
    public async Task Many_who_ask_share_one_refresh_ahead_of_the_end_and_a_refused_one_ends_the_session()
    {
        var (client, store) = await StoredAsync(new MemoryTokenStore());
        using var session = await SimSession.OpenAsync(client, store, _sim.Clock, Cancel);
        Assert.True((await session.TokensAsync(Cancel)).Succeeded(out var held, out _));
        Assert.Equal("access-1", held.AccessToken.Reveal());
        _sim.Clock.Now += TimeSpan.FromSeconds(280);
        _sim.AnswerTokens(null, "access-2", "refresh-2");
        var before = _sim.Seen.Count;
        foreach (var result in await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => session.TokensAsync(Cancel))))
            Assert.True(result.Succeeded(out var renewed, out _) && renewed.AccessToken.Reveal() == "access-2");
        Assert.Equal(before + 1, _sim.Seen.Count);
        Assert.Equal("refresh-2", (await store.LoadAsync(Cancel))!.RefreshToken!.Reveal());

        _sim.Clock.Now += TimeSpan.FromSeconds(400);
        _sim.Answers["/token"] = (400, "{\"error\":\"invalid_grant\"}");
        Assert.False((await session.TokensAsync(Cancel)).Succeeded(out _, out var failure));
        Assert.IsType<SignInNeeded>(failure);
        Assert.Null(await store.LoadAsync(Cancel));
    }

    [Fact]
    public async Task A_file_store_is_its_owners_alone_and_a_logout_empties_it()
    {
        var folder = Directory.CreateTempSubdirectory("keyreeve-store-").FullName;
        try
        {
            var path = Path.Combine(folder, "tokens.json");
            var (client, store) = await StoredAsync(new FileTokenStore(path));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            Assert.Equal([path], Directory.GetFiles(folder));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
            await Assert.ThrowsAsync<UnauthorizedAccessException>(() => store.LoadAsync(Cancel));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            using var session = await SimSession.OpenAsync(client, store, _sim.Clock, Cancel);
            _sim.Answers["/revoke"] = (200, "");
            Assert.Null(await session.LogoutAsync(Cancel));
            Assert.False(File.Exists(path) || session.IsSignedIn);
            Assert.Equal(2, _sim.Seen.Count(s => s.Path == "/revoke"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task<(SimClient Client, ITokenStore Store)> StoredAsync(ITokenStore store)
    {
        Assert.True((await _sim.ExchangeAsync(c => ScriptedSim.Sign(c, _sim.Key))).Succeeded(out var tokens, out _));
        await store.SaveAsync(new(tokens.AccessToken, tokens.IdToken.Text, tokens.RefreshToken, tokens.ExpiresAt, tokens.Scope), Cancel);
        return (await _sim.ClientAsync(), store);
    }

    private async Task VisitAsync(HttpStatusCode expected, string address)
    {
        using var response = await _browser.GetAsync(new Uri(address), Cancel);
        Assert.Equal(expected, response.StatusCode);
    }
}
