using System.Net;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>What is good once stays used over a restart, also when the audit was silent before.</summary>
public sealed class RestartTests
{
    /// <summary>How far the request is dated ahead: until it is over it would pass, if it were new.</summary>
    private const int Window = 5;

    private static readonly string[] Dated = ["--set", FormattableString.Invariant($"Seal:WindowSeconds={Window}")];

    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    public async Task A_key_request_accepted_after_a_quiet_time_and_just_before_the_kill_is_refused_after_it(string engine)
    {
        await using var server = await FaultServer.MakeAsync(engine);
        await server.StartAsync(Dated);
        string token, request;
        using (var peer = new Peer(server.Folder))
        {
            token = (string)(await peer.Client.SignInAsync())["access_token"]!;
            // Long enough that the last line of the audit tells nothing of what comes now.
            await Task.Delay(TimeSpan.FromSeconds(3), TestContext.Current.CancellationToken);
            request = peer.Client.KeyRequest(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + Window);
            Assert.Equal(HttpStatusCode.OK, (await peer.Client.SendKeyRequestAsync(token, request)).Status);
        }
        await server.KillAsync();
        await server.StartAsync(Dated);
        using var again = new Peer(server.Folder);
        for (var since = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(Window + 2); await Task.Delay(500, TestContext.Current.CancellationToken))
            Assert.Equal(HttpStatusCode.Forbidden, (await again.Client.SendKeyRequestAsync(token, request)).Status);
    }

    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    public async Task A_client_assertion_that_was_used_before_a_kill_is_refused_after_it(string engine)
    {
        await using var server = await FaultServer.MakeAsync(engine);
        await server.StartAsync();
        string assertion;
        AssertingClient client;
        using (var peer = new Peer(server.Folder))
        {
            client = await AssertingClient.RegisterAsync(peer, "machine-two");
            assertion = client.NewAssertion();
            Assert.Equal(HttpStatusCode.OK, (await client.PostAsync(peer, assertion)).Status);
        }
        await server.KillAsync();
        await server.StartAsync();
        using var again = new Peer(server.Folder);
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.PostAsync(again, assertion)).Status);
        Assert.Equal(HttpStatusCode.OK, (await client.PostAsync(again, client.NewAssertion())).Status);
        client.Dispose();
    }
}
