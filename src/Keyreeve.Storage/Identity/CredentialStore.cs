using System.Data.Common;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;

namespace Keyreeve.Storage;

/// <summary>Second factors and passkeys. What may happen once is one statement that compares and sets.</summary>
public sealed class CredentialStore(IDatabase database) : ICredentialStore
{
    private const long FirstLock = 60_000;
    private const long LongestLock = 3_600_000;

    // Every authorization request asks for the three of them.
    private static readonly Statement FindTotp = new("SELECT subject, sealed_secret, last_step, created_at FROM totp_secrets WHERE subject = @Subject", "@Subject");

    private static readonly Statement ListPasskeys = new(
        $"SELECT {PasskeyRow.Columns} FROM passkeys WHERE subject = @Subject ORDER BY created_at, credential_id", "@Subject");

    private static readonly Statement CountCodes = new("SELECT count(*) FROM recovery_codes WHERE subject = @Subject", "@Subject");

    /// <inheritdoc />
    public Task<SecondFactors> FindAsync(string subject, CancellationToken cancel) => database.ReadAsync(async connection =>
    {
        var totp = await FindTotp.FirstAsync(connection, ReadTotp, cancel, subject);
        var passkeys = new List<Passkey>();
        await using (var row = await ListPasskeys.On(connection, subject).ExecuteReaderAsync(cancel))
            while (await row.ReadAsync(cancel))
                passkeys.Add(PasskeyRow.Read(row).ToPasskey());
        var codes = await CountCodes.FirstAsync(connection, row => row.GetInt64(0), cancel, subject);
        return new SecondFactors(totp, passkeys, (int)codes);
    }, cancel);

    /// <inheritdoc />
    public Task<bool> AddTotpAsync(TotpSecret totp, AuditEntry entry, CancellationToken cancel) => ChangeAsync("""
        INSERT INTO totp_secrets (subject, sealed_secret, last_step, created_at) SELECT @Subject, @Sealed, @LastStep, @CreatedAt
        WHERE EXISTS (SELECT 1 FROM users WHERE subject = @Subject)
        ON CONFLICT (subject) DO NOTHING
        """, totp, entry, cancel);

