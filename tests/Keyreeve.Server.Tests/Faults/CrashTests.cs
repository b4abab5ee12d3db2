using System.Globalization;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// A server under fire is killed with -9, again and again, and started on what it left: nothing acknowledged is lost, nothing that is
/// good once works twice, and the audit holds and tells of exactly the changes that are there. <c>make crash ROUNDS=1000</c> does it
/// for hours.
/// </summary>
public sealed class CrashTests
{
    /// <summary>Lives on one folder; then a new one, so that the audit walked after each stays short.</summary>
    private const int LivesOfAFolder = 40;

    [Fact]
    public Task Nothing_acknowledged_is_lost_and_nothing_works_twice_when_the_server_is_killed() => RunAsync("SQLite", () => Task.FromResult<FaultServer>(new SqliteFaultServer()));

    [Fact]
    public Task Nothing_acknowledged_is_lost_and_nothing_works_twice_when_a_server_on_PostgreSQL_is_killed() => RunAsync("PostgreSQL", async () => await PostgresFaultServer.MakeAsync());

    [Fact]
    public async Task Nothing_acknowledged_is_lost_and_nothing_works_twice_when_PostgreSQL_itself_is_killed_and_the_server_goes_on()
    {
        var rounds = Math.Max(2, FaultSettings.ServerRounds / 4);
        FaultSettings.Say($"{rounds} kills of PostgreSQL, seed {FaultSettings.Seed}");
        for (var done = 0; done < rounds; done += LivesOfAFolder)
            await RunFolderAsync("PostgreSQL itself", async () => await PostgresFaultServer.MakeAsync(), done, Math.Min(LivesOfAFolder, rounds - done), async server =>
            {
                var postgres = ((PostgresFaultServer)server).Postgres;
                await postgres.KillHardAsync();
                await postgres.StartAsync();
                await server.ReadyAsync();
            });
        FaultSettings.Say($"{rounds} kills of PostgreSQL, nothing lost, nothing twice");
    }

    private static async Task KillAndStartAsync(FaultServer server)
    {
        await server.KillAsync();
        await server.StartAsync();
    }

    internal static async Task RunAsync(string engine, Func<Task<FaultServer>> make)
    {
        var rounds = FaultSettings.ServerRounds;
        FaultSettings.Say($"{engine}: {rounds} kills of a server, seed {FaultSettings.Seed}");
        for (var done = 0; done < rounds; done += LivesOfAFolder)
            await RunFolderAsync(engine, make, done, Math.Min(LivesOfAFolder, rounds - done), KillAndStartAsync);
        FaultSettings.Say($"{engine}: {rounds} kills of a server, nothing lost, nothing twice");
    }

    private static async Task RunFolderAsync(string engine, Func<Task<FaultServer>> make, int first, int lives, Func<FaultServer, Task> killAsync)
    {
        var random = new Random(FaultSettings.Seed + first);
        Work[] works =
        [
            new RefreshWork(new Random(random.Next())), new RefreshWork(new Random(random.Next())), new CodeWork(new Random(random.Next())),
            new KeyWork(), new RevokeWork(), new ProvisionWork(new Random(random.Next()), "one-"), new ProvisionWork(new Random(random.Next()), "two-"),
            new OwnedKeyWork(new Random(random.Next()), byMessage: true), new OwnedKeyWork(new Random(random.Next()), byMessage: false), new ConfigurationWork(new Random(random.Next())),
        ];
        var kinds = works.Select(w => w.Kind).Distinct().ToList();
        var linesOf = new Dictionary<string, int>(StringComparer.Ordinal);
        await using var server = await make();
        await server.StartAsync();
        for (var life = first; life < first + lives; life++)
        {
            var moment = new KillMoment(random, kinds);
            try
            {
                await FireAndKillAsync(server, works, moment, isLast: life + 1 == first + lives, killAsync);
                await CheckAsync(server, works);
                await server.ReadAuditAsync(linesOf);
                foreach (var (name, lines) in works.SelectMany(w => w.ExpectedLines))
                    Assert.True(lines == linesOf.GetValueOrDefault(name), $"{name}: {linesOf.GetValueOrDefault(name)} lines of the audit for {lines} changes");
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{engine}: kill {life.ToString(CultureInfo.InvariantCulture)}, seed {FaultSettings.Seed}, {moment}: {e.Message}\n{server.Process?.Output}", e);
            }
            if ((life + 1) % 10 == 0)
                FaultSettings.Say($"{engine}: {life + 1} kills, the last {moment}");
        }
        FaultSettings.Say($"{engine}: acknowledged meanwhile: " + string.Join(", ", works.GroupBy(w => w.Kind).Select(g => $"{g.Sum(w => w.Acknowledged)} {g.Key}")));
        // A run in which nothing happened would prove nothing.
        Assert.All(works, work => Assert.True(HasDone(work), work.Kind));
    }

    private static async Task FireAndKillAsync(FaultServer server, Work[] works, KillMoment moment, bool isLast, Func<FaultServer, Task> killAsync)
    {
        var peers = works.Select(_ => new Peer(server.Folder)).ToList();
        try
        {
            await Task.WhenAll(works.Select((w, i) => w.PrepareAsync(peers[i])));
            var killed = false;
            var running = works.Select((w, i) => Task.Run(() => w.RunAsync(peers[i], moment, () => Volatile.Read(ref killed)))).ToList();
            await moment.ComeAsync();
            // However slow the machine: at the end everybody has got something done that could be lost.
            for (var deadline = Environment.TickCount64 + 60_000; isLast && works.Any(w => !HasDone(w)) && Environment.TickCount64 < deadline;)
                await Task.Delay(20);
            Volatile.Write(ref killed, true);
            await killAsync(server);
            await Task.WhenAll(running);
        }
        finally
        {
            peers.ForEach(p => p.Dispose());
        }
    }

    /// <summary>Key requests are refused for some seconds after a start.</summary>
    private static bool HasDone(Work work) => work.Acknowledged > 0 || work is KeyWork;

    private static async Task CheckAsync(FaultServer server, Work[] works)
    {
        await Task.WhenAll(works.Select(async work =>
        {
            using var peer = new Peer(server.Folder);
            await work.CheckAsync(peer);
        }));
    }
}
