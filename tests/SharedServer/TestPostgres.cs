using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Keyreeve.Storage;
using Npgsql;
using Xunit;

namespace Keyreeve.Testing;

/// <summary>
/// A throw-away PostgreSQL on a Unix socket in a folder of its own. A shell in between starts and stops it by words on its standard
/// input; when that ends, in whatever way this process ended, the server is killed and the folder deleted.
/// </summary>
public sealed partial class TestPostgres : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly Lazy<Task<TestPostgres?>> Shared = new(() => TryStartAsync(fsync: false));
    private static int _databases;

    private const string Keeper = """
        trap '' INT TERM HUP
        ulimit -c 0
        "$1/initdb" -D "$2/d" -U keyreeve -A trust --no-sync -E UTF8 --locale=C $4 >"$2/log" 2>&1 || { echo "initdb failed"; exit 1; }
        p=
        while read -r word; do
            case $word in
                start) "$1/postgres" -D "$2/d" -c listen_addresses= -c unix_socket_directories="$2" -c port=5432 -c fsync="$3" -c max_connections=400 $5 >>"$2/log" 2>&1 & p=$! ;;
                stop) kill -INT $p; wait $p; p= ;;
                kill) kill -QUIT $p; wait $p; p= ;;
                kill-9) c=$(ps -o pid= --ppid $p); kill -KILL $p $c; wait $p; for q in $c; do while kill -0 $q 2>/dev/null; do sleep 0.01; done; done ;;
                freeze) kill -STOP $p $(ps -o pid= --ppid $p) ;;
                thaw) kill -CONT $p $(ps -o pid= --ppid $p) ;;
                ended) for i in $(seq 1200); do case $(ps -o stat= -p $p) in ''|Z*) wait $p; p=; break ;; esac; sleep 0.05; done; [ -z "$p" ] || echo "it has not ended" ;;
                tables) mkdir "$2/small/tables" ;;
                fill) for b in 1M 4k; do dd if=/dev/zero bs=$b >>"$2/small/filler" 2>/dev/null; done ;;
                free) rm "$2/small/filler" ;;
            esac
            echo done
        done
        [ -n "$p" ] && kill -CONT $p 2>/dev/null; kill -QUIT $p 2>/dev/null && wait $p
        rm -rf "$2" 2>/dev/null
        """;

    private static readonly string[] AsPostgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"];

    private readonly Process _keeper;
    private readonly string _folder;

    private TestPostgres(Process keeper, string folder) => (_keeper, _folder) = (keeper, folder);

    /// <summary>The one of this test process; every test takes a database of its own. Skips the test when there is no PostgreSQL here.</summary>
    public static async Task<TestPostgres> SharedAsync() => await Shared.Value ?? throw Missing();

    /// <summary>One for a test that stops and starts it.</summary>
    /// <param name="fsync">True when what is committed must survive more than the end of the process.</param>
    public static async Task<TestPostgres> OwnAsync(bool fsync = false) => await TryStartAsync(fsync) ?? throw Missing();

    /// <summary>Makes an empty database; returns its connection string.</summary>
    /// <param name="options">As <c>LOCALE 'C.UTF-8'</c>, at the end of CREATE DATABASE.</param>
    public async Task<string> NewDatabaseAsync(string options = "")
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await RunAsync("postgres", $"CREATE DATABASE {name} {options}");
        return ConnectionString(name);
    }

    /// <summary>Runs a statement as the superuser.</summary>
    public async Task RunAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(ConnectionString(database) + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Takes a database of <see cref="NewDatabaseAsync"/> away.</summary>
    public Task DropAsync(string connectionString) => RunAsync("postgres", $"DROP DATABASE IF EXISTS {NameOf(connectionString)} WITH (FORCE)");

    /// <summary>The database's name in a connection string.</summary>
    public static string NameOf(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString).Database!;

    /// <summary>An orderly stop that does not wait for its clients.</summary>
    public Task StopAsync() => SayAsync("stop");

    /// <summary>As a power cut, but for the disk.</summary>
    public Task KillAsync() => SayAsync("kill");

    /// <summary>kill -9 of all its processes at once: nothing is flushed, nobody says goodbye.</summary>
    public Task KillHardAsync() => SayAsync("kill-9");

    /// <summary>All its processes stand still: connections stay open and nothing answers.</summary>
    public Task FreezeAsync() => SayAsync("freeze");

    /// <summary>They go on.</summary>
    public Task ThawAsync() => SayAsync("thaw");

    /// <summary>Starts it (again) and waits until it answers.</summary>
    public async Task StartAsync()
    {
        await SayAsync("start");
        var since = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                await RunAsync("postgres", "SELECT 1");
                return;
            }
            catch (NpgsqlException) when (since.Elapsed < Patience)
            {
                await Task.Delay(20);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _keeper.StandardInput.Close();
        await _keeper.WaitForExitAsync();
        _keeper.Dispose();
    }

    /// <summary>For a database of this server.</summary>
    public string ConnectionString(string database) => $"Host={_folder};Port=5432;Username=keyreeve;Database={database}";

    /// <summary>What it said of itself.</summary>
    public Task<string> LogAsync() => File.ReadAllTextAsync(Path.Combine(_folder, "log"));

    private static Exception Missing()
    {
        Assert.Skip("there is no PostgreSQL server of version 15 or newer here (apt-get install postgresql)");
        return new UnreachableException();
    }

    private static async Task<TestPostgres?> TryStartAsync(bool fsync)
    {
        if (FindPrograms() is not { } programs)
            return null;
        var folder = Directory.CreateTempSubdirectory("keyreeve-pg-").FullName;
        // PostgreSQL does not run as root.
        string[] user = [];
        if (GetEffectiveUserId() == 0)
        {
            user = AsPostgres;
            using var chown = Process.Start("chown", ["postgres:", folder]);
            await chown.WaitForExitAsync();
        }
        return await StartKeeperAsync([.. user, "sh", "-c", Keeper, "keeper", programs, folder, fsync ? "on" : "off"], folder);
    }

    private static async Task<TestPostgres> StartKeeperAsync(string[] command, string folder)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        var postgres = new TestPostgres(Process.Start(start)!, folder);
        await postgres.StartAsync();
        return postgres;
    }

    /// <summary>The folder of the newest server that is new enough, or null.</summary>
    private static string? FindPrograms() => !Directory.Exists("/usr/lib/postgresql") ? null : Directory.GetDirectories("/usr/lib/postgresql")
        .Where(folder => int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var version) && version >= PostgresFacts.LeastVersion / 10000)
        .OrderBy(folder => int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture)).Select(folder => Path.Combine(folder, "bin"))
        .LastOrDefault(bin => File.Exists(Path.Combine(bin, "initdb")));

    private async Task SayAsync(string word)
    {
        await _keeper.StandardInput.WriteLineAsync(word);
        await _keeper.StandardInput.FlushAsync();
        if (await _keeper.StandardOutput.ReadLineAsync() != "done")
            throw new InvalidOperationException($"PostgreSQL does not {word}: {await File.ReadAllTextAsync(Path.Combine(_folder, "log"))}");
    }

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern uint GetEffectiveUserId();
}