    /// <inheritdoc />
    public Task<bool> UseTotpStepAsync(string subject, long step, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        if (await unit.ExecuteAsync("UPDATE totp_secrets SET last_step = @Step WHERE subject = @Subject AND last_step < @Step", new { Subject = subject, Step = step }) == 0)
            return false;
        await ForgetAttemptsAsync(unit, subject);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveTotpAsync(string subject, AuditEntry entry, CancellationToken cancel) =>
        ChangeAsync("DELETE FROM totp_secrets WHERE subject = @Subject", new { Subject = subject }, entry, cancel);

    /// <inheritdoc />
    public Task<Passkey?> FindPasskeyAsync(byte[] credentialId, CancellationToken cancel) => database.ReadAsync(async connection =>
        (await connection.QuerySingleOrDefaultAsync<PasskeyRow>($"SELECT {PasskeyRow.Columns} FROM passkeys WHERE credential_id = @Id", new { Id = credentialId }))?.ToPasskey(), cancel);

    /// <inheritdoc />
    public Task<bool> AddPasskeyAsync(Passkey passkey, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(unit => ChangeAsync(unit, $"""
        INSERT INTO passkeys ({PasskeyRow.Columns})
        SELECT @CredentialId, @Subject, @Name, @PublicKey, @SignCount, @Transports, @UserVerified, @BackupEligible, @BackedUp, @CreatedAt, @LastUsedAt
        WHERE EXISTS (SELECT 1 FROM users WHERE subject = @Subject) AND (SELECT count(*) FROM passkeys WHERE subject = @Subject) < {ICredentialStore.MaxPasskeys}
        ON CONFLICT (credential_id) DO NOTHING
        """, PasskeyRow.Of(passkey), entry), cancel);

    /// <inheritdoc />
    public Task<bool> UsePasskeyAsync(string subject, byte[] credentialId, long signCount, bool backedUp, long now, CancellationToken cancel) => ChangeAsync("""
        UPDATE passkeys SET sign_count = @SignCount, backed_up = @BackedUp, last_used_at = @Now
        WHERE credential_id = @Id AND subject = @Subject AND (sign_count < @SignCount OR sign_count = 0 AND @SignCount = 0)
        """, new { Subject = subject, Id = credentialId, SignCount = signCount, BackedUp = backedUp ? 1L : 0L, Now = now }, null, cancel);

    /// <inheritdoc />
    public Task<bool> RenamePasskeyAsync(string subject, byte[] credentialId, string name, AuditEntry entry, CancellationToken cancel) =>
        ChangeAsync("UPDATE passkeys SET name = @Name WHERE credential_id = @Id AND subject = @Subject", new { Subject = subject, Id = credentialId, Name = name }, entry, cancel);

    /// <inheritdoc />
    public Task<bool> RemovePasskeyAsync(string subject, byte[] credentialId, AuditEntry entry, CancellationToken cancel) =>
        ChangeAsync("DELETE FROM passkeys WHERE credential_id = @Id AND subject = @Subject", new { Subject = subject, Id = credentialId }, entry, cancel);

    /// <inheritdoc />
    public Task ReplaceRecoveryCodesAsync(string subject, IReadOnlyList<byte[]> hashes, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        await unit.ExecuteAsync("DELETE FROM recovery_codes WHERE subject = @Subject", new { Subject = subject });
        await unit.ExecuteAsync("INSERT INTO recovery_codes (subject, hash) VALUES (@Subject, @Hash)", hashes.Select(hash => new { Subject = subject, Hash = hash }));
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> UseRecoveryCodeAsync(string subject, byte[] hash, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        if (await unit.ExecuteAsync("DELETE FROM recovery_codes WHERE subject = @Subject AND hash = @Hash", new { Subject = subject, Hash = hash }) == 0)
            return false;
        await ForgetAttemptsAsync(unit, subject);
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> TakeAttemptAsync(string subject, long now, AuditEntry whenLocked, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        var lockedUntil = await unit.SingleAsync<long?>($"""
            INSERT INTO second_factor_attempts (subject, attempts, next_lock, locked_until)
            SELECT @Subject, 1, {FirstLock}, 0 WHERE EXISTS (SELECT 1 FROM users WHERE subject = @Subject)
            ON CONFLICT (subject) DO UPDATE SET
                attempts = CASE WHEN second_factor_attempts.attempts + 1 >= @Limit THEN 0 ELSE second_factor_attempts.attempts + 1 END,
                locked_until = CASE WHEN second_factor_attempts.attempts + 1 >= @Limit THEN @Now + second_factor_attempts.next_lock ELSE 0 END,
                next_lock = CASE WHEN second_factor_attempts.attempts + 1 < @Limit THEN second_factor_attempts.next_lock
                                 WHEN second_factor_attempts.next_lock * 2 > {LongestLock} THEN {LongestLock}
                                 ELSE second_factor_attempts.next_lock * 2 END
            WHERE second_factor_attempts.locked_until <= @Now
            RETURNING locked_until
            """, new { Subject = subject, Now = now, Limit = (long)ICredentialStore.MaxAttempts });
        if (lockedUntil > now)
            unit.Audit(whenLocked);
        return lockedUntil is not null;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> ClearAttemptsAsync(string subject, AuditEntry? entry, CancellationToken cancel) =>
        ChangeAsync("DELETE FROM second_factor_attempts WHERE subject = @Subject", new { Subject = subject }, entry, cancel);

    /// <inheritdoc />
    public Task<bool> UseOnceAsync(byte[] mark, long expiresAt, CancellationToken cancel) =>
        ChangeAsync("INSERT INTO used_marks (mark, expires_at) VALUES (@Mark, @ExpiresAt) ON CONFLICT (mark) DO NOTHING", new { Mark = mark, ExpiresAt = expiresAt }, null, cancel);

    /// <inheritdoc />
    public Task<bool> WasUsedAsync(byte[] mark, CancellationToken cancel) => database.ReadAsync(async connection =>
        await connection.ExecuteScalarAsync<long?>("SELECT expires_at FROM used_marks WHERE mark = @Mark", new { Mark = mark }) is not null, cancel);

    /// <inheritdoc />
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => database.WriteSharedAsync(unit => DeleteExpiredAsync(unit, now, limit), cancel);

    internal static Task<int> DeleteExpiredAsync(UnitOfWork unit, long now, int limit) => unit.ExecuteAsync($"""
        DELETE FROM used_marks WHERE mark IN (SELECT mark FROM used_marks WHERE expires_at <= @Now ORDER BY expires_at LIMIT @Limit {unit.SkipLocked})
        """, new { Now = now, Limit = (long)limit });

    private static Task<int> ForgetAttemptsAsync(UnitOfWork unit, string subject) =>
        unit.ExecuteAsync("DELETE FROM second_factor_attempts WHERE subject = @Subject", new { Subject = subject });

    /// <summary>One statement that compares and sets; audited if it changed something.</summary>
    private Task<bool> ChangeAsync(string sql, object parameters, AuditEntry? entry, CancellationToken cancel) =>
        database.WriteSharedAsync(unit => ChangeAsync(unit, sql, parameters, entry), cancel);

    private static async Task<bool> ChangeAsync(UnitOfWork unit, string sql, object parameters, AuditEntry? entry)
    {
        if (await unit.ExecuteAsync(sql, parameters) == 0)
            return false;
        if (entry is not null)
            unit.Audit(entry);
        return true;
    }

    private static TotpSecret ReadTotp(DbDataReader row) => new()
    {
        Subject = row.GetString(0),
        Sealed = row.GetFieldValue<byte[]>(1),
        LastStep = row.GetInt64(2),
        CreatedAt = row.GetInt64(3),
    };

    private sealed class PasskeyRow
    {
        public const string Columns = "credential_id, subject, name, public_key, sign_count, transports, user_verified, backup_eligible, backed_up, created_at, last_used_at";

        public byte[] CredentialId { get; init; } = [];
        public string Subject { get; init; } = "";
        public string Name { get; init; } = "";
        public byte[] PublicKey { get; init; } = [];
        public long SignCount { get; init; }
        public string Transports { get; init; } = "";
        public long UserVerified { get; init; }
        public long BackupEligible { get; init; }
        public long BackedUp { get; init; }
        public long CreatedAt { get; init; }
        public long LastUsedAt { get; init; }

        public static PasskeyRow Of(Passkey passkey) => new()
        {
            CredentialId = passkey.CredentialId,
            Subject = passkey.Subject,
            Name = passkey.Name,
            PublicKey = passkey.PublicKey,
            SignCount = passkey.SignCount,
            Transports = StoredText.WriteList(passkey.Transports),
            UserVerified = passkey.UserVerified ? 1 : 0,
            BackupEligible = passkey.BackupEligible ? 1 : 0,
            BackedUp = passkey.BackedUp ? 1 : 0,
            CreatedAt = passkey.CreatedAt,
            LastUsedAt = passkey.LastUsedAt,
        };

        /// <summary>In the order of <see cref="Columns"/>.</summary>
        public static PasskeyRow Read(DbDataReader row) => new()
        {
            CredentialId = row.GetFieldValue<byte[]>(0),
            Subject = row.GetString(1),
            Name = row.GetString(2),
            PublicKey = row.GetFieldValue<byte[]>(3),
            SignCount = row.GetInt64(4),
            Transports = row.GetString(5),
            UserVerified = row.GetInt64(6),
            BackupEligible = row.GetInt64(7),
            BackedUp = row.GetInt64(8),
            CreatedAt = row.GetInt64(9),
            LastUsedAt = row.GetInt64(10),
        };

        public Passkey ToPasskey() => new()
        {
            CredentialId = CredentialId,
            Subject = Subject,
            Name = Name,
            PublicKey = PublicKey,
            SignCount = SignCount,
            Transports = StoredText.ReadList(Transports),
            UserVerified = UserVerified != 0,
            BackupEligible = BackupEligible != 0,
            BackedUp = BackedUp != 0,
            CreatedAt = CreatedAt,
            LastUsedAt = LastUsedAt,
        };
    }
}
