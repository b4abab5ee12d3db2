using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Keyreeve.Core.Keys;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Keys;

/// <summary>The root and services' keys are changed under load, and the process killed in the middle of it: everything opens afterwards, and the work goes on.</summary>
[Proves("TS 33.434", "5.3.1")]
public sealed class SealRotationTests : IDisposable
{
    private const int Kills = 8;
    private const int Records = 600;

    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string> _key = new() { ["KEYREEVE_SEAL_KEY"] = UnsealKey.NewFile() };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Killed_anywhere_in_a_rotation_the_next_start_opens_everything_and_goes_on()
    {
        await using (await StartAsync())
        {
            await AddRecordsAsync();
            using var admin = _folder.Operator();
            await PostAsync(admin, "seal/init", new JsonObject { ["method"] = "key-file", ["key"] = _key["KEYREEVE_SEAL_KEY"] });
        }
        for (var round = 0; round < Kills; round++)
        {
            await using var process = await StartAsync();
            using var client = new ProgramClient(_folder);
            var token = (string)(await client.SignInAsync())["access_token"]!;
            await client.GetKeysAsync(token);
            var load = LoadAsync(client, token);
            var rotations = RotateAsync();
            // Somewhere in it: before the root is stored, between two batches, before a former key goes, or in the next rotation.
            await Task.Delay(RandomNumberGenerator.GetInt32(0, 1500), TestContext.Current.CancellationToken);
            await process.SignalAsync("KILL");
            await process.ExitAsync(TimeSpan.FromSeconds(30));
            await load;
            await rotations;
        }
        await using (await StartAsync())
        {
            // What was begun is ended without anybody asking.
            await UntilWrappedAsync();
            // Once more around: each key and each record must open to be wrapped anew.
            using var admin = _folder.Operator();
            await PostAsync(admin, "seal/rotate", null);
            await PostAsync(admin, "seal/services/pump-control/rotate", null);
            var status = await UntilWrappedAsync();
            Assert.Equal(0, (long)status["rewrap"]!["unopened"]!);
            using var client = new ProgramClient(_folder);
            await client.GetKeysAsync((string)(await client.SignInAsync())["access_token"]!);
            var verified = await KeyreeveProcess.RunAsync("audit", "verify", "--data", _folder.Data);
            Assert.True(verified.Code == 0, verified.Output);
        }
        // And without the key it does not open.
        await using (var process = await _folder.StartDemoAsync())
            Assert.Contains("the key store is sealed", process.Output, StringComparison.Ordinal);
    }

    private Task<KeyreeveProcess> StartAsync() => _folder.StartAsync(_key, "--demo");

    private async Task AddRecordsAsync()
    {
        using var admin = _folder.Operator();
        for (var i = 0; i < Records; i++)
            await PostAsync(admin, "key-records", new JsonObject { ["serviceId"] = "pump-control", ["deviceId"] = $"ue-{i}", ["payload"] = $"payload {i}" });
    }

    /// <summary>Until the server is gone every request is granted: a rotation refuses nobody.</summary>
    private static async Task LoadAsync(ProgramClient client, string token)
    {
        try
        {
            while (true)
                if (await client.AskForKeysAsync(token) is var (status, body) && status != HttpStatusCode.OK)
                    throw new InvalidOperationException($"a key request got {status}: {body}");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // Killed.
        }
    }

    private async Task RotateAsync()
    {
        using var admin = _folder.Operator();
        try
        {
            for (var i = 0; i < 4; i++)
            {
                await PostAsync(admin, "seal/rotate", null);
                await PostAsync(admin, "seal/services/pump-control/rotate", null);
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
            if ((string)status["rewrap"]!["state"]! == "idle" && (long)status["serviceKeys"]!["left"]! == 0 && status["rotating"]!.AsArray().Count == 0 && status["roots"]!.AsArray().Count == 1)
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
