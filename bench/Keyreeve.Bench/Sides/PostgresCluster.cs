using System.Diagnostics;
using System.Runtime.InteropServices;
using Npgsql;

namespace Keyreeve.Bench.Sides;

/// <summary>
/// A throw-away PostgreSQL on a Unix socket with the settings it comes with, fsync included. It ends with us, and its folder
/// with it when we end well.
/// </summary>
internal sealed class PostgresCluster : IDisposable
{
    private readonly Process _process;
    private readonly string _folder;

    private PostgresCluster(Process process, string folder, string version) => (_process, _folder, Version) = (process, folder, version);

    /// <summary>As "PostgreSQL 15.9".</summary>
    public string Version { get; }

    /// <summary>CPU time of all its processes so far, those that have ended included.</summary>
    public double CpuMicroseconds => ProcessTimes.OfTree(_process.Id);

    /// <summary>A running cluster, or why there is none.</summary>
    public static async Task<(PostgresCluster? Cluster, string? Missing)> StartAsync()
    {
        var programs = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").Select(v => Path.Combine(v, "bin")).Where(b => File.Exists(Path.Combine(b, "initdb"))).OrderBy(b => b.Length).ThenBy(b => b, StringComparer.Ordinal).LastOrDefault()
            : null;
        if (programs is null)
            return (null, "no PostgreSQL server is installed: apt-get install postgresql");
        // Not in the folder of the others: nobody but root may look into that one.
        var folder = Directory.CreateTempSubdirectory("keyreeve-bench-pg-").FullName;
        // PostgreSQL does not run as root.
        string[] asOwner = GetEffectiveUserId() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : ["env"];
        if (GetEffectiveUserId() == 0)
            await RunAsync("chown", "postgres:", folder);
        await RunAsync(asOwner[0], [.. asOwner[1..], Path.Combine(programs, "initdb"), "-D", Path.Combine(folder, "d"), "-U", "keyreeve", "-A", "trust", "-E", "UTF8", "--locale=C"]);
        var process = Children.Start(new ProcessStartInfo(asOwner[0],
            [.. asOwner[1..], Path.Combine(programs, "postgres"), "-D", Path.Combine(folder, "d"), "-c", "listen_addresses=", "-c", "unix_socket_directories=" + folder, "-c", "port=5432"])
        { RedirectStandardError = true, RedirectStandardOutput = true });
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        for (var waited = Stopwatch.StartNew(); ; await Task.Delay(50))
        {
            try
            {
                return (new(process, folder, "PostgreSQL " + await ScalarAsync("SHOW server_version", ConnectionTo(folder, "postgres"))), null);
            }
            catch (NpgsqlException) when (waited.Elapsed < TimeSpan.FromSeconds(30) && !process.HasExited)
            {
                // Not yet.
            }
        }
    }

    /// <summary>A new database, as Storage:Connection names it.</summary>
    public async Task<string> NewDatabaseAsync(string name)
    {
        await ScalarAsync("CREATE DATABASE " + name, ConnectionTo(_folder, "postgres"));
        return ConnectionTo(_folder, name);
    }

    /// <summary>What autovacuum would do some minutes after the filling, and a checkpoint: neither belongs to what is measured.</summary>
    public static async Task TidyAsync(string connection)
    {
        await ScalarAsync("VACUUM ANALYZE", connection);
        await ScalarAsync("CHECKPOINT", connection);
    }

    public void Dispose()
    {
        // SIGINT: stop now, in order. Process.Kill would leave its children.
        using (var kill = Process.Start("kill", ["-INT", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]))
            kill.WaitForExit();
        _process.WaitForExit(TimeSpan.FromSeconds(30));
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string ConnectionTo(string folder, string database) => $"Host={folder};Port=5432;Username=keyreeve;Database={database}";

    private static async Task<string?> ScalarAsync(string sql, string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false;Command Timeout=0");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (string?)await command.ExecuteScalarAsync();
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new BenchException($"{program} failed: {await error}");
    }

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern uint GetEffectiveUserId();
}
