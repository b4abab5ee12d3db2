using System.Data.Common;
using System.Globalization;
using System.Text;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage.Transfer;

/// <summary>A SQLite store with rows in every table there is, in a folder that is gone after the test. A table that is new is filled by its shape.</summary>
public sealed class FullStore : IAsyncDisposable
{
    /// <summary>Their rows must make sense; those of all others are made by type.</summary>
    private static readonly string[] ByStores = ["audit", "audit_heads", "sealed_values", "signing_keys", "key_records", "key_versions", "service_keks", "seal_roots", "val_profiles", "totp_secrets", "trusted_issuers"];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyreeve-transfer-");

    public Kek Kek { get; } = Kek.FromBytes(Enumerable.Range(1, 32).Select(i => (byte)i).ToArray());

    public string Path => In("keyreeve.db");

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public static async Task<FullStore> MakeAsync(int rows = 3)
    {
        var store = new FullStore();
        await using var engine = await SqliteEngine.OpenAsync(store.Path, TimeProvider.System, "node-1", None);
        await using (var door = await SqliteDoor.ReadAsync(store.Path, None))
        {
            var tables = TableShape.InOrder(await door.ReadCatalogueAsync(null, None)).Where(t => !ByStores.Contains(t.Name, StringComparer.Ordinal)).ToList();
            await engine.WriteAsync(async unit =>
            {
                foreach (var table in tables)
                    for (var row = 0; row < rows; row++)
                        await InsertAsync(unit, table, row);
                return 0;
            }, None);
        }
        await store.FillByStoresAsync(new Stores(engine), rows);
        return store;
    }

    public string In(string name) => System.IO.Path.Combine(_folder.FullName, name);

    public async Task<BackupHeader> BackUpAsync(string file)
    {
        await using var door = await SqliteDoor.ReadAsync(Path, None);
        return await BackupWriter.WriteAsync(door, Kek, new("1.0", "node-1", 1_700_000_000, Demo: false), new Dictionary<string, byte[]>(), file, null, None);
    }

    public async ValueTask DisposeAsync()
    {
        Kek.Dispose();
        _folder.Delete(recursive: true);
        await ValueTask.CompletedTask;
    }

    /// <summary>Rows and content by table.</summary>
    public static async Task<List<TableTally>> ContentOfAsync(StoreDoor door)
    {
        var tallies = new List<TableTally>();
        foreach (var table in TableShape.InOrder(await door.ReadCatalogueAsync(null, None)))
            tallies.Add(await TableTally.OfAsync(door, table, null, None));
        return tallies;
    }

    public static async Task<List<TableTally>> ContentOfAsync(string path)
    {
        await using var door = await SqliteDoor.ReadAsync(path, None);
        return await ContentOfAsync(door);
    }

    private static async Task InsertAsync(UnitOfWork unit, TableShape table, int row)
    {
        await using var insert = unit.Connection.CreateCommand();
        insert.Transaction = unit.Transaction;
        insert.CommandText = $"INSERT INTO {table.Name} ({table.ColumnList}) VALUES ({string.Join(", ", table.Columns.Select((_, i) => "@p" + i.ToString(CultureInfo.InvariantCulture)))})";
        for (var i = 0; i < table.Columns.Count; i++)
        {
            var parameter = insert.CreateParameter();
            parameter.ParameterName = "@p" + i.ToString(CultureInfo.InvariantCulture);
            // Texts by row alone: so they refer to each other where they must.
            parameter.Value = table.Columns[i] switch
            {
                { Nullable: true } when row == 0 => DBNull.Value,
                { Kind: ColumnKind.Number } => row == 1 ? long.MinValue + i : (row * 1000L) + i,
                { Kind: ColumnKind.Text } => TextOf(row),
                _ => (byte[])[(byte)row, 0, 255, (byte)i, .. new byte[row * 100]],
            };
            insert.Parameters.Add(parameter);
        }
        await insert.ExecuteNonQueryAsync(None);
    }

