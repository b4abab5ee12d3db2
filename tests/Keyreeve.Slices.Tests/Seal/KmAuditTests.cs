using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>What stays behind of a KM request: an audit line for every caller with a token, never key material; and what the store can do to us.</summary>
public sealed class KmAuditTests
{
    [Fact]
    public async Task Every_request_with_a_valid_token_is_audited_granted_or_refused_with_its_reason()
    {
        await using var door = await KmDoor.OfAsync(await TestServer.StartAsync());
        await door.AskAsync(door.Request(), door.AliceToken);
        await door.AskAsync(door.Request(KmDoor.Pump, "userId", KmDoor.Bob), door.AliceToken);
        await door.AskAsync(door.Request(KmDoor.Fleet, null), door.AliceToken);
        await door.AskAsync("{", door.AliceToken);
        await door.AskAsync(door.Request(), door.ValServerToken);
        var stale = door.Request();
        stale["dateTime"] = door.Now - 6;
        await door.AskAsync(stale, door.AliceToken);
        await door.AskAsync(door.Request(), token: null);
        await door.AskAsync(door.Request(), "x.y.z");
        await door.AskAsync(door.Request(), "x.y.z");
        var lines = (await door.StopAndReadAuditAsync()).Where(l => (string?)l["kind"] == "km.request").ToList();

        var alice = (string)door.Server.User("alice")["sub"]!;
        Assert.Equal(
            [
                ("Granted", alice, "seal-client", "key_records/12:pump-control/3/21:sip:alice@val.example", "version 1"),
                ("Refused", alice, "seal-client", "key_records/12:pump-control/3/19:sip:bob@val.example", "NotOwner"),
                ("Refused", alice, "seal-client", "key_records/14:fleet-tracking/0/0:", "KeyInformationNotAvailable"),
                ("Refused", alice, "seal-client", "-", "Malformed"),
                ("Granted", "val-server", "val-server", "key_records/12:pump-control/3/21:sip:alice@val.example", "version 1"),
                ("Refused", alice, "seal-client", "key_records/12:pump-control/3/21:sip:alice@val.example", "OutsideTimeWindow"),
            ],
            lines.Where(l => l.ContainsKey("actor")).Select(l => ((string)l["outcome"]!, (string)l["actor"]!, (string)l["clientId"]!, (string)l["subject"]!, ((string?)l["detail"] ?? "").Split(':')[0])));
        Assert.All(lines.Where(l => l.ContainsKey("actor")), l => Assert.True(l.ContainsKey("correlationId") && l.ContainsKey("source")));
        // Who proved nothing is counted, not listed.
        Assert.Equal(["1 x TokenMissing within a minute", "2 x TokenInvalid within a minute"],
            lines.Where(l => !l.ContainsKey("actor")).Select(l => (string)l["detail"]!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Neither_audit_nor_log_contains_a_payload_or_a_token()
    {
        await using var door = await KmDoor.OfAsync(await TestServer.StartAsync("Log:Level=Trace"));
        (await door.AskAsync(door.Request(), door.AliceToken)).Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
        await door.AskAsync(door.Request(KmDoor.Pump, "userId", KmDoor.Bob), door.AliceToken);
        await door.AskAsync(door.Request(), KmDoor.Changed(door.AliceToken));
        await door.AskAsync("{\"userId\":\"" + door.AliceToken, door.AliceToken);
        var written = string.Join('\n', (await door.StopAndReadAuditAsync()).Select(l => l.ToJsonString()).Concat(door.Log.All));
        Assert.Contains("km.request", written, StringComparison.Ordinal);
        Assert.Contains("KM request refused", written, StringComparison.Ordinal);
        var secrets = door.Server.Demo["keyRecords"]!.AsArray().Select(r => (string)r!["payload"]!)
            .Concat(door.Server.Demo["clients"]!.AsArray().Select(c => (string)c!["clientSecret"]!))
            .Concat(door.Server.Demo["users"]!.AsArray().Select(u => (string)u!["password"]!))
            .Concat(new[] { door.AliceToken, door.BobToken, door.ValServerToken }.Select(t => t.Split('.')[2]));
        Assert.All(secrets, s => Assert.DoesNotContain(s, written, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Payloads_swapped_between_two_rows_open_in_neither()
    {
        await WithChangedStoreAsync(
            """
            CREATE TEMP TABLE before AS SELECT identity_value, wrapped_key, ciphertext FROM key_versions WHERE service_id = 'pump-control' AND identity_kind = 3;
            UPDATE key_versions SET (wrapped_key, ciphertext) = (SELECT b.wrapped_key, b.ciphertext FROM before b WHERE b.identity_value <> key_versions.identity_value LIMIT 1)
            WHERE service_id = 'pump-control' AND identity_kind = 3
            """,
            async door =>
            {
                (await door.AskAsync(door.Request(), door.AliceToken)).Refused("01", 500);
                (await door.AskAsync(door.Request(KmDoor.Pump, "userId", KmDoor.Bob), door.BobToken)).Refused("01", 500);
                // The rest of the table is as it was.
                (await door.AskAsync(door.Request(KmDoor.Fleet), door.AliceToken)).Granted(door.PayloadOf(KmDoor.Fleet, "userId", KmDoor.Alice));
                var audited = (await door.StopAndReadAuditAsync()).Where(l => (string?)l["kind"] == "km.request").Select(l => ((string?)l["detail"] ?? "").Split(':')[0]);
                Assert.Equal(["Unavailable", "Unavailable", "version 1"], audited);
            });
    }

    [Theory]
    [InlineData("UPDATE key_versions SET ciphertext = x''")]
    [InlineData("UPDATE key_versions SET wrapped_key = zeroblob(length(wrapped_key))")]
    [InlineData("UPDATE key_versions SET activates_at = activates_at - 1")]
    [InlineData("UPDATE key_versions SET expires_at = 9999999999")]
    [InlineData("UPDATE key_versions SET number = number + 1")]
    [InlineData("UPDATE service_keks SET wrapped_key = zeroblob(length(wrapped_key))")]
    [InlineData("UPDATE key_versions SET ciphertext = substr(ciphertext, 1, length(ciphertext) - 1)")]
    [InlineData("UPDATE key_versions SET ciphertext = 'not a blob'")]
    [InlineData("UPDATE key_versions SET ciphertext = zeroblob(length(ciphertext))")]
    [InlineData("UPDATE key_versions SET ciphertext = CAST(ciphertext || x'00' AS BLOB)")]
    public async Task A_payload_that_was_changed_does_not_open(string sql) =>
        await WithChangedStoreAsync(sql, async door => (await door.AskAsync(door.Request(), door.AliceToken)).Refused("01", 500));

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public async Task A_store_that_cannot_be_read_is_an_unspecified_error_in_a_KM_response_and_is_audited()
    {
        await WithChangedStoreAsync("DROP TABLE key_records", async door =>
        {
            var answer = (await door.AskAsync(door.Request(), door.AliceToken)).Refused("01", 503);
            Assert.Equal(KmDoor.Alice, (string?)answer.Json["userId"]);
            Assert.DoesNotContain("key_records", answer.Body, StringComparison.Ordinal);
            var audited = (await door.StopAndReadAuditAsync()).Single(l => (string?)l["kind"] == "km.request");
            Assert.StartsWith("Busy", (string?)audited["detail"], StringComparison.Ordinal);
            Assert.Contains(door.Log.All, l => l.Contains("SqliteException", StringComparison.Ordinal));
        });
    }

    /// <summary>Starts, stops, changes the file by SQL, and starts again on the same folder.</summary>
    private static async Task WithChangedStoreAsync(string sql, Func<KmDoor, Task> test)
    {
        var folder = Directory.CreateTempSubdirectory("keyreeve-test-").FullName;
        try
        {
            var before = await TestServer.StartAsync(folder, keep: true);
            var database = before.Folder.Database;
            await before.DisposeAsync();
            await using (var connection = new SqliteConnection($"Data Source={database};Pooling=False"))
            {
                await connection.OpenAsync(TestContext.Current.CancellationToken);
                await using var command = connection.CreateCommand();
                command.CommandText = sql;
                await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            }
            await using var door = await KmDoor.OfAsync(await TestServer.StartAsync(folder, keep: true));
            // Ten seconds on, no request can be one that the server before has accepted.
            door.Server.Time.Advance(TimeSpan.FromSeconds(10));
            await test(door);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
