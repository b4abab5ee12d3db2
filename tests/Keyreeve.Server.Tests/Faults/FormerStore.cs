using System.Buffers.Text;
using System.Text;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// A demo's store as the first release would have left it: the schema of step 1, with the rows of a demo of today, thousands of lines of the audit that have
/// no time yet, and thousands of key records whose payload is still in their own row.
/// </summary>
internal sealed class FormerStore
{
    private const string Name = "former";
    private const string Records = "key_records";
    private const int Lines = 5_000;
    private const int MoreRecords = 1_500;

    private readonly FaultServer _server;

    /// <summary>What every table held, in the columns that it had.</summary>
    private readonly List<(TableShape Table, TableTally Held)> _tables = [];

    /// <summary>What each key record was sealed as.</summary>
    private readonly Dictionary<(string Service, long Kind, string Value), byte[]> _sealed = [];

    private FormerStore(FaultServer server) => _server = server;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    /// <summary>What every key record holds.</summary>
    public static string PayloadOf(string identity) => "former key of " + identity;

    /// <summary>Makes it out of what a server leaves that is started for it.</summary>
    public static async Task<FormerStore> MakeAsync(FaultServer server)
    {
        var store = new FormerStore(server);
        await server.StartAsync();
        await server.StopAsync();
        await using (var database = await server.OpenDatabaseAsync())
            await new Stores(database).Audit.AppendAsync([.. Enumerable.Range(1, Lines).Select(at => new AuditEntry { Kind = "test", Outcome = AuditOutcome.Granted, At = at, Actor = "system" })], None);
        using var kek = Kek.FromBytes(Base64Url.DecodeFromChars((await File.ReadAllTextAsync(server.Folder.File("kek"), None)).Trim()));
        await using var source = await server.ReadStoreAsync();
        await using var target = await server.MakeStoreAsync(Name);
        await MigrationRunner.RunAsync(target.Connection, [.. Migration.Known.Take(1)], TimeProvider.System, None, target.Say, backfills: []);
        foreach (var table in TableShape.InOrder(await target.ReadCatalogueAsync(null, None)).Where(t => t.Name != "schema_backfills"))
        {
            var rows = source.ReadRowsAsync(table, null, None);
            var held = await StoreFilling.FillAsync(target, table, table.Name == Records ? store.SealAsync(rows, kek) : rows, "", 0, null, None);
            // Payloads are what a backfill moves: they are looked at one by one.
            var kept = table.Name == Records ? table with { Columns = [.. table.Columns.Where(c => c.Name != "sealed_payload")] } : table;
            store._tables.Add((kept, table.Name == Records ? await TableTally.OfAsync(target, kept, null, None) : held));
        }
        return store;
    }

    /// <summary>The server has it again as it was.</summary>
    public Task PutBackAsync() => _server.UseStoreAsync(Name);

    /// <summary>Nothing is lost and nothing is there twice, however far a migration came.</summary>
    public async Task CheckAsync()
    {
        await using var door = await _server.ReadStoreAsync();
        foreach (var (table, held) in _tables)
            Assert.Equal(held, await TableTally.OfAsync(door, table, null, None));
        var steps = (await MigrationRunner.AppliedAsync(door.Connection, null)).Select(s => s.Number).ToList();
        Assert.Equal(Enumerable.Range(1, steps.Count), steps);
        // One statement, one state: a database may end the killed program's last commit a moment after its death.
        var rows = (await door.Connection.QueryAsync<Row>(steps.Contains(13)
            ? "SELECT r.service_id, r.identity_kind, r.identity_value, r.sealed_payload, r.latest, v.number, v.ciphertext FROM key_records r LEFT JOIN key_versions v USING (service_id, identity_kind, identity_value)"
            : "SELECT service_id, identity_kind, identity_value, sealed_payload, 0 AS latest, NULL AS number, NULL AS ciphertext FROM key_records")).AsList();
        Assert.Equal(_sealed.Count, rows.Count);
        foreach (var row in rows)
        {
            // In its own row, or moved: never both, never neither, and once.
            Assert.Equal((row.SealedPayload.Length > 0 ? 0 : 1, row.SealedPayload.Length > 0 ? null : (long?)1), (row.Latest, row.Number));
            Assert.Equal(_sealed[(row.ServiceId, row.IdentityKind, row.IdentityValue)], row.Ciphertext ?? row.SealedPayload);
        }
    }

    /// <summary>The same, and nothing is left to do.</summary>
    public async Task CheckFinishedAsync()
    {
        await CheckAsync();
        await using var door = await _server.ReadStoreAsync();
        var status = await StoreStatus.ReadAsync(door, ["audit", Records], None);
        Assert.Empty(status.Pending);
        // Each row was handled in one batch that counts: a batch and its cursor are one.
        Assert.Equal([(1, true, status.Rows["audit"]), (2, true, status.Rows[Records])], status.Backfills.Select(b => (b.Number, b.IsFinished, b.RowsDone)));
        Assert.Equal(0, await door.Connection.ExecuteScalarAsync<long>("SELECT count(*) FROM key_records WHERE length(sealed_payload) > 0"));
        foreach (var line in await door.Connection.QueryAsync<Line>("SELECT json, at FROM audit"))
            Assert.Equal(AuditEntry.TryRead(line.Json)!.At, line.At);
    }

    private async IAsyncEnumerable<object?[]> SealAsync(IAsyncEnumerable<object?[]> rows, Kek kek)
    {
        await foreach (var row in rows)
            yield return Seal((string)row[0]!, (long)row[1]!, (string)row[2]!, kek);
        for (var i = 0; i < MoreRecords; i++)
            yield return Seal(ValServer.Service, (long)KmIdentityKind.User, FormattableString.Invariant($"sip:{i}@val.example"), kek);
    }

    private object?[] Seal(string service, long kind, string value, Kek kek)
    {
        var octets = kek.Seal(KeyRecord.Purpose(service, new((KmIdentityKind)kind, value)), Encoding.UTF8.GetBytes(PayloadOf(value)));
        _sealed.Add((service, kind, value), octets);
        return [service, kind, value, octets, 1L, 1L];
    }

    private sealed class Row
    {
        public string ServiceId { get; init; } = "";
        public long IdentityKind { get; init; }
        public string IdentityValue { get; init; } = "";
        public byte[] SealedPayload { get; init; } = [];
        public long Latest { get; init; }
        public long? Number { get; init; }
        public byte[]? Ciphertext { get; init; }
    }

    private sealed class Line
    {
        public byte[] Json { get; init; } = [];
        public long? At { get; init; }
    }
}
