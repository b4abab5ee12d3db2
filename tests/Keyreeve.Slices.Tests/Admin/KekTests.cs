using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Keys;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

/// <summary>The KEK through the admin API; each test has a server of its own, because its folder's KEK changes.</summary>
public sealed class KekTests : IAsyncLifetime
{
    private readonly AdminFixture _admin = new();

    public ValueTask InitializeAsync() => _admin.InitializeAsync();

    public ValueTask DisposeAsync() => _admin.DisposeAsync();

    private async Task<JsonObject> StatusAsync()
    {
        var answer = await _admin.GetAsync("/kek");
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        return answer.Body;
    }

    private static long RowsOf(JsonObject status, string id) => (long)status["keys"]!.AsArray().Single(k => (string)k!["id"]! == id)!["rows"]!;

    private string File(string name) => _admin.Server.Folder.Path(name);

    [Fact]
    public async Task A_rotation_seals_everything_anew_and_the_old_KEK_can_be_retired()
    {
        // However long it takes to seal everything anew here, it is a moment after the switch.
        _admin.Server.Time.StandStill();
        var before = await StatusAsync();
        var old = (string)before["current"]!;
        Assert.NotEqual(0, RowsOf(before, old));
        var rotated = await _admin.PostAsync("/kek/rotate");
        Assert.Equal(HttpStatusCode.OK, rotated.Status);
        var current = (string)rotated.Body["current"]!;
        Assert.NotEqual(old, current);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File("kek.old")));

        Assert.Equal(HttpStatusCode.Conflict, (await _admin.PostAsync("/kek/retire")).Status);
        await _admin.Server.WaitForAsync(async () => RowsOf(await StatusAsync(), old) == 0);
        // Requests that sealed just before the switch may still write.
        Assert.Contains("30 s ago", (await _admin.PostAsync("/kek/retire")).Detail, StringComparison.Ordinal);
        _admin.Server.Time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(HttpStatusCode.NotFound, (await _admin.PostAsync("/kek/retire", """{"id":"0000000000000000"}""")).Status);
        var retired = await _admin.PostAsync("/kek/retire");
        Assert.Equal((HttpStatusCode.OK, old), (retired.Status, (string)retired.Body["id"]!));
        Assert.Contains("backups made before now need KEK " + old, (string)retired.Body["note"]!, StringComparison.Ordinal);
        Assert.False(System.IO.File.Exists(File("kek.old")));
        Assert.Equal([current], (await StatusAsync())["keys"]!.AsArray().Select(k => (string)k!["id"]!));
        Assert.Equal(HttpStatusCode.OK, (await _admin.GetAsync("/operators")).Status);

        // The line about the rows is written after the last of them.
        await _admin.Server.WaitForAsync(async () => (await _admin.AuditAsync()).Contains("kek.rewrapped", StringComparison.Ordinal));
        var audit = await _admin.AuditAsync();
        foreach (var kind in (string[])["kek.current", "kek.rotated", "kek.rewrapped", "kek.retired"])
            Assert.Contains(kind, audit, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_that_all_nodes_know_already_is_switched_to_by_its_id()
    {
        var text = Server.Hosting.KekFiles.Make();
        _admin.Server.Folder.Write("kek.old", text + "\n");
        var id = Server.Hosting.KekFiles.IdOf(text);
        Assert.Equal(HttpStatusCode.NotFound, (await _admin.PostAsync("/kek/rotate", """{"to":"0000000000000000"}""")).Status);
        var rotated = await _admin.PostAsync("/kek/rotate", $$"""{"to":"{{id}}"}""");
        Assert.Equal((HttpStatusCode.OK, id), (rotated.Status, (string)rotated.Body["current"]!));
        Assert.Equal(text, (await System.IO.File.ReadAllTextAsync(File("kek"), TestContext.Current.CancellationToken)).Trim());
        Assert.Equal(HttpStatusCode.NotFound, (await _admin.PostAsync("/kek/rotate", $$"""{"to":"{{id}}"}""")).Status);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_rotation_that_ended_after_any_of_its_steps_leaves_a_store_that_opens(int steps)
    {
        var path = Directory.CreateTempSubdirectory("keyreeve-test-").FullName;
        var next = Server.Hosting.KekFiles.Make();
        string before;
        await using (var server = await TestServer.StartAsync(path, keep: true))
        {
            var parts = (Server.Hosting.ServerParts)server.Server.Application.Services.GetService(typeof(Server.Hosting.ServerParts))!;
            before = parts.Kek.Id;
            // The steps of KekKeeper.RotateAsync, and then the end of the process.
            Server.Hosting.KekFiles files = new(server.Folder);
            using var key = Server.Hosting.KekFiles.Key(next, "test");
            await System.IO.File.WriteAllTextAsync(server.Folder.Path("kek.new"), "half a ke", TestContext.Current.CancellationToken);
            if (steps > 0)
                files.Prepare(next);
            if (steps > 1)
                await parts.Stores.Sealed.PutAsync(Server.Hosting.KekKeeper.Target, key.Seal(Server.Hosting.KekKeeper.Target, "1"u8), new() { Kind = "test", Outcome = Core.Audit.AuditOutcome.Changed, At = 1 }, CancellationToken.None);
            if (steps > 2)
                files.Switch(next);
        }
        await using (var server = await TestServer.StartAsync(path, keep: false))
        {
            var expected = steps > 2 ? Server.Hosting.KekFiles.IdOf(next) : before;
            var parts = (Server.Hosting.ServerParts)server.Server.Application.Services.GetService(typeof(Server.Hosting.ServerParts))!;
            Assert.Equal(expected, parts.Kek.Id);
            Keyreeve.Storage.SealedRows rows = new(parts.Stores.Database);
            await server.WaitForAsync(async () => (await rows.CountAsync(CancellationToken.None)).All(c => c.KekId == expected));
            Assert.False(System.IO.File.Exists(server.Folder.Path("kek.new")));
        }
    }

    [Fact]
    public async Task Several_rotations_at_once_leave_everything_openable()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => _admin.PostAsync("/kek/rotate")));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.Status));
        await _admin.Server.WaitForAsync(async () =>
        {
            var status = await StatusAsync();
            return status["tables"]!.AsArray().All(t => (string?)t!["kek"] == (string)status["current"]!);
        });
        Assert.Empty((await StatusAsync())["warnings"]!.AsArray());
        Assert.Equal(HttpStatusCode.OK, (await _admin.GetAsync("/operators")).Status);
    }

    [Fact]
    public async Task A_row_that_needs_an_unknown_KEK_is_told_of_with_its_id()
    {
        using var other = Kek.FromBytes([.. Enumerable.Repeat((byte)9, Kek.KeySize)]);
        var stores = _admin.Server.Server.Application.Services.GetService(typeof(Server.Hosting.ServerParts)) as Server.Hosting.ServerParts;
        await stores!.Stores.Sealed.PutAsync("strange", other.Seal("strange", "x"u8), new() { Kind = "test", Outcome = Core.Audit.AuditOutcome.Changed, At = 1 }, CancellationToken.None);
        Assert.Contains(other.Id + ", which is not known here", (await StatusAsync())["warnings"]!.ToJsonString(), StringComparison.Ordinal);
    }
}
