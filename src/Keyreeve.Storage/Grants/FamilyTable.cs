using System.Data.Common;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Refresh families. Every change compares and sets in one statement.</summary>
internal static class FamilyTable
{
    private const string Columns = """
        family_id, client_id, subject, scope, auth_time, acr, amr, session_id, generation, current_hash,
        previous_hash, sealed_successor, rotated_at, reuses, idle_expires_at, absolute_expires_at, ended_at
        """;

    private static readonly Statement Add = new($"""
        INSERT INTO refresh_families ({Columns})
        VALUES (@FamilyId, @ClientId, @Subject, @Scope, @AuthTime, @Acr, @Amr, @SessionId, @Generation, @CurrentHash,
                @PreviousHash, @SealedSuccessor, @RotatedAt, @Reuses, @IdleExpiresAt, @AbsoluteExpiresAt, @EndedAt)
        """, "@FamilyId", "@ClientId", "@Subject", "@Scope", "@AuthTime", "@Acr", "@Amr", "@SessionId", "@Generation", "@CurrentHash",
        "@PreviousHash[]", "@SealedSuccessor[]", "@RotatedAt", "@Reuses", "@IdleExpiresAt", "@AbsoluteExpiresAt", "@EndedAt");

    private static readonly Statement Find = new($"SELECT {Columns} FROM refresh_families WHERE family_id = @FamilyId", "@FamilyId");

    private static readonly Statement Rotate = new("""
        UPDATE refresh_families SET generation = @Generation, current_hash = @CurrentHash, previous_hash = @PreviousHash,
            sealed_successor = @SealedSuccessor, rotated_at = @RotatedAt, reuses = @Reuses, idle_expires_at = @IdleExpiresAt
        WHERE family_id = @FamilyId AND generation = @Before AND ended_at = 0
        """, "@FamilyId", "@Generation", "@Before", "@CurrentHash", "@PreviousHash[]", "@SealedSuccessor[]", "@RotatedAt", "@Reuses", "@IdleExpiresAt");

    public static Task AddAsync(UnitOfWork unit, RefreshFamily f) => unit.ExecuteAsync(Add.In(unit,
        f.FamilyId, f.ClientId, f.Subject, f.Scope.Text, f.Authentication.AuthTime, f.Authentication.Acr, f.Authentication.Amr, f.SessionId, f.Generation, f.CurrentHash,
        f.PreviousHash, f.SealedSuccessor, f.RotatedAt, (long)f.Reuses, IdleEnd(f), f.AbsoluteExpiresAt, f.EndedAt));

    public static Task<RefreshFamily?> FindAsync(IDatabase database, string familyId, CancellationToken cancel) =>
        database.ReadAsync(connection => Find.FirstAsync(connection, Read, cancel, familyId), cancel);

    /// <summary>
    /// Only what a rotation changes is written: who, for whom, what and the absolute end are fixed when the family starts, and a
    /// family that was ended meanwhile stays ended.
    /// </summary>
    public static async Task<bool> RotateAsync(UnitOfWork unit, RefreshFamily next) => await unit.ExecuteAsync(Rotate.In(unit,
        next.FamilyId, next.Generation, next.Generation - 1, next.CurrentHash, next.PreviousHash, next.SealedSuccessor, next.RotatedAt, (long)next.Reuses, IdleEnd(next))) == 1;

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
        RotatedAt = row.GetInt64(12),
        Reuses = (int)row.GetInt64(13),
        IdleExpiresAt = row.GetInt64(14),
        AbsoluteExpiresAt = row.GetInt64(15),
        EndedAt = row.GetInt64(16),
    };
}
