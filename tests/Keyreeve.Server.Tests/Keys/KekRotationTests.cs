using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Keyreeve.Server.Tests.Cli;
using Keyreeve.Server.Tests.Faults;
using Xunit;

namespace Keyreeve.Server.Tests.Keys;

/// <summary>The KEK is changed under load, and the process killed in the middle of it: whatever was sealed opens afterwards.</summary>
public sealed class KekRotationTests : IDisposable
{
    private const int Profiles = 600;

    private static readonly string[] Serve = ["--demo", "--set", "Tokens:RefreshGraceSeconds=300"];

    private readonly TempFolder _folder = new();
    private IReadOnlyDictionary<string, string> _environment = new Dictionary<string, string>();

    private static int Kills => Math.Max(6, FaultSettings.ServerRounds / 4);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    public async Task Killed_anywhere_in_a_rotation_the_next_start_opens_everything(string engine)
    {
        _environment = await StoreFolder.EnvironmentOfAsync(engine);
        string refresh;
        await using (await _folder.StartAsync(_environment, Serve))
        {
            using var client = new ProgramClient(_folder);
            refresh = (string)(await client.SignInAsync())["refresh_token"]!;
            await AddProfilesAsync(Profiles);
        }
        for (var round = 0; round < Kills; round++)
        {
            await using (var process = await _folder.StartAsync(_environment, Serve))
            {
                var load = LoadAsync(refresh);
                var rotations = RotateAsync();
                // Somewhere in it: before the first file is written, between two of them, while rows are sealed anew, or in the next rotation.
                await Task.Delay(RandomNumberGenerator.GetInt32(0, 1500), TestContext.Current.CancellationToken);
                await process.SignalAsync("KILL");
                await process.ExitAsync();
                refresh = await load;
                await rotations;
            }
        }
        await using (await _folder.StartAsync(_environment, Serve))
        {
            await CheckAllOpensAsync(refresh);
            await RunAdminAsync("kek", "rotate", "--alone");
            var status = await UntilAsync(s => s["tables"]!.AsArray().All(t => (string?)t!["kek"] == (string)s["current"]!));
            Assert.Empty(status["warnings"]!.AsArray());
        }
        // A new process has nothing in flight that was sealed by an old key.
        await using (await _folder.StartAsync(_environment, Serve))
        {
            var status = await StatusAsync();
            var old = status["keys"]!.AsArray().Where(k => (string)k!["use"]! == "opens").Select(k => (string)k!["id"]!).ToList();
            Assert.NotEmpty(old);
            foreach (var id in old)
                Assert.Equal(id, (string)JsonNode.Parse(await RunAdminAsync("kek", "retire", id))!["id"]!);
            Assert.False(File.Exists(_folder.File("kek.old")));
        }
        await using (await _folder.StartAsync(_environment, Serve))
        {
            Assert.Single((await StatusAsync())["keys"]!.AsArray());
            using var client = new ProgramClient(_folder);
            var tokens = await client.SignInAsync();
            await client.GetKeysAsync((string)tokens["access_token"]!);
            var verified = await KeyreeveProcess.RunAsync(["audit", "verify", "--data", _folder.Data], _environment);
            Assert.True(verified.Code == 0, verified.Output);
        }
    }

    [Theory]
    [InlineData("SQLite", "it was sealed by KEK ")]
    [InlineData("PostgreSQL", "is sealed by KEK ")]
    public async Task A_new_KEK_out_of_the_environment_takes_over_and_the_old_one_is_needed_until_all_is_sealed_anew(string engine, string says)
    {
        var environment = await StoreFolder.EnvironmentOfAsync(engine);
        string first = NewKek(), second = NewKek();
        await using (await _folder.StartAsync(With(first), "--demo"))
        {
            var (code, output) = await KeyreeveProcess.RunAsync("admin", "kek", "rotate", "--data", _folder.Data);
            Assert.Equal(1, code);
            Assert.Contains("KEYREEVE_KEK_OLD", output, StringComparison.Ordinal);
        }
        var wrong = await KeyreeveProcess.RunAsync(_folder.Serve("--demo"), With(second));
        Assert.Equal(2, wrong.Code);
        Assert.Contains(says, wrong.Output, StringComparison.Ordinal);
        await using (await _folder.StartAsync(With(second, first), "--demo"))
            await UntilAsync(s => s["tables"]!.AsArray().All(t => (string?)t!["kek"] == (string)s["current"]!));
        await using (await _folder.StartAsync(With(second), "--demo"))
        {
            using var client = new ProgramClient(_folder);
            await client.GetKeysAsync((string)(await client.SignInAsync())["access_token"]!);
        }
        Assert.False(File.Exists(_folder.File("kek")));

        Dictionary<string, string> With(string kek, string? old = null)
        {
            var all = new Dictionary<string, string>(environment) { ["KEYREEVE_KEK"] = kek };
            if (old is not null)
                all["KEYREEVE_KEK_OLD"] = old;
            return all;
        }
    }

