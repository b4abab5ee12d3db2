using System.Data.Common;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Refresh families. Every change compares and sets in one statement.</summary>
internal static class FamilyTable
{
    private const string Columns = """
        family_id, client_id, subject, scope, auth_time, acr, amr, session_id, generation, current_hash,
        previous_hash, sealed_successor, started_at, rotated_at, reuses, idle_expires_at, absolute_expires_at, ended_at, bound_to, resources
        """;

    /// <summary>
    /// The condition for "of @Subject". The index lies hour by hour of the absolute end (migration 9), so this asks for the user in
    /// each hour that has rows: some thousands at most, two steps down the index for each, some milliseconds in all. That is seldom (an
    /// account page, a password change), and it spares a sweep a page for each row it deletes.
    /// </summary>
    private const string OfSubject = """
        subject = @Subject AND absolute_expires_at / 3600000 IN (
            WITH RECURSIVE hours (hour) AS (
                SELECT min(absolute_expires_at / 3600000) FROM refresh_families
                UNION ALL
                SELECT (SELECT min(absolute_expires_at / 3600000) FROM refresh_families WHERE absolute_expires_at / 3600000 > hour) FROM hours WHERE hour IS NOT NULL)
            SELECT hour FROM hours)
        """;

    private static readonly Statement Add = new($"""
        INSERT INTO refresh_families ({Columns})
        VALUES (@FamilyId, @ClientId, @Subject, @Scope, @AuthTime, @Acr, @Amr, @SessionId, @Generation, @CurrentHash,
                @PreviousHash, @SealedSuccessor, @StartedAt, @RotatedAt, @Reuses, @IdleExpiresAt, @AbsoluteExpiresAt, @EndedAt, @BoundTo, @Resources)
        """, "@FamilyId", "@ClientId", "@Subject", "@Scope", "@AuthTime", "@Acr", "@Amr", "@SessionId", "@Generation", "@CurrentHash",
        "@PreviousHash[]", "@SealedSuccessor[]", "@StartedAt", "@RotatedAt", "@Reuses", "@IdleExpiresAt", "@AbsoluteExpiresAt", "@EndedAt", "@BoundTo", "@Resources");

    private static readonly Statement Find = new($"SELECT {Columns} FROM refresh_families WHERE family_id = @FamilyId", "@FamilyId");

    private static readonly Statement List = new(
        $"SELECT {Columns} FROM refresh_families WHERE {OfSubject} AND ended_at = 0 AND idle_expires_at > @Now ORDER BY client_id, started_at, family_id", "@Subject", "@Now");

    private static readonly Statement Rotate = new("""
        UPDATE refresh_families SET generation = @Generation, current_hash = @CurrentHash, previous_hash = @PreviousHash,
            sealed_successor = @SealedSuccessor, rotated_at = @RotatedAt, reuses = @Reuses, idle_expires_at = @IdleExpiresAt, bound_to = @BoundTo
        WHERE family_id = @FamilyId AND generation = @Before AND ended_at = 0
        """, "@FamilyId", "@Generation", "@Before", "@CurrentHash", "@PreviousHash[]", "@SealedSuccessor[]", "@RotatedAt", "@Reuses", "@IdleExpiresAt", "@BoundTo");

    public static Task AddAsync(UnitOfWork unit, RefreshFamily f) => unit.ExecuteAsync(Add.In(unit,
        f.FamilyId, f.ClientId, f.Subject, f.Scope.Text, f.Authentication.AuthTime, f.Authentication.Acr, f.Authentication.Amr, f.SessionId, f.Generation, f.CurrentHash,
        f.PreviousHash, f.SealedSuccessor, f.StartedAt, f.RotatedAt, (long)f.Reuses, IdleEnd(f), f.AbsoluteExpiresAt, f.EndedAt, f.BoundTo, StoredText.WriteResources(f.Resources)));

    public static Task<RefreshFamily?> FindAsync(IDatabase database, string familyId, CancellationToken cancel) =>
        database.ReadAsync(connection => Find.FirstAsync(connection, Read, cancel, familyId), cancel);

