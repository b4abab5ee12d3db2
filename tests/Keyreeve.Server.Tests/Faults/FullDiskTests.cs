using System.Diagnostics;
using System.Runtime.InteropServices;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>The disk of the store is full while the server is asked: clear refusals, nothing that was acknowledged is lost, and with room everything goes on without a restart.</summary>
public sealed class FullDiskTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>A request that waits must not be too old by then: it is refused for the store, or not at all.</summary>
    private static readonly string[] Wide = ["--set", "Seal:WindowSeconds=30"];

    [Fact]
    public async Task Under_SQLite_it_is_503_nothing_is_granted_unaudited_and_with_room_everything_goes_on()
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
                await server.NotReadyAsync();
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

    [Fact]
    public async Task Under_the_tables_of_PostgreSQL_it_is_503_and_with_room_everything_goes_on()
    {
        await using var server = await PostgresFaultServer.MakeAsync(SmallDisk.Tables);
        await server.StartAsync(Wide);
        await using var surfaces = await Surfaces.OpenAsync(server.Folder);
        await server.Postgres.FillAsync();
        await surfaces.AllRefuseAsync(Patience);
        await server.NotReadyAsync();
        Assert.Contains("No space left on device", await server.Postgres.LogAsync(), StringComparison.Ordinal);
        await server.Postgres.FreeAsync();
        await surfaces.WorkAgainAsync(Patience);
        await server.ReadyAsync();
        await server.ReadAuditAsync([]);
    }

    /// <summary>The database server itself ends then, and is started by whoever made room; Keyreeve is not.</summary>
    [Fact]
    public async Task Under_the_log_of_PostgreSQL_it_is_503_and_after_the_databases_start_everything_goes_on()
    {
        await using var server = await PostgresFaultServer.MakeAsync(SmallDisk.Log);
        await server.StartAsync(Wide);
        await using var surfaces = await Surfaces.OpenAsync(server.Folder);
        await server.Postgres.FillAsync();
        await surfaces.AllRefuseAsync(Patience);
        await server.NotReadyAsync();
        Assert.Matches("PANIC: .*No space left on device", await server.Postgres.LogAsync());
        await server.Postgres.FreeAsync();
        await server.Postgres.StopAsync();
        await server.Postgres.StartAsync();
        await surfaces.WorkAgainAsync(Patience);
        await server.ReadyAsync();
        await server.ReadAuditAsync([]);
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
