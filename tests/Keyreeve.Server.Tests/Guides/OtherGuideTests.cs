using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Guides;

/// <summary>The blocks of the other guides, pasted in their order beside a server of the demo.</summary>
public sealed class OtherGuideTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_blocks_of_clients_md_work_when_pasted()
    {
        PastedGuide.Demand();
        await using var server = await _folder.StartDemoAsync();
        var guide = new PastedGuide("clients.md");
        // Its walk-through has a server of its own.
        var output = await PastedGuide.PasteAsync(_folder, guide.Blocks().Except(guide.Blocks("## Walk-through")));
        Saying(output, "added client my-client", "added client my-signer", "changed client my-signer", "added client val-0", "issued certificate ", "added client shop-app");
    }

    [Fact]
    public async Task The_walk_through_of_clients_md_works_when_pasted()
    {
        PastedGuide.Demand();
        var blocks = new PastedGuide("clients.md").Blocks("## Walk-through").ToList();
        Assert.Equal(2, blocks.Count);
        // The other terminal: what the first block prints, with ports of our own.
        var first = await PastedGuide.PasteAsync(_folder, [blocks[0], "pwd"]);
        var work = first.Trim().Split('\n')[^1];
        Assert.Contains($"KEYREEVE__Clients__TrustAnchors={work}/clients-ca.pem {_folder.Root}/keyreeve serve --demo --data {work}/data", first, StringComparison.Ordinal);
        await using var server = KeyreeveProcess.Start(["serve", "--demo", "--data", work + "/data", .. TempFolder.FreePorts], new Dictionary<string, string> { ["KEYREEVE__Clients__TrustAnchors"] = work + "/clients-ca.pem" });
        await server.ReadyAsync();
        var output = await PastedGuide.PasteAsync(_folder, blocks.Skip(1), $"CLONE=$PWD; cd {work}");
        Saying(output, "added client val-1", "\"x5t#S256\"", "\"error\":\"invalid_client\"", " 401", "val:pump-control", "added client robot");
    }

    [Fact]
    public async Task The_blocks_of_seal_s_md_work_when_pasted()
    {
        PastedGuide.Demand();
        await using var server = await _folder.StartDemoAsync();
        var output = await PastedGuide.PasteAsync(_folder, new PastedGuide("seal-s.md").Blocks());
        Saying(output, "added client pump-server", "issued certificate ", "\n[]\n", "added client lm-server", "added the key record of pump-control group-7");
    }

    [Fact]
    public async Task The_blocks_of_authorization_requests_md_work_when_pasted()
    {
        PastedGuide.Demand();
        await using var server = await _folder.StartDemoAsync();
        var output = await PastedGuide.PasteAsync(_folder, new PastedGuide("authorization-requests.md").Blocks());
        Saying(output, "\"request_uri\":\"urn:ietf:params:oauth:request_uri:", "\"scope\":\"val:pump-control\"", "changed client seal-client");
        Assert.DoesNotContain("\"error\"", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_blocks_of_tokens_md_work_when_pasted()
    {
        PastedGuide.Demand();
        await using var server = await _folder.StartDemoAsync();
        var script = new PastedGuide("seal.md").Blocks("## The whole flow in one script")
            .Select(b => b.Replace("scope=openid%20val:pump-control%20seal:key_management", "scope=openid%20val:pump-control%20val:fleet-tracking", StringComparison.Ordinal))
            // Its key request needs the scope that was left out.
            .Select(b => b.IndexOf("# --- 5.", StringComparison.Ordinal) is var end and > 0 ? b[..end] : b).Take(1);
        var output = await PastedGuide.PasteAsync(_folder, script.Concat(new PastedGuide("tokens.md").Blocks()));
        Saying(output, "\"act\"", "\"error\":\"invalid_scope\"", "added issuer https://sim.partner.example", "\"error\":\"invalid_grant\"", "added client visitor",
            "added issuer https://sim.primary.example", "encrypted: ECDH-ES+A256KW", "{\"active\":true,\"scope\":\"val:pump-control\"}");
    }

    private static void Saying(string output, params string[] said)
    {
        Assert.All(said, s => Assert.Contains(s, output, StringComparison.Ordinal));
        Assert.All(PastedGuide.Mistakes, s => Assert.DoesNotContain(s, output, StringComparison.Ordinal));
    }
}
