using System.CommandLine;
using System.Globalization;
using Keyreeve.Core.Audit;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve audit</c>: looks at the store and writes nothing, whether a server runs or not. Exit codes: 0 it holds, 1 it is broken, 2 it cannot be read.</summary>
internal static class AuditCommand
{
    /// <summary>A start in the middle of the walk makes it begin again; more than that is somebody's loop.</summary>
    private const int Attempts = 5;

    public static Command Create()
    {
        var store = new StoreOptions();
        var export = new Option<string?>("--export") { Description = "verify this export instead of a store" };
        var expect = new Option<string[]>("--expect") { Description = "a head that was kept elsewhere, as 'audit head' prints it: NODE:SEQ:HASH; may be repeated" };
        var verify = store.AddTo(new Command("verify", "Walk the hash chains of the audit; reads only, the server may run or be stopped."));
        verify.Options.Add(export);
        verify.Options.Add(expect);
        verify.SetAction((parse, cancel) =>
        {
            var expected = new List<AuditHead>();
            foreach (var text in parse.GetValue(expect) ?? [])
            {
                if (!AuditHead.TryRead(text, out var head))
                    return Task.FromResult(Fail(2, $"--expect {text}: write NODE:SEQ:HASH, as 'keyreeve audit head' prints it"));
                expected.Add(head);
            }
            return parse.GetValue(export) is { } file ? Task.FromResult(VerifyExport(file, expected)) : VerifyAsync(store, parse, expected, cancel);
        });

        var headStore = new StoreOptions();
        var head = headStore.AddTo(new Command("head", "Print the end of each chain, NODE:SEQ:HASH, to be kept elsewhere for 'audit verify --expect'."));
        head.SetAction((parse, cancel) => headStore.ReadAsync(parse, async audit =>
        {
            foreach (var (node, sequence, hash) in await audit.HeadsAsync(cancel))
                Console.WriteLine(new AuditHead(node, sequence, Convert.ToHexStringLower(hash)));
            return 0;
        }));
        return new Command("audit", "Check the audit.") { verify, head };
    }

    private static Task<int> VerifyAsync(StoreOptions store, ParseResult parse, List<AuditHead> expected, CancellationToken cancel) =>
        store.ReadAsync(parse, async audit => Tell(await AuditVerification.WalkAsync(audit, expected, Progress, cancel)));

    private static int VerifyExport(string file, List<AuditHead> expected)
    {
        if (!File.Exists(file))
            return Fail(2, $"there is no file {file}");
        var walk = AuditExportVerification.Walk(() => new StreamReader(file), expected);
        return Tell(walk);
    }

    private static int Tell(AuditWalk walk)
    {
        if (walk.BrokenAt is not null)
            return Fail(1, $"THE CHAIN IS BROKEN at {walk.BrokenAt} (after {walk.Lines} lines that hold)");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"the chain holds: {walk.Lines} lines")
            + (walk.Witnessed > 0 ? string.Create(CultureInfo.InvariantCulture, $"; {walk.Witnessed} heads that were written down are in it") : "")
            + (walk.Unchecked > 0 ? string.Create(CultureInfo.InvariantCulture, $"; {walk.Unchecked} heads are of before it or of other nodes, and were not compared") : ""));
        return 0;
    }

    private static void Progress(string node, long line, long last) =>
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{node}: {line} of {last} lines hold"));

    private static int Fail(int code, string why)
    {
        Console.Error.WriteLine("keyreeve: " + AdminOutput.Printable(why));
        return code;
    }

    /// <summary>Which store: the data folder's, or the one that the settings name.</summary>
    private sealed class StoreOptions
    {
        private readonly Option<string> _data = new("--data") { Description = "the data folder", DefaultValueFactory = _ => "./data" };
        private readonly Option<string?> _config = new("--config") { Description = "the server's JSON file with settings: Storage:Connection names a PostgreSQL database" };
        private readonly Option<string[]> _set = new("--set") { Description = "a setting, as for serve; may be repeated" };

        public Command AddTo(Command command)
        {
            foreach (var option in (Option[])[_data, _config, _set])
                command.Options.Add(option);
            return command;
        }

        public async Task<int> ReadAsync(ParseResult parse, Func<AuditStore, Task<int>> work)
        {
            try
            {
                var settings = ServeCommand.ReadSettings(parse.GetValue(_config), null, parse.GetValue(_set) ?? []);
                if (settings.Postgres is { } address)
                {
                    await using var postgres = new PostgresReadOnly(address, TimeProvider.System);
                    return await work(new AuditStore(postgres));
                }
                var folder = DataFolder.Existing(parse.GetValue(_data)!);
                return File.Exists(folder.Database) ? await ReadFileAsync(folder.Database, work) : throw new DataFolderException($"there is no database in {folder.Root}");
            }
            catch (Exception e) when (e is StoreUnavailableException or System.Data.Common.DbException)
            {
                return Fail(2, $"the audit cannot be read: {e.Message}");
            }
        }

        private static async Task<int> ReadFileAsync(string file, Func<AuditStore, Task<int>> work)
        {
            for (var attempt = 1; ; attempt++)
            {
                await using var database = new SqliteReadOnly(file, TimeProvider.System);
                try
                {
                    var code = await work(new AuditStore(database));
                    if (!database.HasChanged || attempt == Attempts)
                        return code;
                }
                catch (System.Data.Common.DbException) when (database.HasChanged && attempt < Attempts)
                {
                    // A server started or stopped meanwhile.
                }
                Console.Error.WriteLine("keyreeve: a server started or stopped meanwhile: once more");
            }
        }
    }
}
