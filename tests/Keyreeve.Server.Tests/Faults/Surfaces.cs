using System.Text.Json.Nodes;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>One request to every surface that writes, and what it answers while its store cannot be written.</summary>
internal sealed class Surfaces : IAsyncDisposable
{
    private static readonly string[] NeverSaid = ["Exception", "Sqlite", "SQLITE", "Npgsql", "   at ", "No space", "is locked"];

    /// <summary>Access tokens to revoke: on a full disk the room that the log has already is used up first.</summary>
    private const int Revocable = 300;

    private readonly Peer _peer;
    private readonly string _keys;
    private readonly Queue<string> _access;
    private string _refresh;

    private Surfaces(Peer peer, string keys, Queue<string> access, string refresh) => (_peer, _keys, _access, _refresh) = (peer, keys, access, refresh);

    public static async Task<Surfaces> OpenAsync(TempFolder folder)
    {
        var peer = new Peer(folder);
        var tokens = await peer.Client.SignInAsync();
        var access = new Queue<string>();
        for (var more = await peer.Client.SignInAsync(); access.Count < Revocable; more = await peer.Client.TokenAsync(new() { ["grant_type"] = "refresh_token", ["refresh_token"] = (string)more["refresh_token"]! }))
            access.Enqueue((string)more["access_token"]!);
        return new(peer, (string)tokens["access_token"]!, access, (string)tokens["refresh_token"]!);
    }

    public ValueTask DisposeAsync()
    {
        _peer.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>
    /// Asks every surface until it has answered 503 (what was cached or could be queued may go through before). Every answer is either
    /// right or a 503 in the words of its surface, with Retry-After, and none has a word of ours in it.
    /// </summary>
    public async Task AllRefuseAsync(TimeSpan within)
    {
        var longest = await Task.WhenAll(
            UntilRefusedAsync("refresh", RefreshAsync, within, OAuth),
            UntilRefusedAsync("revoke", RevokeAsync, within, OAuth),
            UntilRefusedAsync("keys", AskForKeysAsync, within, KeyResponse),
            UntilRefusedAsync("admin", CreateUserAsync, within, Problem),
            UntilRefusedAsync("sign-in", SignInAsync, within, Page));
        FaultSettings.Say($"the slowest answer came after {longest.Max().TotalSeconds:0.0} s");
    }

    /// <summary>Until refresh, sign-in and provisioning work again; the same refresh token or its successor is still good.</summary>
    public async Task WorkAgainAsync(TimeSpan within)
    {
        var since = TimeProvider.System.GetTimestamp();
        foreach (var ask in (Func<Task<Answered>>[])[RefreshAsync, CreateUserAsync, SignInAsync])
            while ((await ask()).Status >= 500)
            {
                Assert.True(TimeProvider.System.GetElapsedTime(since) < within, "it does not work again");
                await Task.Delay(50);
            }
        FaultSettings.Say($"everything works again after {TimeProvider.System.GetElapsedTime(since).TotalSeconds:0.0} s");
    }

    private async Task<Answered> RefreshAsync()
    {
        var answer = await PostAsync("/token", new() { ["grant_type"] = "refresh_token", ["refresh_token"] = _refresh });
        if (answer.Status == 200)
            _refresh = (string)JsonNode.Parse(answer.Body)!["refresh_token"]!;
        return answer;
    }

    /// <summary>An access token that is good each time, so that each time there is something to write.</summary>
    private Task<Answered> RevokeAsync() => PostAsync("/revoke", new() { ["token"] = _access.Count > 1 ? _access.Dequeue() : _access.Peek() });

    private async Task<Answered> AskForKeysAsync() => await ReadAsync(_peer.Client.AnswerKeyRequestAsync(_keys, _peer.Client.KeyRequest()));

    private async Task<Answered> PostAsync(string path, Dictionary<string, string> form) => await ReadAsync(_peer.Client.SendFormAsync(path, form));

    private async Task<Answered> CreateUserAsync() =>
        await ReadAsync(_peer.AnswerAdminAsync(HttpMethod.Post, "/users", new() { ["username"] = "u" + Guid.NewGuid().ToString("N") }));

    private async Task<Answered> SignInAsync()
    {
        try
        {
            await _peer.Client.CodeAsync();
            return new(200, "", false);
        }
        catch (UnexpectedPageException page)
        {
            return new(page.Status, page.Html, page.HasRetryAfter);
        }
    }

    private static async Task<Answered> ReadAsync(Task<HttpResponseMessage> asked)
    {
        using var response = await asked;
        return new((int)response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers.RetryAfter is not null);
    }

    private static async Task<TimeSpan> UntilRefusedAsync(string what, Func<Task<Answered>> ask, TimeSpan within, Action<Answered> check)
    {
        var since = TimeProvider.System.GetTimestamp();
        var longest = TimeSpan.Zero;
        for (var refused = 0; refused < 2;)
        {
            var asked = TimeProvider.System.GetTimestamp();
            var answer = await ask();
            longest = TimeSpan.FromTicks(Math.Max(longest.Ticks, TimeProvider.System.GetElapsedTime(asked).Ticks));
            Assert.All(NeverSaid, word => Assert.DoesNotContain(word, answer.Body, StringComparison.Ordinal));
            if (answer.Status == 503)
            {
                refused++;
                Assert.True(answer.RetryAfter, $"{what}: 503 without Retry-After {answer.Body}");
                check(answer);
                continue;
            }
            Assert.True(answer.Status < 300, $"{what}: {answer.Status} {answer.Body}");
            Assert.True(TimeProvider.System.GetElapsedTime(since) < within, what + " was never refused");
        }
        return longest;
    }

    private static void OAuth(Answered answer) => Assert.Equal("temporarily_unavailable", (string?)JsonNode.Parse(answer.Body)!["error"]);

    private static void KeyResponse(Answered answer) => Assert.Equal("01", (string?)JsonNode.Parse(answer.Body)!["errorCode"]);

    private static void Problem(Answered answer) => Assert.Equal(503, (int)JsonNode.Parse(answer.Body)!["status"]!);

    private static void Page(Answered answer) => Assert.Contains("<html", answer.Body, StringComparison.Ordinal);

    internal sealed record Answered(int Status, string Body, bool RetryAfter);
}