    private async Task AddProfilesAsync(int count)
    {
        using var admin = _folder.Operator();
        for (var i = 0; i < count; i++)
            using (var response = await admin.PostAsync("profiles", Json(new JsonObject { ["serviceId"] = "pump-control", ["valUeId"] = $"ue-{i}", ["document"] = new JsonObject { ["number"] = i } })))
                Assert.Equal(HttpStatusCode.Created, response.StatusCode);
    }

    /// <summary>Refreshes, asks for keys and signs in until the server is gone; returns the last refresh token that was answered.</summary>
    private async Task<string> LoadAsync(string refresh)
    {
        using var client = new ProgramClient(_folder);
        try
        {
            while (true)
            {
                var tokens = await client.RefreshAsync(refresh);
                refresh = (string)tokens["refresh_token"]!;
                var (status, body) = await client.AskForKeysAsync((string)tokens["access_token"]!);
                // Right after a start requests may still be replays of the life before.
                if (status is not (HttpStatusCode.OK or HttpStatusCode.Forbidden))
                    throw new InvalidOperationException($"a key request got {status}: {body}");
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            return refresh;
        }
    }

    private async Task RotateAsync()
    {
        using var admin = _folder.Operator();
        try
        {
            for (var i = 0; i < 3; i++)
                using (var response = await admin.PostAsync("kek/rotate", Json(new() { ["alone"] = true })))
                    if (response.StatusCode != HttpStatusCode.OK)
                        throw new InvalidOperationException(await response.Content.ReadAsStringAsync());
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // Killed.
        }
    }

    private async Task CheckAllOpensAsync(string refresh)
    {
        using var client = new ProgramClient(_folder);
        var tokens = await client.RefreshAsync(refresh);
        Assert.True(await client.IsActiveAsync((string)tokens["access_token"]!));
        var status = await StatusAsync();
        Assert.Empty(status["warnings"]!.AsArray());
        Assert.All(status["tables"]!.AsArray(), t => Assert.True((bool)t!["known"]!));
        Assert.True(status["tables"]!.AsArray().Where(t => (string)t!["table"]! == "val_profiles").Sum(t => (long)t!["rows"]!) >= Profiles);
        for (var deadline = TimeProvider.System.GetTimestamp(); ; await Task.Delay(500, TestContext.Current.CancellationToken))
        {
            if ((await client.AskForKeysAsync((string)tokens["access_token"]!)).Status == HttpStatusCode.OK)
                return;
            Assert.True(TimeProvider.System.GetElapsedTime(deadline) < TimeSpan.FromSeconds(60), "the key record does not open");
        }
    }

    private async Task<JsonObject> StatusAsync() => JsonNode.Parse(await RunAdminAsync("kek", "status"))!.AsObject();

    private async Task<JsonObject> UntilAsync(Func<JsonObject, bool> isSo)
    {
        for (var start = TimeProvider.System.GetTimestamp(); ;)
        {
            var status = await StatusAsync();
            if (isSo(status))
                return status;
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(90), status.ToJsonString());
        }
    }

    private async Task<string> RunAdminAsync(params string[] arguments)
    {
        var (code, output) = await KeyreeveProcess.RunAsync([.. arguments.Prepend("admin"), "--json", "--data", _folder.Data], null);
        Assert.True(code == 0, output);
        return output;
    }

    private static StringContent Json(JsonObject body) => new(body.ToJsonString(), null, "application/json");

    private static string NewKek() => System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
}
