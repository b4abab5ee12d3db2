using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>What a surface answered.</summary>
internal sealed record Answered(int Status, string Body, bool RetryAfter);

/// <summary>A surface as a client sees it.</summary>
/// <param name="Name">For whoever reads a failure.</param>
/// <param name="Writes">It cannot answer without its store, or without the audit.</param>
/// <param name="AskAsync">One request; null when there is nothing to ask with just now.</param>
/// <param name="DemandWords">Looks at the body of a 503.</param>
internal sealed record Surface(string Name, bool Writes, Func<Task<Answered?>> AskAsync, Action<string> DemandWords)
{
    private static readonly string[] NeverSaid = ["Exception", "Sqlite", "SQLITE", "Npgsql", "   at ", "No space", "is locked"];

    /// <summary>One request, whose answer is right or a 503 in the words of the surface, with Retry-After, and has no word of ours in it.</summary>
    public async Task<Answered?> AskOnceAsync()
    {
        if (await AskAsync() is not { } answer)
            return null;
        Assert.All(NeverSaid, word => Assert.DoesNotContain(word, answer.Body, StringComparison.Ordinal));
        if (answer.Status == 503)
        {
            Assert.True(answer.RetryAfter, $"{Name}: 503 without Retry-After {answer.Body}");
            DemandWords(answer.Body);
        }
        else
            Assert.True(answer.Status < 300, $"{Name}: {answer.Status} {answer.Body}");
        return answer;
    }
}

/// <summary>A client at every surface, and what it was told while the store could not be written. What was acknowledged to it must be there afterwards.</summary>
internal sealed class Surfaces : IAsyncDisposable
{
    /// <summary>Access tokens to revoke: on a full disk the room that the log has already is used up first.</summary>
    private const int Revocable = 300;

    private readonly Peer _peer;
    private readonly bool _crashes;
    private readonly string _keys;
    private readonly string _provisioning;
    private readonly string _reading;
    private readonly ConcurrentQueue<string> _access = new();
    private readonly ConcurrentQueue<string> _codes = new();
    private readonly ConcurrentQueue<string> _revoked = new();
    private readonly ConcurrentQueue<string> _users = new();
    private readonly KmIdentity _identity = new(KmIdentityKind.User, $"sip:{Guid.NewGuid():N}@val.example");
    private string _refresh;
    private string _last = "";
    private int _asked;
    private int _acknowledged;

    private Surfaces(Peer peer, bool crashes, string keys, string refresh, string provisioning, string reading)
    {
        (_peer, _crashes, _keys, _refresh, _provisioning, _reading) = (peer, crashes, keys, refresh, provisioning, reading);
        All =
        [
            new("refresh", true, RefreshAsync, OAuth), new("revoke", true, RevokeAsync, OAuth), new("keys", true, AskForKeysAsync, KeyResponse),
            new("admin", true, CreateUserAsync, Problem), new("sign-in", true, SignInAsync, Page), new("record", true, PutRecordAsync, Problem),
            new("code", false, RedeemAsync, OAuth), new("introspect", false, IntrospectAsync, OAuth), new("key info", false, ReadRecordAsync, Problem),
        ];
    }

    /// <summary>Each of them. Those that write are asked by <see cref="AllRefuseAsync"/> too.</summary>
    public IReadOnlyList<Surface> All { get; }

    /// <param name="folder">Of the server.</param>
    /// <param name="revocable">Access tokens that are there to be revoked from the beginning; each refresh gives one more.</param>
    /// <param name="crashes">The database will crash and forget which key requests were accepted: what may have been among them is refused for some seconds, and that is right.</param>
    public static async Task<Surfaces> OpenAsync(TempFolder folder, int revocable = Revocable, bool crashes = false)
    {
        var peer = new Peer(folder);
        var tokens = await peer.Client.SignInAsync();
        var surfaces = new Surfaces(peer, crashes, (string)tokens["access_token"]!, (string)tokens["refresh_token"]!,
            await ValServer.TokenAsync(peer, "seal:key_provisioning"), await ValServer.TokenAsync(peer, "seal:key_management"));
        for (var more = await peer.Client.SignInAsync(); surfaces._access.Count < revocable; more = await peer.Client.TokenAsync(new() { ["grant_type"] = "refresh_token", ["refresh_token"] = (string)more["refresh_token"]! }))
            surfaces._access.Enqueue((string)more["access_token"]!);
        return surfaces;
    }

