using Keyreeve.Testing;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Keyreeve.Server.Tests;

/// <summary>The other verbs: tour, token decode, doctor, audit verify, help.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Proves("TS 33.434", "5.4")]
    [Proves("TS 33.434", "5.2.3")]
    [Proves("TS 33.434", "5.8")]
    public async Task The_tour_holds_and_leaves_nothing_behind()
    {
        var (code, output) = await KeyreeveProcess.RunAsync(["tour", "seal"], new Dictionary<string, string> { ["TMPDIR"] = _folder.Root });
        Assert.True(code == 0, output);
        Assert.Equal("All steps held.", output.Trim().Split('\n')[^1].Trim());
        foreach (var step in (string[])["5.2.4 step 1", "5.2.4 step 2", "5.2.4 step 3", "5.2.4 step 4", "5.2.4 step 5", "5.2.4 step 6", "5.2.5", "5.2.6", "5.3.1 step 1", "5.3.1 step 2", "5.3.1 step 3", "5.8 step 1", "5.8 step 2", "5.8 step 3", "A.5", "A.8", "5.2.3", "5.4"])
            Assert.Contains(step, output, StringComparison.Ordinal);
        foreach (var held in (string[])
            [
                "by SS_KeyInfoRetrieval: the same", "a VAL service of somebody else: refused", "the access token that named the service is ended at once", "profiles of sip:alice@val.example",
                "the serving system does not know the issuer: refused", "joint-server of the serving system accepts it", "the primary says that its token is not active: refused", "introspection in the serving system: not active",
            ])
            Assert.Contains("ok  " + held, output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(_folder.Root, "keyreeve-tour-*"));
    }

    [Theory]
    [InlineData("WrongPassword", "FAILED at TS 33.434 5.2.4 step 3:")]
    [InlineData("WrongVerifier", "FAILED at TS 33.434 5.2.4 step 6:")]
    [InlineData("RevokedToken", "FAILED at TS 33.434 5.2.5:")]
    [InlineData("ForeignService", "FAILED at TS 33.434 5.3.1 step 3: expected HTTP 200")]
    [InlineData("NoTrust", "FAILED at TS 33.434 5.4: expected an access token of the serving system, got HTTP 400")]
    [InlineData("RevokedAtPrimary", "FAILED at TS 33.434 5.4: expected an access token of the serving system, got HTTP 400")]
    public async Task A_spoilt_tour_fails_where_it_was_spoilt(string spoil, string last)
    {
        var (code, output) = await KeyreeveProcess.RunAsync("tour", "seal", "--spoil", spoil);
        Assert.True(code == 1, output);
        Assert.StartsWith(last, output.Trim().Split('\n')[^1], StringComparison.Ordinal);
        Assert.DoesNotContain("All steps held", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_is_decoded_from_the_argument_and_from_standard_input_and_checked_with_a_key_set()
    {
        string token, jwks;
        await using (var process = await _folder.StartDemoAsync())
        {
            using var client = new ProgramClient(_folder);
            token = (string)(await client.SignInAsync())["access_token"]!;
            jwks = await client.Http.GetStringAsync("/jwks", TestContext.Current.CancellationToken);
        }
        var good = Path.Combine(_folder.Root, "jwks.json");
        await File.WriteAllTextAsync(good, jwks, TestContext.Current.CancellationToken);

        var (code, output) = await KeyreeveProcess.RunAsync("token", "decode", token);
        Assert.Equal(0, code);
        Assert.Contains("\"typ\": \"at+jwt\"", output, StringComparison.Ordinal);
        Assert.Contains("\"val_user_id\": \"sip:alice@val.example\"", output, StringComparison.Ordinal);
        Assert.Contains("signature not checked", output, StringComparison.Ordinal);
        // The signature is what makes it usable: it is not shown again.
        Assert.DoesNotContain(token.Split('.')[2], output, StringComparison.Ordinal);

        foreach (var arguments in (string[][])[["token", "decode"], ["token", "decode", "-"]])
        {
            var read = await KeyreeveProcess.RunAsync(arguments, null, token + "\n");
            Assert.Equal((0, output), (read.Code, WithoutAge(output, read.Output)));
        }

        (code, output) = await KeyreeveProcess.RunAsync("token", "decode", token, "--jwks", good);
        Assert.Equal(0, code);
        Assert.Contains("signature holds: ES256", output, StringComparison.Ordinal);

        var parts = token.Split('.');
        var forged = $"{parts[0]}.{parts[1]}.{(parts[2][0] == 'A' ? 'B' : 'A')}{parts[2][1..]}";
        (code, output) = await KeyreeveProcess.RunAsync("token", "decode", forged, "--jwks", good);
        Assert.Equal(1, code);
        Assert.Contains("SIGNATURE DOES NOT HOLD", output, StringComparison.Ordinal);

        var empty = Path.Combine(_folder.Root, "empty.json");
        await File.WriteAllTextAsync(empty, """{"keys":[]}""", TestContext.Current.CancellationToken);
        Assert.Equal(1, (await KeyreeveProcess.RunAsync("token", "decode", token, "--jwks", empty)).Code);
        var bad = Path.Combine(_folder.Root, "bad.json");
        await File.WriteAllTextAsync(bad, "{", TestContext.Current.CancellationToken);
        (code, output) = await KeyreeveProcess.RunAsync("token", "decode", token, "--jwks", bad);
        Assert.Equal((1, true), (code, output.Contains("is not a JWKS file", StringComparison.Ordinal)));
        (code, output) = await KeyreeveProcess.RunAsync("token", "decode", "no.token");
        Assert.Equal((1, true), (code, output.Contains("this is no JWT", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task The_doctor_says_ok_or_names_the_cure()
    {
        await _folder.StartAndStopAsync("--demo");
        var (code, output) = await KeyreeveProcess.RunAsync("doctor", "--data", _folder.Data);
        Assert.Equal(output.Contains("BAD", StringComparison.Ordinal) ? 1 : 0, code);
        Assert.Contains("libsqlite3.so.0 is there", output, StringComparison.Ordinal);
        // What goes into a pipe is plain.
        Assert.DoesNotContain('\u001b', output);

        File.SetUnixFileMode(_folder.File("kek"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        (code, output) = await KeyreeveProcess.RunAsync("doctor", "--data", _folder.Data);
        Assert.Equal(1, code);
        Assert.Contains("can be read by others", output, StringComparison.Ordinal);
        Assert.Contains("chmod 600", output, StringComparison.Ordinal);

        (code, output) = await KeyreeveProcess.RunAsync(["doctor", "--data", _folder.Data], new Dictionary<string, string> { ["KEYREEVE__Nod"] = "x" });
        Assert.Equal(1, code);
        Assert.Contains("Did you mean 'Node'?", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_doctor_looks_at_certificates()
    {
        using var openssl = new OpenSslTool();
        foreach (var (name, days) in new[] { ("long", "90"), ("short", "6") })
            await openssl.Run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out", name + ".pem", "-days", days, "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost", "-addext", "keyUsage=digitalSignature", "-addext", "extendedKeyUsage=serverAuth");
        Assert.Contains("ok   the listeners' certificate in", await DoctorAsync("long", "long"), StringComparison.Ordinal);
        Assert.Matches("note the listeners' certificate in .*: 7 days or less are left", await DoctorAsync("short", "short"));
        Assert.Contains("BAD  the listeners' certificate would be refused", await DoctorAsync("long", "short"), StringComparison.Ordinal);

        async Task<string> DoctorAsync(string certificate, string key) => (await KeyreeveProcess.RunAsync(["doctor", "--data", _folder.Data], new Dictionary<string, string>
        {
            ["KEYREEVE__Certificates__ServerCertificate"] = openssl.File(certificate + ".pem"),
            ["KEYREEVE__Certificates__ServerKey"] = openssl.File(key + ".key"),
        })).Output;
    }

    [Fact]
    public async Task The_audit_holds_after_traffic_while_serving_and_stopped_until_a_line_is_changed()
    {
        await using (var process = await _folder.StartDemoAsync())
        {
            using var client = new ProgramClient(_folder);
            var tokens = await client.SignInAsync();
            await client.AskForKeysAsync((string)tokens["access_token"]!);
            await client.RevokeAsync((string)tokens["access_token"]!);
            var serving = await KeyreeveProcess.RunAsync("audit", "verify", "--data", _folder.Data);
            Assert.True(serving is (0, _) && serving.Output.StartsWith("the chain holds: ", StringComparison.Ordinal), serving.Output);
            await process.SignalAsync("TERM");
            Assert.Equal(0, await process.ExitAsync());
        }
        Assert.Equal(0, (await KeyreeveProcess.RunAsync("audit", "verify", "--data", _folder.Data)).Code);

        await SqlAsync("UPDATE audit SET json = CAST(replace(CAST(json AS TEXT), 'Granted', 'Refused') AS BLOB) WHERE seq = (SELECT min(seq) FROM audit WHERE instr(CAST(json AS TEXT), 'km.request'))");
        var (code, output) = await KeyreeveProcess.RunAsync("audit", "verify", "--data", _folder.Data);
        Assert.True(code == 1, output);
        Assert.Matches("THE CHAIN IS BROKEN at node-1/[0-9]+: the line was changed", output);
        Assert.Equal(2, (await KeyreeveProcess.RunAsync("audit", "verify", "--data", _folder.Data + "-none")).Code);
    }

    [Theory]
    [InlineData("--help", "serve")]
    [InlineData("serve --help", "--demo")]
    [InlineData("tour --help", "seal")]
    [InlineData("tour seal --help", "--spoil")]
    [InlineData("token --help", "decode")]
    [InlineData("token decode --help", "--jwks")]
    [InlineData("token decode --help", "--decrypt")]
    [InlineData("admin issuer add --help", "--federated")]
    [InlineData("admin issuer add --help", "--introspection-secret-file")]
    [InlineData("admin client add --help", "--subject-type")]
    [InlineData("audit --help", "verify")]
    [InlineData("audit verify --help", "--data")]
    [InlineData("doctor --help", "--data")]
    public async Task Every_verb_explains_itself(string arguments, string mentions)
    {
        var (code, output) = await KeyreeveProcess.RunAsync(arguments.Split(' '));
        Assert.Equal(0, code);
        Assert.Contains(mentions, output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("serv")]
    [InlineData("serve --dem")]
    [InlineData("tour seal --spoil Nothing")]
    public async Task A_mistyped_command_fails_and_starts_nothing(string arguments) => Assert.NotEqual(0, (await KeyreeveProcess.RunAsync(arguments.Split(' '))).Code);

    [Fact]
    public async Task Every_command_has_an_example_in_its_help_and_the_example_is_one_of_it()
    {
        var root = Server.Cli.ProgramCommand.Create();
        var commands = Leaves("", root).ToList();
        Assert.Equal(commands.Select(c => c.Path).Order(StringComparer.Ordinal), Server.Cli.HelpExamples.All.Keys.Order(StringComparer.Ordinal));
        Assert.All(commands, c =>
        {
            var parsed = root.Parse(System.CommandLine.Parsing.CommandLineParser.SplitCommandLine($"{c.Path} {Server.Cli.HelpExamples.All[c.Path]}").ToArray());
            Assert.Empty(parsed.Errors);
            Assert.Same(c.Command, parsed.CommandResult.Command);
        });
        var (code, output) = await KeyreeveProcess.RunAsync("admin", "service", "add", "--help");
        Assert.Equal(0, code);
        Assert.Contains("Example:\n  keyreeve admin service add pump-control --name \"Pump control\" --audience https://val.example/pump-control\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_document_has_a_row_with_every_verb_for_each_noun_of_admin()
    {
        var rows = File.ReadAllLines(Path.Combine(Repository.Root(), "docs/operations.md")).SkipWhile(l => l != "| noun | verbs | note |").TakeWhile(l => l.StartsWith('|')).ToList();
        foreach (var noun in Server.Cli.ProgramCommand.Create().Subcommands.Single(c => c.Name == "admin").Subcommands)
        {
            var row = Assert.Single(rows, r => r.StartsWith($"| `{noun.Name}` | ", StringComparison.Ordinal)).Split('|')[2].Replace("`", "", StringComparison.Ordinal);
            Assert.Equal(Leaves("", noun).Select(c => c.Path).Order(StringComparer.Ordinal), row.Split(',', StringSplitOptions.TrimEntries).Order(StringComparer.Ordinal));
        }
    }

    private static IEnumerable<(string Path, System.CommandLine.Command Command)> Leaves(string path, System.CommandLine.Command command) => command.Subcommands.Count == 0
        ? [(path, command)]
        : command.Subcommands.SelectMany(c => Leaves($"{path} {c.Name}".TrimStart(), c));

    [Fact]
    public async Task Every_setting_is_listed_with_its_default()
    {
        var (code, output) = await KeyreeveProcess.RunAsync("serve", "--settings");
        Assert.Equal(0, code);
        Assert.All(Settings.SettingsReader.Known, k => Assert.Contains(k.Name, output, StringComparison.Ordinal));
        Assert.Matches("setting .*default .*values .*meaning", output);
        Assert.Matches("Tokens:AccessTokenSeconds .*600 .*10 to 86400 .*life of an access token", output);
        Assert.All(Settings.SettingsReader.Known, k => Assert.False(k.Values.Length == 0 || k.Meaning.Length == 0, k.Name));
    }

    /// <summary>"3 s ago" moves on between two runs; the rest is the same.</summary>
    private static string WithoutAge(string expected, string output)
    {
        string[] one = expected.Split('\n'), other = output.Split('\n');
        return one.Length == other.Length && one.Zip(other).All(p => p.First == p.Second || p.First.StartsWith("issued ", StringComparison.Ordinal) || p.First.StartsWith("expires ", StringComparison.Ordinal))
            ? expected : output;
    }

    private async Task SqlAsync(string sql)
    {
        // The provider is bound by the store; opening one does it.
        await using (await Keyreeve.Storage.SqliteEngine.OpenAsync(Path.Combine(_folder.Root, "other.db"), TimeProvider.System, "test", TestContext.Current.CancellationToken))
        await using (var connection = new SqliteConnection($"Data Source={_folder.File("keyreeve.db")};Pooling=False"))
        {
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText = sql;
            Assert.Equal(1, await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken));
        }
    }
}
