using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Guides;

/// <summary>The walk-through of docs/guides/seal.md, pasted into a shell block by block as its readers do, beside a server of the demo.</summary>
public sealed class SealGuideTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Proves("TS 33.434", "5.2.5")]
    [Proves("TS 33.434", "5.3.2")]
    public async Task Every_command_of_the_walk_through_works_when_pasted()
    {
        PastedGuide.Demand();
        await using var server = await _folder.StartDemoAsync();
        await using var valServer = await StartValServerAsync();
        var guide = new PastedGuide("seal.md");

        var output = await PastedGuide.PasteAsync(_folder,
        [
            .. guide.Blocks("## The whole flow in one script"),
            .. guide.Blocks("## 9 For VAL servers: own token, and checking of tokens"),
            .. guide.Blocks("### Signed requests and encrypted payloads"),
            .. guide.Blocks("## For VAL servers: key provisioning"),
            .. guide.Blocks("## For VAL servers: the APIs of TS 29.549"),
            .. guide.Blocks("## 7 Refresh"),
            .. guide.Blocks("## 8 Revoke"),
        ], $"PUMPS={valServer.Address}/pumps");

        string[] said =
        [
            "arrived at http://127.0.0.1:8400/callback?code=", "\"payload\":\"", "signature holds: ES256", "sip:alice@val.example sees pump 1, which runs",
            "\"val_service_ids\":[\"fleet-tracking\",\"pump-control\"]", "\"keyInfo\":\"", "\"result\":\"added\"", "\"result\":\"unchanged\"", "\"result\":\"removed\"", "\"result\":\"recovered\"", "\"idList\":[{\"valUserId\":\"sip:dora@val.example\"}]", "\n204\n", "\"profileInformation\":", "\n200\n",
        ];
        Assert.All(said, s => Assert.Contains(s, output, StringComparison.Ordinal));
        Assert.All((string[])[.. PastedGuide.Mistakes, "\"error\"", "\"status\":4"], s => Assert.DoesNotContain(s, output, StringComparison.Ordinal));
        // What was written is secret, and lies elsewhere than in the clone.
        Assert.Equal(["data", "keyreeve"], Directory.GetFileSystemEntries(_folder.Root).Select(Path.GetFileName).Where(n => !n!.StartsWith("tmp.", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    private async Task<Samples.SampleProgram> StartValServerAsync()
    {
        var program = new Samples.SampleProgram("ValServer", [], "--issuer", (string)_folder.Demo["issuer"]!, "--ca", _folder.File("ca.pem"), "--urls", "http://127.0.0.1:0");
        await program.ListeningAsync();
        return program;
    }
}
