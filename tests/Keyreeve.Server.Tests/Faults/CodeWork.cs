using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>A user who signs in over and over: codes issued, and most of them redeemed.</summary>
internal sealed class CodeWork(Random random) : Work
{
    /// <summary>A code lives 60 s; one older than this is not asked for after the restart.</summary>
    private static readonly TimeSpan SurelyAlive = TimeSpan.FromSeconds(30);

    private readonly List<(string Code, string RefreshToken)> _redeemed = [];
    private readonly List<(string Code, long Since)> _fresh = [];
    private string? _underWay;

    public override string Kind => "code";

    /// <summary>Consent and session, so that the steps are one request for a code and one for its tokens.</summary>
    public override async Task PrepareAsync(Peer peer) => await peer.Client.SignInAsync();

    public override async Task StepAsync(Peer peer, Action sent)
    {
        if (random.Next(3) == 0)
            sent();
        var since = TimeProvider.System.GetTimestamp();
        var code = await peer.Client.CodeAsync();
        if (random.Next(4) == 0)
        {
            _fresh.Add((code, since));
            return;
        }
        _underWay = code;
        sent();
        var (status, body) = await peer.Client.RedeemAsync(code);
        Assert.True(status == HttpStatusCode.OK, body);
        _redeemed.Add((code, (string)JsonNode.Parse(body)!["refresh_token"]!));
        _underWay = null;
    }

    public override async Task CheckAsync(Peer peer)
    {
        // Redeemed before: never a second set of tokens, and the replay ends what the first one led to.
        foreach (var (code, refreshToken) in _redeemed.TakeLast(3))
        {
            await RefusedAsync(peer, code);
            var (status, body) = await peer.Client.PostAsync("/token", new() { ["grant_type"] = "refresh_token", ["refresh_token"] = refreshToken });
            Assert.True(status == HttpStatusCode.BadRequest, body);
        }
        // Given out and not redeemed: still good, once.
        foreach (var (code, since) in _fresh.TakeLast(2))
        {
            var (status, body) = await peer.Client.RedeemAsync(code);
            Assert.True(status == HttpStatusCode.OK || TimeProvider.System.GetElapsedTime(since) > SurelyAlive, body);
            await RefusedAsync(peer, code);
        }
        // Nobody knows what became of this one; it is used now at the latest.
        if (_underWay is not null)
        {
            await peer.Client.RedeemAsync(_underWay);
            await RefusedAsync(peer, _underWay);
        }
        _redeemed.Clear();
        _fresh.Clear();
        _underWay = null;
    }

    private static async Task RefusedAsync(Peer peer, string code)
    {
        var (status, body) = await peer.Client.RedeemAsync(code);
        Assert.True(status == HttpStatusCode.BadRequest && (string)JsonNode.Parse(body)!["error"]! == "invalid_grant", $"{status}: {body}");
    }
}