    public ValueTask DisposeAsync()
    {
        _peer.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Asks every surface that writes until it has answered 503 twice (what was cached or could be queued may go through before).</summary>
    public async Task AllRefuseAsync(TimeSpan within)
    {
        var longest = await Task.WhenAll(All.Where(s => s.Writes).Select(s => UntilRefusedAsync(s, within)));
        FaultSettings.Say($"the slowest answer came after {longest.Max().TotalSeconds:0.0} s");
    }

    /// <summary>Until everything works again, what waits for the audit to be written behind the rest too; the same refresh token or its successor is still good, and nothing that was acknowledged is lost.</summary>
    public async Task WorkAgainAsync(TimeSpan within)
    {
        var since = TimeProvider.System.GetTimestamp();
        foreach (var ask in (Func<Task<Answered?>>[])[RefreshAsync, CreateUserAsync, SignInAsync, PutRecordAsync, AskForKeysAsync, ReadRecordAsync])
            while (await ask() is { Status: >= 500 })
            {
                Assert.True(TimeProvider.System.GetElapsedTime(since) < within, "it does not work again");
                await Task.Delay(50);
            }
        FaultSettings.Say($"everything works again after {TimeProvider.System.GetElapsedTime(since).TotalSeconds:0.0} s");
        await NothingIsLostAsync();
    }

    /// <summary>Every revocation and every user that was acknowledged is there, and the key that was acknowledged last is given out.</summary>
    public async Task NothingIsLostAsync()
    {
        foreach (var token in _revoked)
            Assert.False(await _peer.Client.IsActiveAsync(token), "a revoked token is active");
        foreach (var user in _users)
            Assert.Equal(200, (await _peer.AdminAsync(HttpMethod.Get, "/users/" + user)).Status);
        if (_acknowledged == 0)
            return;
        // One that was answered 503 may be there all the same.
        var given = (await ReadRecordAsync())!;
        Assert.True(given.Status == 200, $"key info: {given.Status} {given.Body}");
        var key = (string?)JsonNode.Parse(given.Body)!["keyInfo"];
        Assert.Contains(key, Enumerable.Range(_acknowledged, _asked - _acknowledged + 1).Select(n => System.Buffers.Text.Base64Url.EncodeToString(System.Text.Encoding.UTF8.GetBytes(PayloadOf(n)))));
    }

    private static string PayloadOf(int number) => FormattableString.Invariant($"key {number}");

    private async Task<Answered?> RefreshAsync()
    {
        var answer = await PostAsync("/token", new() { ["grant_type"] = "refresh_token", ["refresh_token"] = _refresh });
        if (answer.Status == 200)
        {
            var tokens = JsonNode.Parse(answer.Body)!;
            _refresh = (string)tokens["refresh_token"]!;
            _access.Enqueue((string)tokens["access_token"]!);
        }
        return answer;
    }

    /// <summary>An access token that is good each time, so that each time there is something to write.</summary>
    private async Task<Answered?> RevokeAsync()
    {
        if (_access.TryDequeue(out var next))
            _last = next;
        var token = _last;
        if (token.Length == 0)
            return null;
        var answer = await PostAsync("/revoke", new() { ["token"] = token });
        if (answer.Status == 200 && (next is not null || !_revoked.Contains(token)))
            _revoked.Enqueue(token);
        return answer;
    }

    private async Task<Answered?> AskForKeysAsync()
    {
        var answer = await ReadAsync(_peer.Client.AnswerKeyRequestAsync(_keys, _peer.Client.KeyRequest()));
        return _crashes && answer.Status == 403 ? null : answer;
    }

    private async Task<Answered?> CreateUserAsync()
    {
        var answer = await ReadAsync(_peer.AnswerAdminAsync(HttpMethod.Post, "/users", new() { ["username"] = "u" + Guid.NewGuid().ToString("N") }));
        if (answer.Status == 201)
            _users.Enqueue((string)JsonNode.Parse(answer.Body)!["subject"]!);
        return answer;
    }

    private async Task<Answered?> SignInAsync()
    {
        try
        {
            var code = await _peer.Client.CodeAsync();
            // A code that waited for a minute would be refused for that.
            if (_codes.Count < 5)
                _codes.Enqueue(code);
            return new(200, "", false);
        }
        catch (UnexpectedPageException page)
        {
            return new(page.Status, page.Html, page.HasRetryAfter);
        }
    }

    /// <summary>A VAL server provisions the next key of its user.</summary>
    private async Task<Answered?> PutRecordAsync()
    {
        var number = ++_asked;
        var answer = await SendAsync(HttpMethod.Put, $"/seal/km/v1/services/{ValServer.Service}/records/{KeyRecordName.Of(_identity)}", _provisioning, new() { ["payload"] = PayloadOf(number) });
        if (answer.Status is 200 or 201)
            _acknowledged = number;
        return answer;
    }

    /// <summary>Once: whether one that was answered 503 was redeemed nobody knows.</summary>
    private async Task<Answered?> RedeemAsync()
    {
        if (!_codes.TryDequeue(out var code))
            return null;
        return await ReadAsync(_peer.Client.AnswerRedemptionAsync(code));
    }

    private async Task<Answered?> IntrospectAsync()
    {
        var answer = await PostAsync("/introspect", new() { ["token"] = _keys });
        Assert.True(answer.Status != 200 || (bool)JsonNode.Parse(answer.Body)!["active"]!, "a good token is called inactive");
        return answer;
    }

    private async Task<Answered?> ReadRecordAsync() => _acknowledged == 0 ? null
        : await SendAsync(HttpMethod.Get, $"/ss-kir/v1/key-records?val-service-id={ValServer.Service}&valUserId={Uri.EscapeDataString(_identity.Value)}", _reading, null);

    private async Task<Answered> PostAsync(string path, Dictionary<string, string> form) => await ReadAsync(_peer.Client.SendFormAsync(path, form));

    private async Task<Answered> SendAsync(HttpMethod method, string path, string token, JsonObject? body)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new("Bearer", token);
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), null, "application/json");
        return await ReadAsync(_peer.Client.Http.SendAsync(request));
    }

    private static async Task<Answered> ReadAsync(Task<HttpResponseMessage> asked)
    {
        using var response = await asked;
        return new((int)response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers.RetryAfter is not null);
    }

    private static async Task<TimeSpan> UntilRefusedAsync(Surface surface, TimeSpan within)
    {
        var since = TimeProvider.System.GetTimestamp();
        var longest = TimeSpan.Zero;
        for (var refused = 0; refused < 2;)
        {
            var asked = TimeProvider.System.GetTimestamp();
            var answer = await surface.AskOnceAsync();
            longest = TimeSpan.FromTicks(Math.Max(longest.Ticks, TimeProvider.System.GetElapsedTime(asked).Ticks));
            refused += answer?.Status == 503 ? 1 : 0;
            Assert.True(refused > 0 || TimeProvider.System.GetElapsedTime(since) < within, surface.Name + " was never refused");
        }
        return longest;
    }

    private static void OAuth(string body) => Assert.Equal("temporarily_unavailable", (string?)JsonNode.Parse(body)!["error"]);

    private static void KeyResponse(string body) => Assert.Equal("01", (string?)JsonNode.Parse(body)!["errorCode"]);

    private static void Problem(string body) => Assert.Equal(503, (int)JsonNode.Parse(body)!["status"]!);

    private static void Page(string body) => Assert.Contains("<html", body, StringComparison.Ordinal);
}
