using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>A client that does nothing but refresh.</summary>
internal sealed class RefreshWork(Random random) : Work
{
    private string? _current;
    private string? _replaced;

    public override string Kind => "refresh";

    public override async Task PrepareAsync(Peer peer) => _current ??= (string)(await peer.Client.SignInAsync())["refresh_token"]!;

    public override async Task StepAsync(Peer peer, Action sent)
    {
        sent();
        var next = (string)(await peer.Client.RefreshAsync(_current!))["refresh_token"]!;
        (_replaced, _current) = (_current, next);
    }

    /// <summary>
    /// The last acknowledged token refreshes, whether or not it was rotated as the server died, and gives one successor however often
    /// it is asked. The one before it is two generations old by now: no second line grows from it, and trying ends the first.
    /// </summary>
    public override async Task CheckAsync(Peer peer)
    {
        if (_current is null)
            return;
        var successor = (string)(await peer.Client.RefreshAsync(_current))["refresh_token"]!;
        Assert.Equal(successor, (string)(await peer.Client.RefreshAsync(_current))["refresh_token"]!);
        if (_replaced is not null && random.Next(2) == 0)
        {
            await RefusedAsync(peer, _replaced);
            await RefusedAsync(peer, successor);
            (_replaced, _current) = (null, null);
            return;
        }
        (_replaced, _current) = (_current, successor);
    }

    private static async Task RefusedAsync(Peer peer, string token)
    {
        var (status, body) = await peer.Client.PostAsync("/token", new() { ["grant_type"] = "refresh_token", ["refresh_token"] = token });
        Assert.True(status == HttpStatusCode.BadRequest && (string)JsonNode.Parse(body)!["error"]! == "invalid_grant", $"{status}: {body}");
    }
}
