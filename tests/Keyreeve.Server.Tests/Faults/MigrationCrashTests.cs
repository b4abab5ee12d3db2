using System.Globalization;
using System.Text.Json.Nodes;
using Dapper;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// <c>keyreeve admin db migrate</c> on a store of the first release is killed with -9, between and in the schema's steps and in both backfills, and run
/// again: it ends, nothing is lost, nothing is done twice, and a server starts on what came out.
/// </summary>
public sealed class MigrationCrashTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private static CancellationToken None => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    public async Task A_migration_that_is_killed_anywhere_goes_on_and_loses_nothing(string engine)
    {
        await using var server = await FaultServer.MakeAsync(engine);
        var store = await FormerStore.MakeAsync(server);
        var random = new Random(FaultSettings.Seed);
        var (killed, inSteps, inBackfills) = (0, 0, 0);
        for (var round = 0; round < Math.Max(2, FaultSettings.ServerRounds / 4); round++)
        {
            await store.PutBackAsync();
            foreach (var moment in (string[])[StepsReach(random.Next(1, 8)), StepsReach(random.Next(8, Migration.Known.Count)), RowsReach(1, random.Next(4500)), RowsReach(2, random.Next(1200))])
            {
                var delay = TimeSpan.FromMicroseconds(random.Next(5000));
                try
                {
                    if (!await KillAsync(server, moment, delay))
                        continue;
                    killed++;
                    var (steps, rows) = await StateAsync(server);
                    inSteps += steps < Migration.Known.Count ? 1 : 0;
                    inBackfills += rows > 0 ? 1 : 0;
                    await store.CheckAsync();
                }
                catch (Exception e)
                {
                    throw new InvalidOperationException($"{engine}: killed {delay.TotalMilliseconds.ToString("0.000", CultureInfo.InvariantCulture)} ms after {moment}, seed {FaultSettings.Seed}: {e.Message}", e);
                }
            }
            var (code, output) = await KeyreeveProcess.RunAsync(Migrate(server), server.Environment);
            Assert.True(code == 0, output);
            await store.CheckFinishedAsync();
        }
        FaultSettings.Say($"{engine}: {killed} kills of a migration, {inSteps} before the last step of the schema, {inBackfills} with rows of a backfill done, seed {FaultSettings.Seed}");
        // A run in which every kill came too late would prove nothing.
        Assert.True(inSteps > 0 && inBackfills > 0, $"{killed} kills, {inSteps} in the steps, {inBackfills} in the backfills");

        await server.StartAsync("--set", "Seal:WindowSeconds=30");
        using (var peer = new Peer(server.Folder))
        {
            var tokens = await peer.Client.SignInAsync();
            Assert.Equal(FormerStore.PayloadOf("sip:alice@val.example"), (string?)JsonNode.Parse(await peer.Client.GetKeysAsync((string)tokens["access_token"]!))!["payload"]);
            Assert.NotNull((await peer.Client.RefreshAsync((string)tokens["refresh_token"]!))["access_token"]);
            Assert.Equal(200, (await peer.AdminAsync(HttpMethod.Get, "/users")).Status);
        }
        await server.ReadAuditAsync([]);
    }

    private static string[] Migrate(FaultServer server) => ["admin", "db", "migrate", "--data", server.Folder.Data];

    /// <summary>A question that the store answers with 1 when a kill is due: so many steps of the schema are made.</summary>
    private static string StepsReach(int steps) => FormattableString.Invariant($"SELECT 1 WHERE (SELECT count(*) FROM schema_migrations) >= {steps}");

    /// <summary>The same of a backfill's rows.</summary>
    private static string RowsReach(int backfill, int rows) => FormattableString.Invariant($"SELECT 1 FROM schema_backfills WHERE number = {backfill} AND rows_done > {rows}");

    /// <summary>False when it had ended before it could be killed.</summary>
    private static async Task<bool> KillAsync(FaultServer server, string moment, TimeSpan delay)
    {
        await using var door = await server.ReadStoreAsync();
        await using var process = KeyreeveProcess.Start(Migrate(server), server.Environment);
        var began = TimeProvider.System.GetTimestamp();
        while (!process.HasExited && await door.Connection.ExecuteScalarAsync<long?>(moment) is null)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, "it does not come that far: " + process.Output);
            await Task.Delay(1, None);
        }
        for (var since = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(since) < delay;)
            Thread.SpinWait(20);
        process.KillNow();
        var code = await process.ExitAsync(Patience);
        Assert.True(code is 0 or 137, $"{code}: {process.Output}");
        return code != 0;
    }

    private static async Task<(long Steps, long Rows)> StateAsync(FaultServer server)
    {
        await using var door = await server.ReadStoreAsync();
        var status = await StoreStatus.ReadAsync(door, [], None);
        return (status.SchemaVersion, status.Backfills.Where(b => !b.IsFinished).Sum(b => b.RowsDone));
    }
}
