using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// The clock of a server process jumps by an hour, either way and back, seen from outside on both engines (libfaketime). What the sweeper does meanwhile is
/// shown by <see cref="ClockTests"/>, which needs not wait for it.
/// </summary>
public sealed class ClockJumpTests : IDisposable
{
    private const int Hour = 3600;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    public async Task What_was_used_or_revoked_stays_so_what_is_good_is_not_destroyed_and_everybody_is_served(string engine)
    {
        var library = Directory.Exists("/usr/lib") ? Directory.GetFiles("/usr/lib", "libfaketimeMT.so.1", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, MaxRecursionDepth = 3 }) : [];
        Assert.SkipUnless(library.Length > 0, "libfaketime is not installed (apt-get install libfaketime)");
        var offset = Path.Combine(_folder.Root, "offset");
        await JumpAsync(0);
        var environment = new Dictionary<string, string>
        {
            ["LD_PRELOAD"] = library[0],
            ["FAKETIME_TIMESTAMP_FILE"] = offset,
            ["FAKETIME_NO_CACHE"] = "1",
            ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
            ["DONT_FAKE_MONOTONIC"] = "1",
        };
        if (engine == "PostgreSQL")
            environment["KEYREEVE__Storage__Connection"] = await (await TestPostgres.SharedAsync()).NewDatabaseAsync();
        await using var process = await _folder.StartAsync(environment, "--demo", "--set", "Seal:WindowSeconds=30", "--set", "Tokens:RefreshGraceSeconds=0");
        using var client = new ProgramClient(_folder);

        var code = await client.CodeAsync();
        Assert.Equal(HttpStatusCode.OK, (await client.RedeemAsync(code)).Status);
        var (kept, rotated) = (await client.SignInAsync(), await client.SignInAsync());
        await client.RefreshAsync(Refresh(rotated));
        var revoked = await client.SignInAsync();
        await client.RevokeAsync(Access(revoked));
        var request = client.KeyRequest(Now);
        Assert.Equal(HttpStatusCode.OK, (await client.SendKeyRequestAsync(Access(kept), request)).Status);

        var refresh = Refresh(kept);
        foreach (var jump in (int[])[-Hour, 0, Hour, 0])
        {
            await JumpAsync(jump);
            // It has jumped: a request of the server's hour is answered, one of another hour is not.
            var token = jump == Hour ? Access(await client.SignInAsync()) : Access(kept);
            Assert.Equal(HttpStatusCode.OK, (await client.AskForKeysAsync(token, Now + jump)).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await client.AskForKeysAsync(token, Now + (jump == 0 ? Hour : 0))).Status);
            Assert.Equal(jump != Hour, await IsActiveAsync(kept));
            Assert.False(await IsActiveAsync(revoked));
            Assert.Equal(HttpStatusCode.Forbidden, (await client.SendKeyRequestAsync(token, request)).Status);
            refresh = Refresh(await client.RefreshAsync(refresh));
            Assert.NotNull((await client.SignInAsync())["access_token"]);
        }
        // Last, because who uses it twice ends what came of it.
        Assert.Equal(HttpStatusCode.BadRequest, (await client.RedeemAsync(code)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await client.PostAsync("/token", new() { ["grant_type"] = "refresh_token", ["refresh_token"] = Refresh(rotated) })).Status);
        process.KillNow();
        await process.ExitAsync();
        var (verified, output) = await KeyreeveProcess.RunAsync(["audit", "verify", "--data", _folder.Data], engine == "PostgreSQL" ? new Dictionary<string, string> { ["KEYREEVE__Storage__Connection"] = environment["KEYREEVE__Storage__Connection"] } : null);
        Assert.True(verified == 0, output);

        Task JumpAsync(int seconds) => File.WriteAllTextAsync(offset, FormattableString.Invariant($"{seconds:+0;-0;+0}"), TestContext.Current.CancellationToken);

        async Task<bool> IsActiveAsync(JsonObject tokens) => (bool)JsonNode.Parse((await client.PostAsync("/introspect", new() { ["token"] = Access(tokens) })).Body)!["active"]!;
    }

    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    private static string Access(JsonObject tokens) => (string)tokens["access_token"]!;

    private static string Refresh(JsonObject tokens) => (string)tokens["refresh_token"]!;
}
