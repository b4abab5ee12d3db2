using System.Net;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>A VAL client that asks for its keys. A request is good once, also across a restart.</summary>
internal sealed class KeyWork : Work
{
    private readonly List<string> _accepted = [];
    private string? _token;
    private bool _open;

    public override string Kind => "keys";

    public override async Task PrepareAsync(Peer peer)
    {
        _token ??= (string)(await peer.Client.SignInAsync())["access_token"]!;
        _open = false;
    }

    public override async Task StepAsync(Peer peer, Action sent)
    {
        if (_open)
            sent();
        // Dated ahead as far as the window allows: the longer it would pass after the restart.
        var request = peer.Client.KeyRequest(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + (_open ? 1 : 0));
        var (status, body) = await peer.Client.SendKeyRequestAsync(_token!, request);
        if (status == HttpStatusCode.OK)
        {
            _open = true;
            _accepted.Add(request);
            return;
        }
        // For a moment after a restart the server refuses what the life before it may have accepted.
        Assert.True(status == HttpStatusCode.Forbidden, $"{status}: {body}");
        await Task.Delay(100);
    }

    public override async Task CheckAsync(Peer peer)
    {
        foreach (var request in _accepted.TakeLast(8))
        {
            var (status, body) = await peer.Client.SendKeyRequestAsync(_token!, request);
            Assert.True(status == HttpStatusCode.Forbidden, $"{status}: {body}");
        }
        _accepted.Clear();
    }
}
