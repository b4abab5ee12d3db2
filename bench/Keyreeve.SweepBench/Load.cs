using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Keyreeve.Bench.Sides;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Bench.Sweeping;

/// <summary>
/// Token requests at a fixed rate, a third each by client credentials, refresh token and code. A request's time counts from the
/// moment it was to be sent: when the server stands still, the requests that could not be sent count too.
/// </summary>
internal sealed class Load(MeasuredProcess server, JsonElement demo, ConcurrentQueue<RefreshToken> families, ConcurrentQueue<OpaqueToken> codes, int perSecond)
{
    private const string Verifier = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG";

    public static readonly string Challenge = PkceChallenge.Of(Verifier).Value;

    private ConcurrentBag<double> _times = [];
    private int _failed;

    /// <summary>Answers other than 200.</summary>
    public int Failed => Volatile.Read(ref _failed);

    public async Task RunAsync(CancellationToken stop)
    {
        var watch = Stopwatch.StartNew();
        var running = new ConcurrentDictionary<Task, bool>();
        for (var i = 0L; !stop.IsCancellationRequested; i++)
        {
            var due = TimeSpan.FromSeconds((double)i / perSecond);
            if (due > watch.Elapsed)
                await Task.Delay(due - watch.Elapsed, CancellationToken.None);
            var request = OneAsync(i, watch, due);
            running[request] = true;
            _ = request.ContinueWith(ended => running.TryRemove(ended, out _), TaskScheduler.Default);
        }
        await Task.WhenAll(running.Keys);
    }

    /// <summary>Median, 99th percentile and number of the requests since the last call, in milliseconds.</summary>
    public (double P50, double P99, double Most, int Count) Take()
    {
        var times = Interlocked.Exchange(ref _times, []).Order().ToArray();
        return times.Length == 0 ? default : (times[times.Length / 2], times[(int)(times.Length * 0.99)], times[^1], times.Length);
    }

    private async Task OneAsync(long i, Stopwatch watch, TimeSpan due)
    {
        try
        {
            Task asked = (i % 3) switch
            {
                0 => AskAsync("machine-client", new() { ["grant_type"] = "client_credentials", ["scope"] = "val:fleet-tracking" }),
                1 => RefreshAsync(),
                _ => RedeemAsync(),
            };
            await asked;
        }
        catch (HttpRequestException)
        {
            Interlocked.Increment(ref _failed);
        }
        _times.Add((watch.Elapsed - due).TotalMilliseconds);
    }

    private async Task RefreshAsync()
    {
        if (!families.TryDequeue(out var token))
            return;
        var answer = await AskAsync("seal-client", new() { ["grant_type"] = "refresh_token", ["refresh_token"] = token.Reveal() });
        if (answer is { } json && RefreshToken.TryRead(json.GetProperty("refresh_token").GetString()!, out var next))
            families.Enqueue(next);
    }

    private async Task RedeemAsync()
    {
        if (codes.TryDequeue(out var code))
            await AskAsync("seal-client", new()
            {
                ["grant_type"] = "authorization_code",
                ["code"] = code.Reveal(),
                ["client_id"] = "seal-client",
                ["redirect_uri"] = "http://127.0.0.1:8400/callback",
                ["code_verifier"] = Verifier,
            });
    }

    private async Task<JsonElement?> AskAsync(string clientId, Dictionary<string, string> form)
    {
        var secret = demo.GetProperty("clients").EnumerateArray().First(c => c.GetProperty("clientId").GetString() == clientId).GetProperty("clientSecret").GetString()!;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/token") { Content = new FormUrlEncodedContent(form) };
        request.Headers.Authorization = AuthenticationHeaderValue.Parse(BasicCredentials.Write(clientId, secret));
        using var response = await server.Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        if (response.StatusCode == HttpStatusCode.OK)
            return JsonSerializer.Deserialize<JsonElement>(text);
        if (Interlocked.Increment(ref _failed) < 5)
            Console.Error.WriteLine($"{form["grant_type"]}: {(int)response.StatusCode} {text}");
        return null;
    }
}
