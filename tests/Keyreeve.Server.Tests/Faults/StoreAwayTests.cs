using System.Diagnostics;
using System.Runtime.InteropServices;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>The store is away, locked, unreadable or full while the server is asked: clear refusals in bounded time, and then on as before without a restart.</summary>
public sealed class StoreAwayTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>A request that waits for a store which is away must not be too old by then: it is refused for the store, or not at all.</summary>
    private static readonly string[] Wide = ["--set", "Seal:WindowSeconds=30"];

    [Fact]
    public async Task SQLite_locked_by_another_program_is_503_and_then_everything_goes_on()
    {
        await using var server = new SqliteFaultServer();
        await server.StartAsync(Wide);
        await using var surfaces = await Surfaces.OpenAsync(server.Folder);
        NativeSqlite.Bind();
        await using (var other = new SqliteConnection($"Data Source={server.Folder.File("keyreeve.db")};Pooling=False"))
        {
            await other.OpenAsync(TestContext.Current.CancellationToken);
            await ExecuteAsync(other, "BEGIN EXCLUSIVE");
            await surfaces.AllRefuseAsync(Patience);
            Assert.Equal(200, await server.HealthAsync("healthz"));
            await ExecuteAsync(other, "ROLLBACK");
        }
        await surfaces.WorkAgainAsync(Patience);
        await server.ReadAuditAsync([]);
    }

    [Fact]
    public async Task PostgreSQL_that_stands_still_is_503_and_not_ready_and_then_everything_goes_on()
    {
        await using var server = await PostgresFaultServer.MakeAsync();
        await server.StartAsync(Wide);
        await using var surfaces = await Surfaces.OpenAsync(server.Folder);
        var memory = server.Process!.Memory;
        await server.Postgres.FreezeAsync();
        await surfaces.AllRefuseAsync(Patience);
        await NotReadyAsync(server);
        FaultSettings.Say($"memory {memory / 1048576} MB before, {server.Process.Memory / 1048576} MB while the database stands still");
        await server.Postgres.ThawAsync();
        await surfaces.WorkAgainAsync(Patience);
        await server.ReadyAsync();
        await server.ReadAuditAsync([]);
    }

    [Fact]
    public async Task PostgreSQL_that_is_stopped_is_503_and_not_ready_and_after_its_start_everything_goes_on()
    {
        await using var server = await PostgresFaultServer.MakeAsync();
        await server.StartAsync(Wide);
        await using var surfaces = await Surfaces.OpenAsync(server.Folder);
        await server.Postgres.StopAsync();
        await surfaces.AllRefuseAsync(Patience);
        await NotReadyAsync(server);
        await server.Postgres.StartAsync();
        await surfaces.WorkAgainAsync(Patience);
        await server.ReadyAsync();
        await server.ReadAuditAsync([]);
    }

    [Fact]
    public async Task A_full_disk_is_503_nothing_is_granted_unaudited_and_with_room_everything_goes_on()
    {
        if (GetEffectiveUserId() != 0)
            Assert.Skip("a small file system is mounted by root only");
        await using var server = new SqliteFaultServer();
        var (mounted, why) = await RunAsync("mount", "-t", "tmpfs", "-o", "size=32m,mode=755", "tmpfs", server.Folder.Root);
        if (mounted != 0)
            Assert.Skip("a small file system cannot be mounted here: " + why);
        try
        {
            // It has taken an event and answers when the disk is full: then it cannot be written down that it has it.
            await using var receiver = new ScriptedPeer();
            var full = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var sent = 0;
            receiver.Script = async (_, stream, cancel) =>
            {
                Interlocked.Increment(ref sent);
                await full.Task.WaitAsync(cancel);
                await ScriptedPeer.AnswerAsync(stream, "202 Accepted", "", "", cancel);
            };
            var anchors = Path.Combine(server.Folder.Root, "anchors.pem");
            await File.WriteAllTextAsync(anchors, receiver.Certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
            await server.StartAsync([.. Wide, "--set", "Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "--set", "Outbound:TrustAnchors=" + anchors, "--set", "Events:Receivers:fleet:Url=" + receiver.Address()]);
            await using (var surfaces = await Surfaces.OpenAsync(server.Folder))
            {
                using (var client = new ProgramClient(server.Folder))
                    await client.RevokeAsync((string)(await client.SignInAsync())["access_token"]!);
                await receiver.NextAsync();
                var filler = Path.Combine(server.Folder.Root, "filler");
                Fill(filler);
                await surfaces.AllRefuseAsync(Patience);
                full.SetResult();
                await NotReadyAsync(server);
                for (var since = Stopwatch.StartNew(); Volatile.Read(ref sent) < 2 && since.Elapsed < Patience;)
                    await Task.Delay(50, TestContext.Current.CancellationToken);
                await Task.Delay(TimeSpan.FromSeconds(2), TestContext.Current.CancellationToken);
                // Again, because nobody knows that it has it, but not as fast as it answers.
                Assert.InRange(Volatile.Read(ref sent), 2, 20);
                File.Delete(filler);
                await surfaces.WorkAgainAsync(Patience);
                await server.ReadyAsync();
            }
            await server.ReadAuditAsync([]);
        }
        finally
        {
            // Lazily: it is gone when the server, which may still have files there, is.
            await RunAsync("umount", "-l", server.Folder.Root);
            if (server.Process is not null)
                await server.KillAsync();
        }
    }

    private static async Task NotReadyAsync(FaultServer server)
    {
        for (var since = Stopwatch.StartNew(); await server.HealthAsync("readyz") != 503; await Task.Delay(50, TestContext.Current.CancellationToken))
            Assert.True(since.Elapsed < Patience, "readyz does not tell that the store is away");
        Assert.Equal(200, await server.HealthAsync("healthz"));
    }

    /// <summary>To the last octet.</summary>
    private static void Fill(string path)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        for (var block = 1 << 20; block >= 1; block /= 2)
            try
            {
                while (true)
                    file.Write(new byte[block]);
            }
            catch (IOException)
            {
                // Not even this much is left: smaller pieces.
            }
    }

    private static async Task ExecuteAsync(SqliteConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    private static async Task<(int Code, string Output)> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var output = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output.Trim());
    }

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern uint GetEffectiveUserId();
}
