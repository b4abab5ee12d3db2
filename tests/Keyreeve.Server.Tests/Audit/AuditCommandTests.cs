using Keyreeve.Server.Tests.Cli;
using Keyreeve.Testing;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Keyreeve.Server.Tests.Audit;

/// <summary>keyreeve audit: reads only, and finds whoever wrote.</summary>
public sealed class AuditCommandTests : IDisposable
{
    private const string End = "DELETE FROM audit WHERE node = 'node-1' AND seq > 3; UPDATE audit_heads SET seq = 3, hash = (SELECT hash FROM audit WHERE node = 'node-1' AND seq = 3) WHERE node = 'node-1'";

    private readonly TempFolder _folder = new();
    private IReadOnlyDictionary<string, string> _environment = new Dictionary<string, string>();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Verifying_changes_no_file_of_a_stopped_folder()
    {
        await _folder.StartAndStopAsync("--demo");
        var before = Files();
        Assert.Equal(0, (await VerifyAsync()).Code);
        Assert.Equal(before, Files());
        Assert.DoesNotContain("keyreeve.db-wal", before.Keys);
    }

    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    public async Task Exports_and_heads_that_are_kept_elsewhere_are_held_against_a_store_that_was_changed(string engine)
    {
        _environment = await StoreFolder.EnvironmentOfAsync(engine);
        var export = Path.Combine(_folder.Root, "audit.ndjson");
        string head;
        await using (await _folder.StartAsync(_environment, "--demo"))
        {
            Assert.Equal(0, (await VerifyAsync()).Code);
            (var code, head) = await KeyreeveProcess.RunAsync(["audit", "head", "--data", _folder.Data], _environment);
            Assert.Equal(0, code);
            head = head.Trim();
            Assert.Matches("^node-1:[0-9]+:[0-9a-f]{64}$", head);
            var exported = await KeyreeveProcess.RunAsync("admin", "audit", "export", "--out", export, "--data", _folder.Data);
            Assert.True(exported.Code == 0, exported.Output);
            var listed = await KeyreeveProcess.RunAsync("admin", "audit", "list", "--kind", "ca.made", "--json", "--data", _folder.Data);
            Assert.Equal((0, true), (listed.Code, listed.Output.Contains("\"kind\": \"ca.made\"", StringComparison.Ordinal)));
        }
        var verified = await KeyreeveProcess.RunAsync("audit", "verify", "--export", export, "--expect", head);
        Assert.True(verified.Code == 0, verified.Output);
        Assert.Contains("1 heads that were written down", verified.Output, StringComparison.Ordinal);
        var text = await File.ReadAllTextAsync(export, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(export, text.Replace("ca.made", "ca.maid", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        var changed = await KeyreeveProcess.RunAsync("audit", "verify", "--export", export);
        Assert.Equal((1, true), (changed.Code, changed.Output.Contains("the line was changed", StringComparison.Ordinal)));

        Assert.Equal(0, (await VerifyAsync("--expect", head)).Code);
        Assert.Equal(2, (await VerifyAsync("--expect", "node-1:5")).Code);
        // The end cut off and the head put right: only who kept a head elsewhere knows.
        await SqlAsync(End);
        Assert.Equal(0, (await VerifyAsync()).Code);
        var cut = await VerifyAsync("--expect", head);
        Assert.Equal((1, true), (cut.Code, cut.Output.Contains("was cut off with the end of the chain, as it was kept elsewhere", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("SQLite", "DELETE FROM audit WHERE node = 'node-1'; DELETE FROM audit_heads WHERE node = 'node-1'")]
    [InlineData("SQLite", End)]
    [InlineData("PostgreSQL", End)]
    public async Task A_node_whose_lines_or_whose_end_were_taken_away_is_missed_by_the_other(string engine, string sql)
    {
        _environment = await StoreFolder.EnvironmentOfAsync(engine);
        await _folder.StartAndStopAsync(_environment, "--demo");
        await _folder.StartAndStopAsync(_environment, "--demo", "--set", "Node=node-2");
        var (code, output) = await VerifyAsync();
        Assert.True(code == 0, output);
        Assert.Contains("heads that were written down are in it", output, StringComparison.Ordinal);
        await SqlAsync(sql);
        (code, output) = await VerifyAsync();
        Assert.Equal(1, code);
        Assert.Matches("THE CHAIN IS BROKEN at node-1/[0-9]+: the line is missing, or was cut off with the end of the chain, as node-2/[0-9]+ has witnessed", output);
    }

    private Task<(int Code, string Output)> VerifyAsync(params string[] more) => KeyreeveProcess.RunAsync(["audit", "verify", "--data", _folder.Data, .. more], _environment);

    private Dictionary<string, string> Files() => Directory.GetFiles(_folder.Data).ToDictionary(f => Path.GetFileName(f), f => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f))));

    private async Task SqlAsync(string sql)
    {
        if (_environment.TryGetValue("KEYREEVE__Storage__Connection", out var connectionString))
        {
            await (await TestPostgres.SharedAsync()).RunAsync(TestPostgres.NameOf(connectionString), sql);
            return;
        }
        // The provider is bound by the store; opening one does it.
        await using (await Keyreeve.Storage.SqliteEngine.OpenAsync(Path.Combine(_folder.Root, "other.db"), TimeProvider.System, "test", TestContext.Current.CancellationToken))
        await using (var connection = new SqliteConnection($"Data Source={_folder.File("keyreeve.db")};Pooling=False"))
        {
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText = sql;
            Assert.NotEqual(0, await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken));
        }
    }
}
