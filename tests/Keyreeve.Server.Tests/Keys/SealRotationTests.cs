using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Keys;
using Keyreeve.Server.Tests.Faults;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Keys;

/// <summary>The root and services' keys are changed under load, and the process killed in the middle of it: everything opens afterwards, and the work goes on.</summary>
[Proves("TS 33.434", "5.3.1")]
public sealed class SealRotationTests : IDisposable
{
    private const string Service = "pump-control";
    private const int Kills = 5;

    /// <summary>When no kill has come in the middle of a walk by then, this proves nothing and fails.</summary>
    private const int MostKills = 15;

    /// <summary>Fifteen batches of the walk, each with its rest: time enough for a kill between them, however fast the machine.</summary>
    private const int Records = 3000;

    /// <summary>Of the Date/Time of key requests; the shortest, as every start refuses them for so long.</summary>
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);

    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string> _environment = new() { ["KEYREEVE_SEAL_KEY"] = UnsealKey.NewFile() };
    private string? _connection;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public Task Killed_anywhere_in_a_rotation_the_next_start_opens_everything_and_goes_on() => KilledAsync();

    [Fact]
    public async Task Killed_anywhere_in_a_rotation_on_PostgreSQL_the_next_start_opens_everything_and_goes_on()
    {
        _connection = await (await TestPostgres.SharedAsync()).NewDatabaseAsync();
        _environment["KEYREEVE__Storage__Connection"] = _connection;
        await KilledAsync();
    }

    private async Task KilledAsync()
    {
        FaultSettings.Say($"seed {FaultSettings.Seed}");
        var random = new Random(FaultSettings.Seed);
        await using (await StartAsync())
        {
            await AddRecordsAsync();
            using var admin = _folder.Operator();
            await PostAsync(admin, "seal/init", new JsonObject { ["method"] = "key-file", ["key"] = _environment["KEYREEVE_SEAL_KEY"] });
        }
        var (kills, middle) = (0, 0);
        for (; kills < Kills || (middle == 0 && kills < MostKills); kills++)
        {
            await RotateAndKillAsync(random, aimed: kills % 2 == 0);
            var (left, all) = await LeftAsync();
            FaultSettings.Say($"kill {kills}: {left} of {all} are left under a former key");
            middle += left > 0 && left < all ? 1 : 0;
        }
        Assert.True(middle > 0, $"none of {kills} kills came in the middle of a walk, seed {FaultSettings.Seed}");
        await using (await StartAsync())
        {
            // What was begun is ended without anybody asking.
            await UntilWrappedAsync();
            // Once more around: each key and each record must open to be wrapped anew.
            using var admin = _folder.Operator();
            await PostAsync(admin, "seal/rotate", null);
            await PostAsync(admin, $"seal/services/{Service}/rotate", null);
            var status = await UntilWrappedAsync();
            Assert.Equal(0, (long)status["rewrap"]!["unopened"]!);
            using var client = new ProgramClient(_folder);
            await client.GetKeysAsync((string)(await client.SignInAsync())["access_token"]!);
            var verified = await KeyreeveProcess.RunAsync(["audit", "verify", "--data", _folder.Data], _environment);
            Assert.True(verified.Code == 0, verified.Output);
        }
        // And without the key it does not open.
        _environment.Remove("KEYREEVE_SEAL_KEY");
        await using (var process = await StartAsync())
            await process.SaysAsync("the key store is sealed");
    }

    private Task<KeyreeveProcess> StartAsync() => _folder.StartAsync(_environment, "--demo", "--set", "Seal:WindowSeconds=1");

    private async Task AddRecordsAsync()
    {
        var lines = Path.Combine(_folder.Root, "keys.ndjson");
        await File.WriteAllLinesAsync(lines, Enumerable.Range(0, Records).Select(i => $"{{\"serviceId\":\"{Service}\",\"deviceId\":\"ue-{i}\",\"payload\":\"payload {i}\"}}"), None);
        var (code, output) = await KeyreeveProcess.RunAsync("admin", "key", "import", lines, "--data", _folder.Data);
        Assert.True(code == 0, output);
    }

    /// <summary>One life under load: it ends between two batches of the walk, or anywhere: before the root is stored, before a former key goes, in the next rotation.</summary>
    private async Task RotateAndKillAsync(Random random, bool aimed)
    {
        await using var process = await StartAsync();
        using var client = new ProgramClient(_folder);
        var token = (string)(await client.SignInAsync())["access_token"]!;
        await client.GetKeysAsync(token);
        var load = LoadAsync(client, token);
        // After the one that is aimed at none comes, by which everything would be left again.
        var rotations = RotateAsync(aimed ? 1 : 4);
        if (aimed)
        {
            await rotations;
            await UntilUnderWayAsync();
        }
        await Task.Delay(random.Next(aimed ? 50 : 1500), None);
        process.KillNow();
        await process.ExitAsync();
        await load;
        await rotations;
    }

    /// <summary>Until some of the records are wrapped anew and some are not, or that is missed.</summary>
    private async Task UntilUnderWayAsync()
    {
        using var admin = _folder.Operator();
        for (var since = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(5);)
            if (JsonNode.Parse(await admin.GetStringAsync("seal", None))!["rotating"]!.AsArray().Any(r => (long)r!["left"]! is > 0 and < Records))
                return;
    }

    /// <summary>What the process left that was killed: key versions of the service under a former key, and all of them.</summary>
    private async Task<(long Left, long All)> LeftAsync()
    {
        await using var database = await OpenAsync();
        var stores = new Stores(database);
        var newest = await stores.Seal.FindKekAsync(Service, None);
        return (await stores.KeyRecords.CountBelowAsync(Service, newest!.Version, None), await stores.KeyRecords.CountBelowAsync(Service, long.MaxValue, None));
    }

    /// <summary>The database; of SQLite a copy, so that the next start finds what the kill left.</summary>
    private async Task<IDatabase> OpenAsync()
    {
        if (_connection is not null)
        {
            Assert.True(PostgresAddress.TryRead(_connection, allowPlain: true, out var address, out var wrong), wrong);
            return await PostgresEngine.OpenAsync(address, TimeProvider.System, "beside", None);
        }
        var copy = Directory.CreateDirectory(Path.Combine(_folder.Root, "copy")).FullName;
        foreach (var file in (string[])["keyreeve.db", "keyreeve.db-wal"])
            File.Copy(_folder.File(file), Path.Combine(copy, file), overwrite: true);
        return await SqliteEngine.OpenAsync(Path.Combine(copy, "keyreeve.db"), TimeProvider.System, "beside", None);
    }

    /// <summary>Until the server is gone every request is granted: a rotation refuses nobody.</summary>
    private static async Task LoadAsync(ProgramClient client, string token)
    {
        try
        {
            while (true)
            {
                var since = TimeProvider.System.GetTimestamp();
                var (status, body) = await client.AskForKeysAsync(token);
                // One that was on its way for longer than the window is too old where it arrives: no rotation has refused it.
                var tooLate = status == HttpStatusCode.Forbidden && TimeProvider.System.GetElapsedTime(since) > Window;
                if (status != HttpStatusCode.OK && !tooLate)
                    throw new InvalidOperationException($"a key request got {status}: {body}");
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // Killed.
        }
    }

    private async Task RotateAsync(int times)
    {
        using var admin = _folder.Operator();
        try
        {
            for (var i = 0; i < times; i++)
            {
                await PostAsync(admin, "seal/rotate", null);
                await PostAsync(admin, $"seal/services/{Service}/rotate", null);
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // Killed.
        }
    }

    private async Task<JsonObject> UntilWrappedAsync()
    {
        using var admin = _folder.Operator();
        for (var start = TimeProvider.System.GetTimestamp(); ; await Task.Delay(200, TestContext.Current.CancellationToken))
        {
            var status = JsonNode.Parse(await admin.GetStringAsync("seal", TestContext.Current.CancellationToken))!.AsObject();
            // On PostgreSQL a former root stays for a minute, for nodes that have not heard of the next.
            if ((string)status["rewrap"]!["state"]! == "idle" && (long)status["serviceKeys"]!["left"]! == 0 && status["rotating"]!.AsArray().Count == 0 && (_connection is not null || status["roots"]!.AsArray().Count == 1))
                return status;
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(90), status.ToJsonString());
        }
    }

    private static async Task PostAsync(HttpClient admin, string path, JsonObject? body)
    {
        using var response = await admin.PostAsync(path, body is null ? null : new StringContent(body.ToJsonString(), null, "application/json"));
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {response.StatusCode} {text}");
    }
}
