using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>A client that gets tokens and gives them back: revoked stays revoked.</summary>
internal sealed class RevokeWork : Work
{
    private readonly List<string> _revoked = [];

    public override string Kind => "revoke";

    public override async Task PrepareAsync(Peer peer) => await peer.Client.SignInAsync();

    public override async Task StepAsync(Peer peer, Action sent)
    {
        var token = (string)(await peer.Client.SignInAsync())["access_token"]!;
        sent();
        await peer.Client.RevokeAsync(token);
        _revoked.Add(token);
    }

    public override async Task CheckAsync(Peer peer)
    {
        foreach (var token in _revoked.TakeLast(5))
            Assert.False(await peer.Client.IsActiveAsync(token), "a revoked token is active again");
    }
}
