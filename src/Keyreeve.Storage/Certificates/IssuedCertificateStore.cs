using System.Security.Cryptography.X509Certificates;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;

namespace Keyreeve.Storage;

/// <summary>The registry of issued certificates, and the lists of what was revoked.</summary>
public sealed class IssuedCertificateStore(IDatabase database) : IIssuedCertificateStore
{
    /// <summary>How long an ended certificate is remembered. Our choice: long enough to find out what it was.</summary>
    private const long KeepSeconds = 90L * 24 * 3600;

    /// <summary>
    /// How long a revoked certificate stands in the list after its end: "An entry MUST NOT be removed from the CRL until it appears on one regularly
    /// scheduled CRL issued beyond the revoked certificate's validity period" (RFC 5280 3.3). Lists are made daily.
    /// </summary>
    [Spec("RFC 5280", "3.3")]
    private const long ListedSeconds = 7L * 24 * 3600;

    private const string Columns = "serial, authority, client_id, name, thumbprint, pem, not_before, not_after, issued_at, replaced_by, revoked_at, reason";

    /// <inheritdoc />
    public Task<IssuedCertificate?> FindAsync(string serial, CancellationToken cancel) => !StoredText.Keeps(serial)
        ? Task.FromResult<IssuedCertificate?>(null)
        : database.ReadAsync(async connection =>
            (await connection.QuerySingleOrDefaultAsync<Row>($"SELECT {Columns} FROM issued_certificates WHERE serial = @Serial", new { Serial = serial }))?.ToCertificate(), cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<IssuedCertificate>> ListAsync(string? clientId, string? after, int limit, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<IssuedCertificate>>(async connection => [.. (await connection.QueryAsync<Row>($"""
            SELECT {Columns} FROM issued_certificates WHERE {(clientId is null ? "" : "client_id = @ClientId AND ")}serial > @After ORDER BY serial LIMIT @Limit
            """, new { ClientId = clientId, After = after ?? "", Limit = (long)limit })).Select(row => row.ToCertificate())], cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<IssuedCertificate>> ListOfNobodyAsync(long endsAfter, string? after, int limit, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<IssuedCertificate>>(async connection => [.. (await connection.QueryAsync<Row>($"""
            SELECT {Columns} FROM issued_certificates WHERE client_id IS NULL AND serial > @After AND revoked_at IS NULL AND not_after > @EndsAfter ORDER BY serial LIMIT @Limit
            """, new { EndsAfter = endsAfter, After = after ?? "", Limit = (long)limit })).Select(row => row.ToCertificate())], cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<IssuedCertificate>> EndingAsync(long from, long until, int limit, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<IssuedCertificate>>(async connection => [.. (await connection.QueryAsync<Row>($"""
            SELECT {Columns} FROM issued_certificates WHERE not_after > @From AND not_after <= @Until AND revoked_at IS NULL AND replaced_by IS NULL ORDER BY not_after, serial LIMIT @Limit
            """, new { From = from, Until = until, Limit = (long)limit })).Select(row => row.ToCertificate())], cancel);

    /// <inheritdoc />
    public Task<Outcome<IssuedCertificate>> AddAsync(IssuedCertificate certificate, string? replaces, AuditEntry entry, CancellationToken cancel) =>
        database.WriteAsync<Outcome<IssuedCertificate>>(async unit =>
        {
            if (replaces is not null && await unit.ExecuteAsync(
                "UPDATE issued_certificates SET replaced_by = @Serial WHERE serial = @Replaces AND revoked_at IS NULL AND replaced_by IS NULL", new { certificate.Serial, Replaces = replaces }) == 0)
                return Refusal.Of(RefusalCode.Conflict, "the certificate was revoked or renewed already");
            await unit.ExecuteAsync($"""
                INSERT INTO issued_certificates ({Columns})
                VALUES (@Serial, @Authority, @ClientId, @Name, @Thumbprint, @Pem, @NotBefore, @NotAfter, @IssuedAt, NULL, NULL, NULL)
                """, Row.Of(certificate));
            unit.Audit(entry);
            return certificate;
        }, cancel);

    /// <inheritdoc />
    public Task<Outcome<IssuedCertificate>> RevokeAsync(
        string serial, X509RevocationReason reason, DateTimeOffset at, BuildRevocationList build, AuditEntry entry, CancellationToken cancel) =>
        database.WriteAsync<Outcome<IssuedCertificate>>(async unit =>
        {
            if (!StoredText.Keeps(serial) || await unit.SingleAsync<Row>($"SELECT {Columns} FROM issued_certificates WHERE serial = @Serial", new { Serial = serial }) is not { } row)
                return Refusal.Of(RefusalCode.NotFound, "there is no such certificate");
            if (row.RevokedAt is not null)
                return Refusal.Of(RefusalCode.Conflict, "the certificate was revoked already");
            var revoked = row.ToCertificate() with { RevokedAt = at.ToUnixTimeSeconds(), Reason = reason };
            await unit.ExecuteAsync("UPDATE issued_certificates SET revoked_at = @RevokedAt, reason = @Reason WHERE serial = @Serial",
                new { revoked.Serial, revoked.RevokedAt, Reason = (long)reason });
            await MakeListAsync(unit, revoked.Authority, at, build);
            unit.Audit(entry);
            return revoked;
        }, cancel);

    /// <inheritdoc />
    public Task<bool> RenewListAsync(CaRole authority, DateTimeOffset madeBefore, DateTimeOffset now, BuildRevocationList build, AuditEntry entry, CancellationToken cancel) =>
        database.WriteAsync(async unit =>
        {
            var made = await unit.SingleAsync<long?>("SELECT made_at FROM revocation_lists WHERE authority = @Authority", new { Authority = authority.ToString() });
            if (made >= madeBefore.ToUnixTimeSeconds())
                return false;
            await MakeListAsync(unit, authority, now, build);
            unit.Audit(entry);
            return true;
        }, cancel);

    /// <inheritdoc />
    public Task<RevokedCertificates> LoadRevokedAsync(DateTimeOffset now, CancellationToken cancel) => database.ReadAsync(async connection =>
    {
        var serials = await connection.QueryAsync<Row>("SELECT serial, authority FROM issued_certificates WHERE revoked_at IS NOT NULL AND not_after >= @Now", new { Now = now.ToUnixTimeSeconds() });
        var lists = await connection.QueryAsync<ListRow>("SELECT authority, number, der, made_at, next_update FROM revocation_lists");
        return new RevokedCertificates(serials.Select(row => (StoredText.ReadName<CaRole>(row.Authority), row.Serial)).ToHashSet(), lists.Select(row => row.ToList()).ToDictionary(list => list.Authority));
    }, cancel);

    internal static Task<int> DeleteLongEndedAsync(UnitOfWork unit, long now, int limit) => unit.ExecuteAsync($"""
        DELETE FROM issued_certificates WHERE serial IN (SELECT serial FROM issued_certificates WHERE not_after < @Before ORDER BY not_after LIMIT @Limit {unit.SkipLocked})
        """, new { Before = now - KeepSeconds, Limit = (long)limit });

    /// <summary>Number and content of a list belong together: both are read in the write that stores it.</summary>
    [Spec("RFC 5280", "5.2.3")]
    private static async Task MakeListAsync(UnitOfWork unit, CaRole authority, DateTimeOffset now, BuildRevocationList build)
    {
        var name = authority.ToString();
        var before = await unit.SingleAsync<long?>("SELECT number FROM revocation_lists WHERE authority = @Authority", new { Authority = name }) ?? 0;
        var rows = await unit.QueryAsync<Row>("""
            SELECT serial, revoked_at, reason FROM issued_certificates WHERE authority = @Authority AND revoked_at IS NOT NULL AND not_after >= @Since ORDER BY serial
            """, new { Authority = name, Since = now.ToUnixTimeSeconds() - ListedSeconds });
        var list = build(authority, [.. rows.Select(row => new RevokedCertificate(row.Serial, DateTimeOffset.FromUnixTimeSeconds(row.RevokedAt ?? 0), (X509RevocationReason?)row.Reason))], before + 1);
        await unit.ExecuteAsync("""
            INSERT INTO revocation_lists (authority, number, der, made_at, next_update) VALUES (@Authority, @Number, @Der, @MadeAt, @NextUpdate)
            ON CONFLICT (authority) DO UPDATE SET number = excluded.number, der = excluded.der, made_at = excluded.made_at, next_update = excluded.next_update
            """, new { Authority = name, list.Number, list.Der, list.MadeAt, list.NextUpdate });
        unit.Bump(Topic.Certificates);
    }

    private sealed class Row
    {
        public string Serial { get; init; } = "";
        public string Authority { get; init; } = "";
        public string? ClientId { get; init; }
        public string Name { get; init; } = "";
        public string Thumbprint { get; init; } = "";
        public string Pem { get; init; } = "";
        public long NotBefore { get; init; }
        public long NotAfter { get; init; }
        public long IssuedAt { get; init; }
        public string? ReplacedBy { get; init; }
        public long? RevokedAt { get; init; }
        public long? Reason { get; init; }

        public static Row Of(IssuedCertificate certificate) => new()
        {
            Serial = certificate.Serial,
            Authority = certificate.Authority.ToString(),
            ClientId = certificate.ClientId,
            Name = certificate.Name,
            Thumbprint = certificate.Thumbprint,
            Pem = certificate.Pem,
            NotBefore = certificate.NotBefore,
            NotAfter = certificate.NotAfter,
            IssuedAt = certificate.IssuedAt,
        };

        public IssuedCertificate ToCertificate() => new()
        {
            Serial = Serial,
            Authority = StoredText.ReadName<CaRole>(Authority),
            ClientId = ClientId,
            Name = Name,
            Thumbprint = Thumbprint,
            Pem = Pem,
            NotBefore = NotBefore,
            NotAfter = NotAfter,
            IssuedAt = IssuedAt,
            ReplacedBy = ReplacedBy,
            RevokedAt = RevokedAt,
            Reason = (X509RevocationReason?)Reason,
        };
    }

    private sealed class ListRow
    {
        public string Authority { get; init; } = "";
        public long Number { get; init; }
        public byte[] Der { get; init; } = [];
        public long MadeAt { get; init; }
        public long NextUpdate { get; init; }

        public RevocationListRow ToList() => new(StoredText.ReadName<CaRole>(Authority), Number, Der, MadeAt, NextUpdate);
    }
}
