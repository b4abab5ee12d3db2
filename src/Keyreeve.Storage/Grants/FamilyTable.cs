using Dapper;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Refresh families. Every change compares and sets in one statement.</summary>
internal static class FamilyTable
{
    public static Task AddAsync(UnitOfWork unit, RefreshFamily family) => unit.ExecuteAsync("""
        INSERT INTO refresh_families (family_id, client_id, subject, scope, auth_time, acr, amr, session_id, generation, current_hash,
                                      previous_hash, sealed_successor, started_at, rotated_at, reuses, idle_expires_at, absolute_expires_at, ended_at)
        VALUES (@FamilyId, @ClientId, @Subject, @Scope, @AuthTime, @Acr, @Amr, @SessionId, @Generation, @CurrentHash,
                @PreviousHash, @SealedSuccessor, @StartedAt, @RotatedAt, @Reuses, @IdleExpiresAt, @AbsoluteExpiresAt, @EndedAt)
        """, Row.Of(family));

    public static Task<RefreshFamily?> FindAsync(IDatabase database, string familyId, CancellationToken cancel) => database.ReadAsync(async connection =>
        (await connection.QuerySingleOrDefaultAsync<Row>($"SELECT {Columns} FROM refresh_families WHERE family_id = @FamilyId", new { FamilyId = familyId }))?.ToFamily(), cancel);

    public static Task<IReadOnlyList<RefreshFamily>> ListAsync(IDatabase database, string subject, long now, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<RefreshFamily>>(async connection => [.. (await connection.QueryAsync<Row>(
            $"SELECT {Columns} FROM refresh_families WHERE subject = @Subject AND ended_at = 0 AND idle_expires_at > @Now ORDER BY client_id, started_at, family_id",
            new { Subject = subject, Now = now })).Select(row => row.ToFamily())], cancel);

    /// <summary>Ends those of a user and client that were not ended; tells which.</summary>
    public static Task<List<string>> EndOfClientAsync(UnitOfWork unit, string subject, string clientId, long now) => unit.QueryAsync<string>(
        "UPDATE refresh_families SET ended_at = @Now WHERE subject = @Subject AND client_id = @ClientId AND ended_at = 0 RETURNING family_id",
        new { Subject = subject, ClientId = clientId, Now = now });

    /// <summary>
    /// Only what a rotation changes is written: who, for whom, what and the absolute end are fixed when the family starts, and a
    /// family that was ended meanwhile stays ended.
    /// </summary>
    public static async Task<bool> RotateAsync(UnitOfWork unit, RefreshFamily next) => await unit.ExecuteAsync("""
        UPDATE refresh_families SET generation = @Generation, current_hash = @CurrentHash, previous_hash = @PreviousHash,
            sealed_successor = @SealedSuccessor, rotated_at = @RotatedAt, reuses = @Reuses, idle_expires_at = @IdleExpiresAt
        WHERE family_id = @FamilyId AND generation = @Generation - 1 AND ended_at = 0
        """, Row.Of(next)) == 1;

    public static async Task<bool> CountReuseAsync(UnitOfWork unit, string familyId, long generation, int limit) => await unit.ExecuteAsync("""
        UPDATE refresh_families SET reuses = reuses + 1
        WHERE family_id = @FamilyId AND generation = @Generation AND ended_at = 0 AND reuses < @Limit
        """, new { FamilyId = familyId, Generation = generation, Limit = (long)limit }) == 1;

    public static Task EndAsync(UnitOfWork unit, string familyId, long now) => unit.ExecuteAsync(
        "UPDATE refresh_families SET ended_at = @Now WHERE family_id = @FamilyId AND ended_at = 0", new { FamilyId = familyId, Now = now });

    /// <summary>The idle end never lies after the absolute one, so that one index finds both.</summary>
    public static Task<int> DeleteExpiredAsync(UnitOfWork unit, long nowMilliseconds, long limit) => unit.ExecuteAsync("""
        DELETE FROM refresh_families
        WHERE family_id IN (SELECT family_id FROM refresh_families WHERE idle_expires_at <= @Now ORDER BY idle_expires_at LIMIT @Limit)
        """, new { Now = nowMilliseconds, Limit = limit });

    private const string Columns = """
        family_id, client_id, subject, scope, auth_time, acr, amr, session_id, generation, current_hash,
        previous_hash, sealed_successor, started_at, rotated_at, reuses, idle_expires_at, absolute_expires_at, ended_at
        """;

    private sealed class Row
    {
        public string FamilyId { get; init; } = "";
        public string ClientId { get; init; } = "";
        public string Subject { get; init; } = "";
        public string Scope { get; init; } = "";
        public long AuthTime { get; init; }
        public string Acr { get; init; } = "";
        public string Amr { get; init; } = "";
        public string? SessionId { get; init; }
        public long Generation { get; init; }
        public byte[] CurrentHash { get; init; } = [];
        public byte[]? PreviousHash { get; init; }
        public byte[]? SealedSuccessor { get; init; }
        public long StartedAt { get; init; }
        public long RotatedAt { get; init; }
        public long Reuses { get; init; }
        public long IdleExpiresAt { get; init; }
        public long AbsoluteExpiresAt { get; init; }
        public long EndedAt { get; init; }

        public static Row Of(RefreshFamily family) => new()
        {
            FamilyId = family.FamilyId,
            ClientId = family.ClientId,
            Subject = family.Subject,
            Scope = family.Scope.Text,
            AuthTime = family.Authentication.AuthTime,
            Acr = family.Authentication.Acr,
            Amr = family.Authentication.Amr,
            SessionId = family.SessionId,
            Generation = family.Generation,
            CurrentHash = family.CurrentHash,
            PreviousHash = family.PreviousHash,
            SealedSuccessor = family.SealedSuccessor,
            StartedAt = family.StartedAt,
            RotatedAt = family.RotatedAt,
            Reuses = family.Reuses,
            IdleExpiresAt = Math.Min(family.IdleExpiresAt, family.AbsoluteExpiresAt),
            AbsoluteExpiresAt = family.AbsoluteExpiresAt,
            EndedAt = family.EndedAt,
        };

        public RefreshFamily ToFamily() => new()
        {
            FamilyId = FamilyId,
            ClientId = ClientId,
            Subject = Subject,
            Scope = StoredText.ReadScope(Scope),
            Authentication = new Authentication(AuthTime, Acr, Amr),
            SessionId = SessionId,
            Generation = Generation,
            CurrentHash = CurrentHash,
            PreviousHash = PreviousHash,
            SealedSuccessor = SealedSuccessor,
            StartedAt = StartedAt,
            RotatedAt = RotatedAt,
            Reuses = (int)Reuses,
            IdleExpiresAt = IdleExpiresAt,
            AbsoluteExpiresAt = AbsoluteExpiresAt,
            EndedAt = EndedAt,
        };
    }
}
