using System.Diagnostics;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Interop.Peers;

/// <summary>
/// A relying party in another process: node with openid-client. It makes the requests and checks the answers; the test only logs
/// the user in and passes the callback on.
/// </summary>
public sealed class RelyingParty : IAsyncDisposable
{
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(60);

    private readonly Process _node;
    private readonly Task<string> _errors;

    private RelyingParty(Process node) => (_node, _errors) = (node, node.StandardError.ReadToEndAsync());

    public static async Task<RelyingParty> StartAsync(OpenIdClientPackage package, TestServer server)
    {
        var start = new ProcessStartInfo(await package.NodeOrSkipAsync(), ["relying-party.mjs"])
        {
            WorkingDirectory = OpenIdClientPackage.Folder,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["NODE_EXTRA_CA_CERTS"] = server.Folder.CaPem;
        start.Environment["NODE_OPTIONS"] = OpenIdClientPackage.NodeOptions;
        return new(Process.Start(start)!);
    }

    /// <summary>The library's answer; the test fails when the library refuses.</summary>
    public async Task<JsonNode> AskAsync(string name, JsonObject? with = null)
    {
        var answer = await SendAsync(name, with);
        Assert.True(answer["failed"] is null, $"{name}: {answer["failed"]?.ToJsonString()}");
        return answer["ok"]!;
    }

    /// <summary>What the library says when it refuses; the test fails when it accepts.</summary>
    public async Task<JsonObject> RefusedAsync(string name, JsonObject? with = null)
    {
        var answer = await SendAsync(name, with);
        return answer["failed"]?.AsObject() ?? throw new Xunit.Sdk.XunitException($"{name} was accepted: {answer.ToJsonString()}");
    }

    public async ValueTask DisposeAsync()
    {
        _node.StandardInput.Close();
        using var clock = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            await _node.WaitForExitAsync(clock.Token);
        }
        catch (OperationCanceledException)
        {
            _node.Kill(entireProcessTree: true);
        }
        _node.Dispose();
    }

    private async Task<JsonObject> SendAsync(string name, JsonObject? with)
    {
        var line = with?.DeepClone().AsObject() ?? [];
        line["do"] = name;
        await _node.StandardInput.WriteLineAsync(line.ToJsonString());
        await _node.StandardInput.FlushAsync();
        var answer = await _node.StandardOutput.ReadLineAsync().WaitAsync(AnswerLimit);
        return answer is null ? throw new InvalidOperationException("the relying party ended: " + await _errors) : JsonNode.Parse(answer)!.AsObject();
    }
}
