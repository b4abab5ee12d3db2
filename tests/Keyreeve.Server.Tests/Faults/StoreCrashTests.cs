using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Keyreeve.Core.Audit;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// A small program that does nothing but write to the store is killed with -9 at a random moment, hundreds of times: every line it
/// said is in the store, and of what is there every change has its line of the audit.
/// </summary>
public sealed class StoreCrashTests
{
    /// <summary>Lives on one database; then a new one, so that the look after each stays short.</summary>
    private const int LivesOfADatabase = 25;

    [Fact]
    public async Task Every_acknowledged_write_is_in_SQLite_after_a_kill()
    {
        for (var done = 0; done < FaultSettings.StoreRounds; done += LivesOfADatabase)
        {
            using var folder = new TempFolder();
            var file = Path.Combine(folder.Root, "keyreeve.db");
            await RunAsync("SQLite", file, done, async () => await SqliteEngine.OpenAsync(file, TimeProvider.System, "beside", CancellationToken.None));
        }
    }

    [Fact]
    public async Task Every_acknowledged_write_is_in_PostgreSQL_after_a_kill()
    {
        await using var postgres = await TestPostgres.OwnAsync(fsync: true);
        for (var done = 0; done < FaultSettings.StoreRounds; done += LivesOfADatabase)
        {
            var connection = await postgres.NewDatabaseAsync();
            Assert.True(PostgresAddress.TryRead(connection, allowPlain: true, out var address, out var wrong), wrong);
            await RunAsync("PostgreSQL", connection, done, async () => await PostgresEngine.OpenAsync(address, TimeProvider.System, "beside", CancellationToken.None));
        }
    }

    private static async Task RunAsync(string engine, string place, int first, Func<Task<IDatabase>> openAsync)
    {
        var last = Math.Min(first + LivesOfADatabase, FaultSettings.StoreRounds);
        var random = new Random(FaultSettings.Seed + first);
        var said = 0;
        for (var life = first; life < last; life++)
        {
            // One in five dies while it opens the database, that is while it recovers from the kill before.
            var early = life > first && random.Next(5) == 0;
            var lines = await HammerAsync(place, life, early ? 0 : random.Next(1, 200), TimeSpan.FromMicroseconds(early ? random.Next(60_000, 400_000) : random.Next(5000)));
            said += lines.Count;
            await using var database = await openAsync();
            try
            {
                try
                {
                    await CheckAsync(new Stores(database), lines);
                }
                catch (Xunit.Sdk.XunitException)
                {
                    // The database may end the killed program's last write a moment after its death, between two looks of ours.
                    await Task.Delay(3000, TestContext.Current.CancellationToken);
                    await CheckAsync(new Stores(database), lines);
                }
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{engine}: kill {life}, seed {FaultSettings.Seed}: {e.Message}", e);
            }
        }
        Assert.True(said > 0, "nothing was acknowledged: this run proves nothing");
        FaultSettings.Say($"{engine}: {last} kills of a writer, seed {FaultSettings.Seed}; {said} acknowledged writes of the last {last - first}, none lost");
    }

    /// <summary>Starts it, kills it a moment after so many of its lines, and returns what it said.</summary>
    private static async Task<List<string>> HammerAsync(string place, int life, int after, TimeSpan delay)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Keyreeve.StoreHammer.dll"), place, life.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var reading = Task.Run(async () =>
        {
            var lines = new List<string>();
            while (await process.StandardOutput.ReadLineAsync() is { } line)
            {
                if (line != "ready")
                    lines.Add(line);
                if (lines.Count == after)
                    reached.TrySetResult();
            }
            reached.TrySetResult();
            return lines;
        });
        if (after > 0)
            await reached.Task.WaitAsync(TimeSpan.FromSeconds(90));
        await Task.Delay(delay);
        Assert.False(process.HasExited, "the writer ended by itself");
        process.Kill();
        await process.WaitForExitAsync();
        return await reading;
    }

    private static async Task CheckAsync(Stores stores, List<string> lines)
    {
        var none = CancellationToken.None;
        Assert.Null((await AuditVerification.WalkAsync(stores.Audit, none)).BrokenAt);
        var audited = await AuditedAsync(stores.Audit);
        var revoked = (await stores.Revocations.LoadAsync(-1, 0, none)).Select(r => r.Value).ToHashSet(StringComparer.Ordinal);
        var generations = new Dictionary<string, long>(StringComparer.Ordinal);
        var versions = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var line in lines)
        {
            var words = line.Split(' ');
            switch (words[0])
            {
                case "code":
                    Assert.NotNull(await stores.Grants.FindCodeAsync(Hash(words[1]), none));
                    break;
                case "redeemed":
                    Assert.NotEqual(0, (await stores.Grants.FindCodeAsync(Hash(words[1]), none))!.RedeemedAt);
                    Assert.Contains(("code.redeemed", words[1]), audited.Keys);
                    break;
                case "rotated":
                    generations[words[1]] = long.Parse(words[2], CultureInfo.InvariantCulture);
                    break;
                case "revoked":
                    Assert.Contains(words[1], revoked);
                    break;
                case "saved":
                    versions[words[1]] = words;
                    break;
                case "asserted":
                    Assert.False(await stores.Assertions.AddAsync("client", words[1], long.MaxValue, none), "an assertion is new again");
                    break;
            }
        }
        foreach (var (id, generation) in generations)
        {
            var family = await stores.Grants.FindFamilyAsync(id, none);
            Assert.InRange(family!.Generation, generation, generation + 1);
            Assert.Equal(family.Generation, audited[("family.rotated", id)]);
        }
        foreach (var (service, words) in versions)
        {
            var (found, kept) = (await stores.KeyRecords.ReadAsync([(service, KmIdentity.ServiceOnly)], none))[0];
            var record = found!;
            Assert.Equal(record.Latest, Assert.Single(kept).Number);
            var version = long.Parse(words[2], CultureInfo.InvariantCulture);
            Assert.InRange(record.Version, version, version + 1);
            Assert.Equal(record.Version, audited[("record.saved", service)]);
            if (record.Version == version)
                Assert.Equal(words[3], Convert.ToHexString(kept[0].Ciphertext));
        }
    }

    private static async Task<Dictionary<(string Kind, string Subject), long>> AuditedAsync(AuditStore audit)
    {
        var counts = new Dictionary<(string, string), long>();
        var after = 0L;
        while (await audit.ReadAsync("hammer", after, 1000, CancellationToken.None) is { Count: > 0 } page)
        {
            foreach (var line in page)
            {
                using var json = JsonDocument.Parse(line.Json);
                var key = (json.RootElement.GetProperty("kind").GetString()!, json.RootElement.GetProperty("subject").GetString()!);
                counts[key] = counts.GetValueOrDefault(key) + 1;
            }
            after = page[^1].Sequence;
        }
        return counts;
    }

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
