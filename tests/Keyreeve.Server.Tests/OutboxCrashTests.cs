using System.Buffers.Text;
using System.Text.Json.Nodes;
using Keyreeve.Server.Tests.Cli;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests;

/// <summary>What becomes of a message when the program dies in the worst moment.</summary>
public sealed class OutboxCrashTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    public async Task Killed_between_the_delivery_and_its_answer_it_delivers_again_under_the_same_identifier_and_in_order(string engine)
    {
        var environment = await StoreFolder.EnvironmentOfAsync(engine);
        await using var peer = new ScriptedPeer();
        var anchors = _folder.Root + "/anchors.pem";
        await File.WriteAllTextAsync(anchors, peer.Certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
        string[] settings =
        [
            "--demo", "--set", "Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "--set", "Outbound:TrustAnchors=" + anchors,
            "--set", "Events:Receivers:fleet:Url=" + peer.Address(), "--set", "Issuer=https://localhost:4711",
        ];
        // It has read the message and does not get to say so.
        peer.Script = (_, _, cancel) => Task.Delay(Timeout.Infinite, cancel);
        string first;
        await using (var process = await _folder.StartAsync(environment, settings))
        {
            using var client = new ProgramClient(_folder);
            var (one, two) = ((string)(await client.SignInAsync())["access_token"]!, (string)(await client.SignInAsync())["access_token"]!);
            await client.RevokeAsync(one);
            first = IdOf(await peer.NextAsync());
            await client.RevokeAsync(two);
            await process.SignalAsync("KILL");
            await process.ExitAsync();
        }
        peer.Always("202 Accepted");
        while (peer.Requests.Reader.TryRead(out _))
        {
            // what it may have been sent before the end
        }
        await using (var again = await _folder.StartAsync(environment, settings))
        {
            Assert.Equal(first, IdOf(await peer.NextAsync()));
            Assert.NotEqual(first, IdOf(await peer.NextAsync()));
            await again.SignalAsync("TERM");
            Assert.Equal(0, await again.ExitAsync());
        }
        Assert.False(peer.Requests.Reader.TryRead(out _));
    }

    private static string IdOf(PeerRequest request) => (string)JsonNode.Parse(Base64Url.DecodeFromChars(request.Text.Split('.')[1]))!["jti"]!;
}
