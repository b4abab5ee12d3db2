using System.Buffers.Text;
using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Keys;
using Keyreeve.Testing;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>The seal of the key store, seen from outside: by the operator, by VAL users and VAL servers, and by a thief of the database.</summary>
[Proves("TS 33.434", "5.3.1")]
public sealed class SealedStoreTests
{
    private const string Passphrase = "correct horse battery staple";

    private static JsonObject Of(params (string Name, JsonNode? Value)[] members) => new([.. members.Select(m => KeyValuePair.Create(m.Name, m.Value))]);

    [Fact]
    public async Task A_new_store_opens_by_itself()
    {
        await using var sealing = await SealedDoor.StartAsync();
        var status = await sealing.StatusAsync();
        Assert.Equal((false, "kek", 1), ((bool)status["sealed"]!, (string)status["method"]!, (long)status["root"]!));
        Assert.Equal(2, (long)status["serviceKeys"]!["total"]!);
        Assert.Equal((HttpStatusCode.OK, "ready"), await sealing.ReadyAsync());
        await sealing.IsGrantedAsync();
    }

    [Fact]
    public async Task Sealed_by_a_passphrase_the_next_start_gives_out_nothing_until_it_is_given()
    {
        await using var sealing = await SealedDoor.StartAsync();
        Assert.Equal(2, (long)(await sealing.DoneAsync("/init", Of(("method", "passphrase"), ("passphrase", Passphrase)))).Body["root"]!);
        await sealing.IsGrantedAsync();
        await sealing.WrappedAsync();
        await sealing.RestartAsync();

        // Sign-in and tokens were had already by now: the rest of the server serves.
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "sealed"), await sealing.ReadyAsync());
        Assert.True((bool)(await sealing.StatusAsync())["sealed"]!);
        var door = sealing.Door;
        (await door.AskAsync(door.Request(), door.AliceToken)).Refused("01", 500);
        var (status, body) = await sealing.RetrieveAsync("val-service-id=pump-control");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "KMS_SEALED", "01"), (status, (string)body["cause"]!, (string)body["errorCode"]!));
        var add = await sealing.SendAsync(HttpMethod.Post, "/key-records", Of(("serviceId", "pump-control"), ("userId", "sip:new@val.example"), ("payload", "x")));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "Sealed"), (add.Status, add.Cause));

        Assert.Equal(HttpStatusCode.Forbidden, (await sealing.PostAsync("/unseal", Of(("passphrase", Passphrase + " ")))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await sealing.PostAsync("/unseal")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await sealing.PostAsync("/unseal", Of(("key", UnsealKey.NewFile())))).Status);
        (await door.AskAsync(door.Request(), door.AliceToken)).Refused("01", 500);
        Assert.False((bool)(await sealing.DoneAsync("/unseal", Of(("passphrase", Passphrase)))).Body["sealed"]!);
        Assert.Equal((HttpStatusCode.OK, "ready"), await sealing.ReadyAsync());
        await sealing.IsGrantedAsync();
        Assert.Equal(HttpStatusCode.OK, (await sealing.RetrieveAsync("val-service-id=pump-control")).Status);

        var lines = await door.StopAndReadAuditAsync();
        Assert.Equal(["Refused", "Refused", "Refused", "Changed"], lines.Where(l => (string?)l["kind"] == "seal.unsealed").Select(l => (string)l["outcome"]!));
        Assert.All(lines.Select(l => l.ToJsonString()).Concat(door.Log.All), text => Assert.DoesNotContain(Passphrase, text, StringComparison.Ordinal));
    }

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public async Task A_sealed_store_says_the_same_of_a_record_that_is_there_and_of_one_that_is_not()
    {
        await using var sealing = await SealedDoor.StartAsync();
        await sealing.DoneAsync("/lock");
        var door = sealing.Door;
        var there = (await door.AskAsync(door.Request(), door.AliceToken)).Refused("01", 500);
        // Her own device has no record in this service.
        var missing = (await door.AskAsync(door.Request(KmDoor.Fleet, "deviceId", "ue-alice-1"), door.AliceToken)).Refused("01", 500);
        Assert.Equal(there.Json.Select(m => m.Key).Except(["userId"]), missing.Json.Select(m => m.Key).Except(["deviceId"]));
        var (one, first) = await sealing.RetrieveAsync("val-service-id=pump-control");
        var (two, second) = await sealing.RetrieveAsync("val-service-id=pump-control&valUserId=sip:nobody@val.example");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.ServiceUnavailable), (one, two));
        foreach (var answer in (JsonObject[])[first, second])
            answer.Remove("instance");
        Assert.True(JsonNode.DeepEquals(first, second));
        // And who may not ask is told that, sealed or not.
        (await door.AskAsync(door.Request(KmDoor.Pump, "userId", KmDoor.Bob), door.AliceToken)).Refused("04", 403);
        Assert.False((bool)(await sealing.DoneAsync("/unseal")).Body["sealed"]!);
        await sealing.IsGrantedAsync();
    }

    [Fact]
    public async Task Sealed_by_shares_it_opens_when_enough_custodians_gave_theirs()
    {
        await using var sealing = await SealedDoor.StartAsync();
        using var key = PinnedSecret.Random(SealingKey.KeySize);
        var (set, shares) = (ShareText.NewSet(), Shamir.Split(key.Span, 5, 3, Shamir.Fill));
        var init = Of(("method", "shares"), ("key", Base64Url.EncodeToString(key.Span)), ("set", set), ("shares", 5), ("threshold", 3));
        Assert.Equal((3, 5), (await sealing.DoneAsync("/init", init)).Body["shares"]! is var s ? ((int)s["threshold"]!, (int)s["shares"]!) : default);
        await sealing.RestartAsync();
        Assert.True((bool)(await sealing.StatusAsync())["sealed"]!);

        JsonObject ShareOf(int i) => Of(("share", ShareText.Write(set, shares[i])));
        Assert.Equal((true, 1, 3), await GiveAsync(ShareOf(0)));
        Assert.Equal((true, 1, 3), await GiveAsync(ShareOf(0)));
        Assert.Equal((true, 2, 3), await GiveAsync(ShareOf(4)));
        Assert.Equal(2, (int)(await sealing.StatusAsync())["shares"]!["given"]!);
        Assert.Equal(HttpStatusCode.BadRequest, (await sealing.PostAsync("/unseal", Of(("share", ShareText.Write(ShareText.NewSet(), shares[2]))))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await sealing.PostAsync("/unseal", Of(("share", ShareText.Write(set, shares[2])[..^1] + "!")))).Status);
        // A share that somebody made up: the three do not open, and all must be given again.
        Assert.Equal(HttpStatusCode.Forbidden, (await sealing.PostAsync("/unseal", Of(("share", ShareText.Write(set, new(3, new byte[32])))))).Status);
        Assert.Equal(0, (int)(await sealing.StatusAsync())["shares"]!["given"]!);
        foreach (var i in (int[])[3, 1, 2])
            await GiveAsync(ShareOf(i));
        await sealing.IsGrantedAsync();

        Assert.Equal(HttpStatusCode.Forbidden, (await sealing.PostAsync("/rotate", Of(("key", UnsealKey.NewFile())))).Status);
        Assert.Equal(3, (long)(await sealing.DoneAsync("/rotate", Of(("key", Base64Url.EncodeToString(key.Span))))).Body["root"]!);
        await sealing.WrappedAsync();
        await sealing.IsGrantedAsync();
        var lines = await sealing.Door.StopAndReadAuditAsync();
        // Of another set, mistyped, made up; and a key that is not the seal's.
        Assert.Equal(3, lines.Count(l => ((string?)l["kind"], (string?)l["outcome"]) == ("seal.unsealed", "Refused")));
        Assert.Equal(["Refused", "Changed"], lines.Where(l => (string?)l["kind"] == "seal.rotated").Select(l => (string)l["outcome"]!));
        var audit = string.Join('\n', lines.Select(l => l.ToJsonString()).Concat(sealing.Door.Log.All));
        Assert.DoesNotContain(Base64Url.EncodeToString(key.Span), audit, StringComparison.Ordinal);
        Assert.All(shares, share => Assert.DoesNotContain(Base64Url.EncodeToString(share.Y)[..20], audit, StringComparison.Ordinal));

        async Task<(bool Sealed, int Given, int Needed)> GiveAsync(JsonObject share)
        {
            var answer = (await sealing.DoneAsync("/unseal", share)).Body;
            return ((bool)answer["sealed"]!, (int)answer["given"]!, (int)answer["needed"]!);
        }
    }

    [Fact]
    public async Task Sealed_by_a_key_file_it_opens_at_the_start_when_the_file_is_there()
    {
        await using var sealing = await SealedDoor.StartAsync();
        var file = sealing.File("seal.key");
        var text = UnsealKey.NewFile();
        await sealing.DoneAsync("/init", Of(("method", "key-file"), ("key", text)));
        await sealing.WrappedAsync();
        await sealing.RestartAsync("Seal:KeyFile=" + file);
        Assert.Equal("sealed", (await sealing.ReadyAsync()).Text);
        await System.IO.File.WriteAllTextAsync(file, UnsealKey.NewFile() + "\n", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Forbidden, (await sealing.PostAsync("/unseal")).Status);
        await System.IO.File.WriteAllTextAsync(file, text + "\n", TestContext.Current.CancellationToken);
        await sealing.DoneAsync("/unseal");
        await sealing.IsGrantedAsync();
        await sealing.RestartAsync("Seal:KeyFile=" + file);
        await sealing.IsGrantedAsync();
        Assert.Equal(3, (long)(await sealing.DoneAsync("/rotate")).Body["root"]!);
        // And back: it opens by itself again.
        await sealing.DoneAsync("/init", Of(("method", "kek")));
        await sealing.WrappedAsync();
        await sealing.RestartAsync();
        await sealing.IsGrantedAsync();
    }

    [Theory]
    [InlineData("""{"method":"passphrase","passphrase":"too short"}""", "passphrase")]
    [InlineData("""{"method":"passphrase"}""", "passphrase")]
    [InlineData("""{"method":"key-file"}""", "key")]
    [InlineData("""{"method":"key-file","key":"AAAA"}""", "key")]
    [InlineData("""{"method":"kek","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""", "method")]
    [InlineData("""{"method":"next-root"}""", "method")]
    [InlineData("""{"method":"shares","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","set":"0123abcd","shares":2,"threshold":3}""", "threshold")]
    [InlineData("""{"method":"shares","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","set":"0123ABCD","shares":3,"threshold":2}""", "set")]
    [InlineData("""{"method":"shares","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","set":"0123abcd","shares":3,"threshold":1}""", "threshold")]
    public async Task What_makes_no_seal_changes_nothing(string json, string param)
    {
        await using var sealing = await SealedDoor.StartAsync();
        var answer = await sealing.PostAsync("/init", JsonNode.Parse(json)!.AsObject());
        Assert.Equal((HttpStatusCode.BadRequest, param), (answer.Status, answer.Param));
        Assert.Equal(1, (long)(await sealing.StatusAsync())["root"]!);
    }

    [Fact]
    public async Task Who_tries_too_often_waits()
    {
        await using var sealing = await SealedDoor.StartAsync();
        await sealing.DoneAsync("/init", Of(("method", "key-file"), ("key", UnsealKey.NewFile())));
        await sealing.DoneAsync("/lock");
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 30; i++)
            answers.Add((await sealing.PostAsync("/unseal", Of(("key", UnsealKey.NewFile())))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, answers[0]);
        // Not the last one for certain: every six seconds there is an attempt more.
        Assert.Contains(HttpStatusCode.TooManyRequests, answers);
        Assert.All(answers, a => Assert.True(a is HttpStatusCode.Forbidden or HttpStatusCode.TooManyRequests, $"{a}"));
    }

    [Fact]
    public async Task A_rotation_by_a_wrong_passphrase_leaves_its_line_in_the_audit()
    {
        await using var sealing = await SealedDoor.StartAsync();
        await sealing.DoneAsync("/init", Of(("method", "passphrase"), ("passphrase", Passphrase)));
        Assert.Equal(HttpStatusCode.Forbidden, (await sealing.PostAsync("/rotate", Of(("passphrase", "wrong horse battery staple")))).Status);
        Assert.Equal(2, (long)(await sealing.StatusAsync())["root"]!);
        var lines = await sealing.Door.StopAndReadAuditAsync();
        Assert.Equal("Refused", (string?)Assert.Single(lines, l => (string?)l["kind"] == "seal.rotated")["outcome"]);
        Assert.All(lines, l => Assert.DoesNotContain("horse", l.ToJsonString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Locking_does_not_wait_for_the_audit()
    {
        await using var sealing = await SealedDoor.StartAsync();
        await ExecuteAsync("CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no audit today'); END");
        Assert.InRange((int)(await sealing.PostAsync("/lock")).Status, 500, 599);
        Assert.True((bool)(await sealing.StatusAsync())["sealed"]!);
        await ExecuteAsync("DROP TRIGGER no_audit");
        (await sealing.Door.AskAsync(sealing.Door.Request(), sealing.Door.AliceToken)).Refused("01", 500);
        Assert.Contains(sealing.Door.Log.All, text => text.Contains("no line of it is in the audit", StringComparison.Ordinal));
        // Who locks once more has it audited.
        await sealing.DoneAsync("/lock");
        Assert.Single(await sealing.Door.StopAndReadAuditAsync(), l => (string?)l["kind"] == "seal.locked");

        async Task ExecuteAsync(string sql)
        {
            await using var connection = new SqliteConnection($"Data Source={sealing.Server.Folder.Database};Pooling=False");
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText = sql;
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Rotations_under_load_refuse_and_lose_nothing()
    {
        await using var sealing = await SealedDoor.StartAsync();
        var door = sealing.Door;
        // More than one batch of records.
        var names = Enumerable.Range(0, 450).Select(i => $"sip:user-{i}@val.example").ToList();
        foreach (var part in names.Chunk(30))
            await Task.WhenAll(part.Select(name => AddAsync(name, "payload of " + name)));
        using var stop = new CancellationTokenSource();
        var asked = 0;
        var askers = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await sealing.IsGrantedAsync();
                var name = names[Random.Shared.Next(names.Count)];
                (await door.AskAsync(door.Request(KmDoor.Pump, "userId", name), door.ValServerToken)).Granted("payload of " + name);
                Interlocked.Increment(ref asked);
            }
        })).ToArray();
        var writer = Task.Run(async () =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
                await AddAsync($"sip:late-{i}@val.example", $"late {i}");
        });
        for (var round = 0; round < 4; round++)
        {
            await sealing.DoneAsync("/rotate");
            await sealing.DoneAsync("/services/pump-control/rotate");
            await sealing.WrappedAsync();
        }
        await stop.CancelAsync();
        await Task.WhenAll([.. askers, writer]);
        Assert.NotEqual(0, asked);
        Assert.Equal(5, (long)(await sealing.StatusAsync())["root"]!);
        // Restarted, everything opens by what is stored now.
        await sealing.RestartAsync();
        foreach (var name in names)
            (await sealing.Door.AskAsync(sealing.Door.Request(KmDoor.Pump, "userId", name), sealing.Door.ValServerToken)).Granted("payload of " + name);

        async Task AddAsync(string user, string payload)
        {
            var answer = await sealing.SendAsync(HttpMethod.Post, "/key-records", Of(("serviceId", "pump-control"), ("userId", user), ("payload", payload)));
            Assert.True(answer.Status == HttpStatusCode.Created, answer.Text);
        }
    }

    [Fact]
    public async Task A_VAL_services_keys_that_were_destroyed_open_nothing_any_more_and_new_records_have_new_ones()
    {
        await using var sealing = await SealedDoor.StartAsync();
        var door = sealing.Door;
        Assert.Equal("serviceId", (await sealing.PostAsync("/services/pump-control/destroy", Of(("serviceId", "pump")))).Param);
        Assert.Equal(HttpStatusCode.NotFound, (await sealing.PostAsync("/services/nobody/destroy", Of(("serviceId", "nobody")))).Status);
        await sealing.IsGrantedAsync();
        var wrapped = await ScalarAsync<byte[]>("SELECT wrapped_key FROM service_keks WHERE service_id = 'pump-control'");
        Assert.Equal(1, (int)(await sealing.DoneAsync("/services/pump-control/destroy", Of(("serviceId", "pump-control")))).Body["destroyed"]!);
        (await door.AskAsync(door.Request(), door.AliceToken)).Refused("02", 404);
        (await door.AskAsync(door.Request(KmDoor.Fleet), door.AliceToken)).Granted(door.PayloadOf(KmDoor.Fleet, "userId", KmDoor.Alice));
        Assert.Equal(HttpStatusCode.NotFound, (await sealing.PostAsync("/services/pump-control/rotate")).Status);
        Assert.Equal(0, await ScalarAsync<long>("SELECT COUNT(*) FROM service_keks WHERE service_id = 'pump-control' AND length(wrapped_key) > 0"));
        var made = await sealing.SendAsync(HttpMethod.Post, "/key-records", Of(("serviceId", "pump-control"), ("userId", "sip:new@val.example"), ("payload", "new")));
        Assert.True(made.Status == HttpStatusCode.Created, made.Text);
        (await door.AskAsync(door.Request(KmDoor.Pump, "userId", "sip:new@val.example"), door.ValServerToken)).Granted("new");
        (await door.AskAsync(door.Request(), door.AliceToken)).Refused("02", 404);
        // Once the write-ahead log is moved, the file does not hold what would open them: not even where it was.
        await sealing.RestartAsync();
        Assert.Equal(-1, (await System.IO.File.ReadAllBytesAsync(sealing.Server.Folder.Database, TestContext.Current.CancellationToken)).AsSpan().IndexOf(wrapped));

        async Task<T> ScalarAsync<T>(string sql)
        {
            await using var connection = new SqliteConnection($"Data Source={sealing.Server.Folder.Database};Pooling=False;Mode=ReadOnly");
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText = sql;
            return (T)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
        }
    }

    [Theory]
    [InlineData("UPDATE service_keks SET wrapped_key = (SELECT o.wrapped_key FROM service_keks o WHERE o.service_id <> service_keks.service_id)")]
    [InlineData("UPDATE key_versions SET service_id = 'pump-control', identity_value = 'sip:alice@val.example' WHERE service_id = 'fleet-tracking'", "DELETE FROM key_versions WHERE service_id = 'pump-control' AND identity_value = 'sip:alice@val.example'")]
    [InlineData("UPDATE seal_roots SET wrapped_root = zeroblob(length(wrapped_root))")]
    [InlineData("UPDATE seal_roots SET method = 5")]
    public async Task A_thief_who_writes_into_the_database_makes_nothing_open(string sql, string? before = null)
    {
        await using var sealing = await SealedDoor.StartAsync();
        var database = sealing.Server.Folder.Database;
        await sealing.Server.Server.Application.StopAsync();
        await using (var connection = new SqliteConnection($"Data Source={database};Pooling=False"))
        {
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            foreach (var text in (string?[])[before, sql])
            {
                await using var command = connection.CreateCommand();
                command.CommandText = text ?? "SELECT 1";
                await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            }
        }
        await sealing.RestartAsync();
        (await sealing.Door.AskAsync(sealing.Door.Request(), sealing.Door.AliceToken)).Refused("01", 500);
    }
}