    public static Task<IReadOnlyList<RefreshFamily>> ListAsync(IDatabase database, string subject, long now, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<RefreshFamily>>(async connection =>
        {
            await using var row = await List.On(connection, subject, now).ExecuteReaderAsync(cancel);
            var families = new List<RefreshFamily>();
            while (await row.ReadAsync(cancel))
                families.Add(Read(row));
            return families;
        }, cancel);

    /// <summary>Ends those of a user and client that were not ended; tells which.</summary>
    public static Task<List<string>> EndOfClientAsync(UnitOfWork unit, string subject, string clientId, long now) => unit.QueryAsync<string>(
        $"UPDATE refresh_families SET ended_at = @Now WHERE {OfSubject} AND client_id = @ClientId AND ended_at = 0 RETURNING family_id",
        new { Subject = subject, ClientId = clientId, Now = now });

    /// <summary>Takes away all of a user.</summary>
    public static Task DeleteOfSubjectAsync(UnitOfWork unit, string subject) => unit.ExecuteAsync($"DELETE FROM refresh_families WHERE {OfSubject}", new { Subject = subject });

    /// <summary>Ends those of a login session that were not ended; tells which.</summary>
    public static Task<List<string>> EndOfSessionAsync(UnitOfWork unit, string subject, string sessionId, long now) => unit.QueryAsync<string>(
        $"UPDATE refresh_families SET ended_at = @Now WHERE {OfSubject} AND session_id = @SessionId AND ended_at = 0 RETURNING family_id",
        new { Subject = subject, SessionId = sessionId, Now = now });

    /// <summary>
    /// Only what a rotation changes is written: who, for whom, what and the absolute end are fixed when the family starts, and a
    /// family that was ended meanwhile stays ended.
    /// </summary>
    public static async Task<bool> RotateAsync(UnitOfWork unit, RefreshFamily next) => await unit.ExecuteAsync(Rotate.In(unit,
        next.FamilyId, next.Generation, next.Generation - 1, next.CurrentHash, next.PreviousHash, next.SealedSuccessor, next.RotatedAt, (long)next.Reuses, IdleEnd(next), next.BoundTo)) == 1;

    public static async Task<bool> CountReuseAsync(UnitOfWork unit, string familyId, long generation, int limit) => await unit.ExecuteAsync("""
        UPDATE refresh_families SET reuses = reuses + 1
        WHERE family_id = @FamilyId AND generation = @Generation AND ended_at = 0 AND reuses < @Limit
        """, new { FamilyId = familyId, Generation = generation, Limit = (long)limit }) == 1;

    public static Task EndAsync(UnitOfWork unit, string familyId, long now) => unit.ExecuteAsync(
        "UPDATE refresh_families SET ended_at = @Now WHERE family_id = @FamilyId AND ended_at = 0", new { FamilyId = familyId, Now = now });

    /// <summary>The idle end never lies after the absolute one, so that one index finds both.</summary>
    public static Task<int> DeleteExpiredAsync(UnitOfWork unit, long nowMilliseconds, long limit) => unit.ExecuteAsync($"""
        DELETE FROM refresh_families
        WHERE family_id IN (SELECT family_id FROM refresh_families WHERE idle_expires_at <= @Now ORDER BY idle_expires_at LIMIT @Limit {unit.SkipLocked})
        """, new { Now = nowMilliseconds, Limit = limit });

    private static long IdleEnd(RefreshFamily family) => Math.Min(family.IdleExpiresAt, family.AbsoluteExpiresAt);

    /// <summary>In the order of <see cref="Columns"/>.</summary>
    private static RefreshFamily Read(DbDataReader row) => new()
    {
        FamilyId = row.GetString(0),
        ClientId = row.GetString(1),
        Subject = row.GetString(2),
        Scope = StoredText.ReadScope(row.GetString(3)),
        Authentication = new Authentication(row.GetInt64(4), row.GetString(5), row.GetString(6)),
        SessionId = row.TextOrNull(7),
        Generation = row.GetInt64(8),
        CurrentHash = row.GetFieldValue<byte[]>(9),
        PreviousHash = row.OctetsOrNull(10),
        SealedSuccessor = row.OctetsOrNull(11),
        StartedAt = row.GetInt64(12),
        RotatedAt = row.GetInt64(13),
        Reuses = (int)row.GetInt64(14),
        IdleExpiresAt = row.GetInt64(15),
        AbsoluteExpiresAt = row.GetInt64(16),
        EndedAt = row.GetInt64(17),
        BoundTo = row.TextOrNull(18),
        Resources = StoredText.ReadResources(row.TextOrNull(19)),
    };
}