    private static string TextOf(int row) => row == 2 ? "" : $"row {row} \u00e9 \u4e2d \U0001f600\t\"'\\";

    private async Task FillByStoresAsync(Stores stores, int rows)
    {
        var source = new KekRootSource(Kek);
        using var root = PinnedSecret.Random(SealingKey.KeySize);
        Assert.True(await stores.Seal.AddRootAsync(new() { Version = 1, Method = source.Method, Wrapped = source.Seal(1, root.Span), CreatedAt = 1 }, 0, [], Entry("root"), None));
        using var roots = new RootKeys();
        Assert.True(roots.TryOpen(await stores.Seal.RootsAsync(None), source));
        using var vault = new RecordVault(roots, Kek);
        var provisioning = new KeyProvisioning(stores.KeyRecords, stores.Seal, vault);
        // As the release before left them: in the record's own row, and moved from there but not sealed anew.
        var former = new KmIdentity(KmIdentityKind.Device, "former");
        await stores.Database.WriteAsync(async unit =>
        {
            var values = new { Payload = Kek.Seal(KeyRecord.Purpose("service", former), "former"u8), Empty = Array.Empty<byte>() };
            await unit.ExecuteAsync("INSERT INTO key_records (service_id, identity_kind, identity_value, sealed_payload, updated_at, version) VALUES ('service', 2, 'former', @Payload, 1, 1)", values);
            return await unit.ExecuteAsync("INSERT INTO key_versions (service_id, identity_kind, identity_value, number, activates_at, expires_at, created_at, kek_version, wrapped_key, ciphertext) VALUES ('service', 2, 'former', 1, 1, 0, 1, 0, @Empty, @Payload)", values);
        }, None);
        for (var i = 0; i < rows; i++)
        {
            var name = $"ca/test {i}";
            await stores.Sealed.PutAsync(name, Kek.Seal(name, new byte[i]), Entry(name), None);
            var (row, key) = SigningKey.Generate(JwsAlgorithm.ES256, i + 1, DateTimeOffset.UnixEpoch.AddSeconds(i), DateTimeOffset.UnixEpoch.AddSeconds(i), Kek);
            key.Dispose();
            await stores.SigningKeys.AddAsync(row, Entry(row.KeyId), None);
            var totp = new TotpSecret { Subject = TextOf(i), Sealed = Kek.Seal(TotpSecret.Purpose(TextOf(i)), new byte[20]), LastStep = i, CreatedAt = i };
            Assert.True(await stores.Credentials.AddTotpAsync(totp, Entry(totp.Subject), None));
            var issuer = new TrustedIssuer { Issuer = $"https://{i}.example", Name = TextOf(i), Links = TrustedIssuer.NoLinks };
            issuer = issuer with { Origin = new("https://asked.example", "us", Kek.Seal(OriginCheck.PurposeOf(issuer.Issuer), new byte[i])) };
            Assert.True((await stores.Directory.SaveIssuerAsync(issuer, create: true, null, Entry(issuer.Issuer), None)).Succeeded(out _, out _));
            var identity = new KmIdentity(KmIdentityKind.User, $"sip:{i}@val.example");
            Assert.True((await provisioning.SaveAsync(new("service", identity, Encoding.UTF8.GetBytes($"payload {i}"), null, 0), null, i, Entry(identity.Value), None)).Succeeded(out _, out _));
            Assert.True((await stores.Profiles.SaveAsync(new ValProfile
            {
                ServiceId = "service",
                Target = identity,
                SealedDocument = Kek.Seal(ValProfile.Purpose("service", identity), Encoding.UTF8.GetBytes($"{{\"profile\":{i}}}")),
                UpdatedAt = i,
            }, null, Entry(identity.Value), None)).Succeeded(out _, out _));
        }
        await stores.Audit.AppendAsync([.. Enumerable.Range(0, rows).Select(i => Entry($"line {i} \u00e9"))], None);
    }

    internal static AuditEntry Entry(string subject) => new() { Kind = "test", Outcome = AuditOutcome.Changed, At = 1, Actor = "system", Subject = subject };
}
