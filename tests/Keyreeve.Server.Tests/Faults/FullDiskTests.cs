using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>The disk of the store is full while the server is asked: clear refusals, nothing that was acknowledged is lost, and with room everything goes on without a restart.</summary>
public sealed class FullDiskTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>More than can be written down in what room there is in the log.</summary>
    private const int Events = 40;

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
            // It has taken an event and answers when the disk is full: then it cannot be written down that it has it, or not for long, for many more wait behind it.
            await using var receiver = new ScriptedPeer();
            var full = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var sent = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
            receiver.Script = async (request, stream, cancel) =>
            {
                sent.AddOrUpdate(request.Headers["Idempotency-Key"], 1, (_, times) => times + 1);
                await full.Task.WaitAsync(cancel);
                await ScriptedPeer.AnswerAsync(stream, "202 Accepted", "", "", cancel);
            };
            var anchors = Path.Combine(server.Folder.Root, "anchors.pem");
            await File.WriteAllTextAsync(anchors, receiver.Certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
            await server.StartAsync([.. Wide, "--set", "Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "--set", "Outbound:TrustAnchors=" + anchors, "--set", "Events:Receivers:fleet:Url=" + receiver.Address()]);
            await using (var surfaces = await Surfaces.OpenAsync(server.Folder))
            {
                using (var client = new ProgramClient(server.Folder))
                {
                    var tokens = await client.SignInAsync();
                    for (var i = 0; i < Events; i++, tokens = await client.RefreshAsync((string)tokens["refresh_token"]!))
                        await client.RevokeAsync((string)tokens["access_token"]!);
                }
                await receiver.NextAsync();
                var filler = Path.Combine(server.Folder.Root, "filler");
                Fill(filler);
                await surfaces.AllRefuseAsync(Patience);
                sent.Clear();
                full.SetResult();
                await server.NotReadyAsync();
                for (var since = Stopwatch.StartNew(); sent.Values.DefaultIfEmpty().Max() < 2 && since.Elapsed < Patience;)
                    await Task.Delay(50, TestContext.Current.CancellationToken);
                await Task.Delay(TimeSpan.FromSeconds(2), TestContext.Current.CancellationToken);
                // Again, because nobody knows that it has it, but not as fast as it answers.
                Assert.InRange(sent.Values.Max(), 2, 20);
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
        await using var load = await SteadyLoad.StartAsync(server.Folder, clients: 2);
        await load.EverybodyIsServedAsync(Patience);
        await server.Postgres.FillAsync();
        await load.EverySurfaceRefusesAsync(Patience);
        await server.NotReadyAsync();
        Assert.Contains("No space left on device", await server.Postgres.LogAsync(), StringComparison.Ordinal);
        await server.Postgres.FreeAsync();
        await GoesOnAsync(server, load);
    }

    /// <summary>Then the database server itself ends, and is started by whoever made room; Keyreeve is not.</summary>
    [Fact]
    public async Task Under_the_log_of_PostgreSQL_it_is_503_and_after_the_databases_start_everything_goes_on()
    {
        await using var server = await PostgresFaultServer.MakeAsync(SmallDisk.Log);
        await server.StartAsync("--set", "Seal:WindowSeconds=5");
        await using var load = await SteadyLoad.StartAsync(server.Folder, clients: 2, crashes: true);
        await load.EverybodyIsServedAsync(Patience);
        await server.Postgres.FillAsync();
        await load.EverySurfaceRefusesAsync(Patience);
        await server.Postgres.EndedAsync();
        await server.NotReadyAsync();
        Assert.Matches("PANIC: .*No space left on device", await server.Postgres.LogAsync());
        await server.Postgres.FreeAsync();
        await server.Postgres.StartAsync();
        await GoesOnAsync(server, load);
    }

    private static async Task GoesOnAsync(FaultServer server, SteadyLoad load)
    {
        await load.EverybodyIsServedAsync(Patience);
        await server.ReadyAsync();
        await load.EndAsync();
        await load.NothingIsLostAsync();
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
