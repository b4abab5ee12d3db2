using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Cli;

/// <summary>keyreeve admin key import, as a process that is killed, against a server that is killed: every acknowledged line is there, once, and the next run goes on.</summary>
public sealed class KeyImportTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly TempFolder _folder = new();

    private string Lines => Path.Combine(_folder.Root, "keys.ndjson");

    private string StateFile => Lines + ".import";

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Each_line_is_added_or_told_of_and_a_dry_run_needs_no_server()
    {
        await File.WriteAllTextAsync(Lines, """
            {"serviceId":"s","userId":"a","payload":"A"}
            {"serviceId":"s","userId":"a","clientId":"b","payload":"A"}

            {"serviceId":"s","userId":"LONG","payload":"A"}
            {"serviceId":"s","payload":"last line, without an end"}
            """.Replace("LONG", new string('u', 450_000), StringComparison.Ordinal), None);
        string[] import = ["admin", "key", "import", Lines, "--data", _folder.Data];
        var (code, output) = await KeyreeveProcess.RunAsync([.. import, "--dry-run"]);
        Assert.True(code == 1 && output.Contains("2 refused, 1 empty", StringComparison.Ordinal) && output.Contains("line 2: userId: at most one of", StringComparison.Ordinal) && output.Contains("line 4: is longer", StringComparison.Ordinal), output);
        Assert.False(File.Exists(StateFile) || File.Exists(Lines + ".refused"));

        await using var server = await StartAsync();
        (code, output) = await KeyreeveProcess.RunAsync(import);
        Assert.True(code == 1 && output.Contains("2 added, 0 changed, 0 there already, 2 refused, 1 empty", StringComparison.Ordinal), output);
        var report = (await File.ReadAllLinesAsync(Lines + ".refused", None)).Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal([2L, 4L], report.Select(r => (long)r["line"]!));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Lines + ".refused"));
        Assert.False(File.Exists(StateFile));
        // What the server says of a member names it once.
        await File.WriteAllTextAsync(Lines + "2", """
            {"serviceId":"s","userId":"over","payload":"A","expiresAt":"2001-01-01T00:00:00Z"}
            {"serviceId":"unknown","userId":"a","payload":"A"}
            """, None);
        (code, output) = await KeyreeveProcess.RunAsync("admin", "key", "import", Lines + "2", "--data", _folder.Data);
        Assert.True(code == 1 && output.Contains("line 1: expiresAt is after activatesAt\n", StringComparison.Ordinal)
            && output.Contains("line 2: serviceId: there is no VAL service unknown; registered are ", StringComparison.Ordinal), output);

        (code, output) = await KeyreeveProcess.RunAsync(import);
        Assert.True(code == 1 && output.Contains("5 lines imported: 0 added, 0 changed, 2 there already, 2 refused, 1 empty", StringComparison.Ordinal), output);
    }

    [Fact]
    public async Task Of_a_record_in_several_batches_the_last_line_is_what_is_given_out()
    {
        // The record stands at the end of one batch and at the beginning of the next, several times.
        string Line(int i) => i % 4000 is 3999 or 0
            ? $$"""{"serviceId":"s","userId":"often","payload":"P{{i}}"}"""
            : $$"""{"userId":"u{{i}}","payload":"P","serviceId":"s"}""";
        await File.WriteAllLinesAsync(Lines, Enumerable.Range(0, 24_001).Select(Line), None);
        await using var server = await StartAsync();
        var (code, output) = await KeyreeveProcess.RunAsync(["admin", "key", "import", Lines, "--data", _folder.Data]);
        Assert.True(code == 0 && output.Contains("24001 lines imported: 23989 added, 12 changed, 0 there already", StringComparison.Ordinal), output);
        await File.WriteAllTextAsync(Lines, Line(24_000), None);
        (code, output) = await KeyreeveProcess.RunAsync(["admin", "key", "import", Lines, "--data", _folder.Data]);
        Assert.True(code == 0 && output.Contains("0 changed, 1 there already", StringComparison.Ordinal), output);
    }

    [Fact]
    public Task What_was_acknowledged_is_there_when_the_server_is_killed_in_the_middle_and_the_next_run_goes_on() => KilledAsync(null);

    [Fact]
    public async Task What_was_acknowledged_is_there_when_a_server_on_PostgreSQL_is_killed_in_the_middle_and_the_next_run_goes_on() =>
        await KilledAsync(new Dictionary<string, string> { ["KEYREEVE__Storage__Connection"] = await (await TestPostgres.SharedAsync()).NewDatabaseAsync() });

    private async Task KilledAsync(Dictionary<string, string>? environment)
    {
        const int records = 20_000;
        await WriteAsync(records);
        string[] import = ["admin", "key", "import", Lines, "--data", _folder.Data];
        await using (var server = await StartAsync(environment))
        {
            await using var running = KeyreeveProcess.Start(import);
            await UntilAsync(() => Done() > 0);
            server.KillNow();
            Assert.Equal(1, await running.ExitAsync(Patience));
            Assert.Contains("run it again", running.Output, StringComparison.Ordinal);
        }
        var acknowledged = Done();
        Assert.InRange(acknowledged, 1, records - 1);

        await using (await _folder.StartAsync(environment, "--demo"))
        {
            var there = await ListAsync();
            Assert.True(there.Count >= acknowledged && Enumerable.Range(0, acknowledged).All(i => there.ContainsKey(Name(i))), $"{there.Count} of {acknowledged} that were acknowledged");
            // The command itself dies too, and the file grows meanwhile: what was acknowledged of it is the same.
            await using (var dying = KeyreeveProcess.Start(import))
            {
                await UntilAsync(() => Done() > acknowledged || !File.Exists(StateFile));
                dying.KillNow();
                await dying.ExitAsync(Patience);
            }
            await File.AppendAllTextAsync(Lines, Line(records) + "\n", None);
            var before = Done();
            var (code, output) = await KeyreeveProcess.RunAsync([.. import, "--json"]);
            Assert.True(code == 0, output);
            var counts = JsonNode.Parse(output)!;
            Assert.Equal((records + 1L, 0L, 0L), ((long)counts["lines"]!, (long)counts["changed"]!, (long)counts["refused"]!));
            there = await ListAsync();
            Assert.Equal(records + 1, there.Count);
            Assert.All(there.Values, version => Assert.Equal(1, version));
            Assert.False(File.Exists(StateFile), $"the state of {before} lines is left");
        }
    }

    [Fact]
    public async Task A_file_that_is_another_one_is_begun_anew()
    {
        await WriteAsync(10);
        await File.WriteAllTextAsync(StateFile, """{"server":"localhost:1","octets":5,"sha256":"x","reportOctets":0,"counts":{"lines":3,"added":3,"changed":0,"unchanged":0,"refused":0,"empty":0}}""", None);
        await using var server = await StartAsync();
        var (code, output) = await KeyreeveProcess.RunAsync("admin", "key", "import", Lines, "--data", _folder.Data);
        Assert.True(code == 0 && output.Contains("10 lines imported: 10 added", StringComparison.Ordinal), output);
    }

    /// <summary>A server with the VAL services that the lines name.</summary>
    private async Task<KeyreeveProcess> StartAsync(Dictionary<string, string>? environment = null)
    {
        var server = await _folder.StartAsync(environment, "--demo");
        using var http = _folder.Operator();
        foreach (var service in (string[])["s", "import"])
        {
            using var made = await http.PostAsync("services", new StringContent($$"""{"serviceId":"{{service}}","name":"S","audience":"https://s.example"}""", System.Text.Encoding.UTF8, "application/json"), None);
            Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(None));
        }
        return server;
    }

    private int Done()
    {
        try
        {
            return File.Exists(StateFile) ? (int)JsonNode.Parse(File.ReadAllText(StateFile))!["counts"]!["lines"]! : 0;
        }
        catch (Exception e) when (e is IOException)
        {
            return 0; // replaced as it was opened
        }
    }

    private static string Name(int i) => "user-" + i.ToString("000000", CultureInfo.InvariantCulture);

    private static string Line(int i) => $"{{\"serviceId\":\"import\",\"userId\":\"{Name(i)}\",\"payload\":\"key of {Name(i)}\"}}";

    private Task WriteAsync(int records) => File.WriteAllLinesAsync(Lines, Enumerable.Range(0, records).Select(Line), None);

    /// <summary>Every record of the service with its row version.</summary>
    private async Task<Dictionary<string, long>> ListAsync()
    {
        var found = new Dictionary<string, long>(StringComparer.Ordinal);
        using var http = _folder.Operator();
        for (string? next = ""; next is not null;)
        {
            var page = JsonNode.Parse(await http.GetStringAsync("key-records?serviceId=import&limit=1000" + (next.Length == 0 ? "" : "&after=" + next), None))!;
            foreach (var item in page["items"]!.AsArray())
                found.Add((string)item!["userId"]!, (long)item["version"]!);
            next = (string?)page["next"];
        }
        return found;
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (var waited = Stopwatch.StartNew(); !holds() && waited.Elapsed < Patience;)
            await Task.Delay(5, None);
    }
}
