using System.Data.Common;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Storage;

/// <summary>Users, their VAL services, and the subjects that were removed.</summary>
internal sealed class UserTable(IDatabase database, OutboxStore outbox)
{
    private const string Columns = """
        subject, username, password_hash, security_stamp, display_name, email, val_user_id, val_ue_id,
        disabled, failed_logins, lock_count, locked_until, must_change_password, version
        """;

    private const string Joined = """
        SELECT u.subject, u.username, u.password_hash, u.security_stamp, u.display_name, u.email, u.val_user_id, u.val_ue_id,
               u.disabled, u.failed_logins, u.lock_count, u.locked_until, u.must_change_password, u.version
        """;

    private static readonly Statement Find = new(WithServices("subject = @Subject"), "@Subject");

    /// <summary>
    /// Users with one row for each VAL service of theirs, and one without when operators gave none: those of operators, then those that
    /// VAL servers provisioned. One statement, so that both are of one moment.
    /// </summary>
    private static string WithServices(string which) => $"""
        WITH u AS (SELECT {Columns} FROM users WHERE {which})
        {Joined}, s.service_id, 0 AS provisioned FROM u LEFT JOIN user_services s ON s.subject = u.subject
        UNION ALL
        {Joined}, i.service_id, 1 AS provisioned FROM u JOIN val_configuration_ids i ON i.identity_kind = {ProvisionedIds.OfUsers} AND i.identity_value = u.val_user_id
        ORDER BY subject
        """;

    public Task<User?> FindAsync(string subject, CancellationToken cancel) => database.ReadAsync(async connection =>
    {
        await using var row = await Find.On(connection, subject).ExecuteReaderAsync(cancel);
        if (!await row.ReadAsync(cancel))
            return null;
        var (user, assigned, provisioned) = (Read(row), new List<string>(), new List<string>());
        do
        {
            if (row.TextOrNull(14) is { } service)
                (row.GetInt64(15) == 0 ? assigned : provisioned).Add(service);
        }
        while (await row.ReadAsync(cancel));
        return user.ToUser(assigned, provisioned);
    }, cancel);

    public Task<User?> FindByNameAsync(string username, CancellationToken cancel) => !StoredText.Keeps(username)
        ? Task.FromResult<User?>(null)
        : database.ReadAsync(connection => FirstAsync(connection,
            WithServices("normalized_name = @Name"), new { Name = User.NormalizeName(username) }), cancel);

    public Task<IReadOnlyList<User>> ListAsync(string? after, int limit, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<User>>(async connection => ToUsers(await connection.QueryAsync<Row>(
            WithServices("subject > @After ORDER BY subject LIMIT @Limit"), new { After = after ?? "", Limit = (long)limit })), cancel);

    public Task<Outcome<User>> SaveAsync(User user, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        database.WriteAsync<Outcome<User>>(async unit =>
        {
            if ((StoredText.Refuse("subject", user.Subject) ?? StoredText.Refuse("username", user.Username)) is { } unstorable)
                return unstorable;
            var stored = await unit.SingleAsync<Row>("SELECT security_stamp, disabled, version FROM users WHERE subject = @Subject", new { user.Subject });
            if (RowVersion.Refuse("user", stored?.Version, create, expectedVersion) is { } refusal)
                return refusal;
            if (stored is null && await unit.SingleAsync<string>("SELECT subject FROM subject_tombstones WHERE subject = @Subject", new { user.Subject }) is not null)
                return Refusal.Of(RefusalCode.Conflict, "the subject belonged to a removed user and is never given again");
            var row = Row.Of(user, (stored?.Version ?? 0) + 1);
            if (await unit.SingleAsync<string>("SELECT subject FROM users WHERE normalized_name = @NormalizedName AND subject <> @Subject", row) is { } owner)
                return new Refusal(RefusalCode.Conflict, "the username is taken", $"the username is taken by {owner}") { Param = "username" };

            await unit.ExecuteAsync(stored is null
                ? """
                  INSERT INTO users (subject, username, normalized_name, password_hash, security_stamp, display_name, email, val_user_id, val_ue_id,
                                     disabled, failed_logins, lock_count, locked_until, must_change_password, version)
                  VALUES (@Subject, @Username, @NormalizedName, @PasswordHash, @SecurityStamp, @DisplayName, @Email, @ValUserId, @ValUeId,
                          @Disabled, @FailedLogins, @LockCount, @LockedUntil, @MustChangePassword, @Version)
                  """
                : """
                  UPDATE users SET username = @Username, normalized_name = @NormalizedName, password_hash = @PasswordHash,
                      security_stamp = @SecurityStamp, display_name = @DisplayName, email = @Email, val_user_id = @ValUserId, val_ue_id = @ValUeId,
                      disabled = @Disabled, failed_logins = @FailedLogins, lock_count = @LockCount, locked_until = @LockedUntil,
                      must_change_password = @MustChangePassword, version = @Version
                  WHERE subject = @Subject
                  """, row);
            var services = StoredText.InOrder(user.ValServiceIds);
            await unit.ExecuteAsync("DELETE FROM user_services WHERE subject = @Subject", row);
            await unit.ExecuteAsync("INSERT INTO user_services (subject, service_id) VALUES (@Subject, @ServiceId)",
                services.Select(service => new { user.Subject, ServiceId = service }));

            // The session check compares stamps too; the rows go so that switching the user on again does not bring them back.
            if (stored is not null && (user.Disabled && stored.Disabled == 0 || !string.Equals(stored.SecurityStamp, user.SecurityStamp, StringComparison.Ordinal)))
            {
                await unit.ExecuteAsync("DELETE FROM login_sessions WHERE subject = @Subject", row);
                // So do grants: whoever knew the old password may hold a refresh token obtained with it.
                await unit.ExecuteAsync("DELETE FROM authorization_codes WHERE subject = @Subject", row);
                await FamilyTable.DeleteOfSubjectAsync(unit, user.Subject);
            }
            unit.Audit(entry);
            var provisioned = await unit.QueryAsync<string>($"SELECT service_id FROM val_configuration_ids WHERE identity_kind = {ProvisionedIds.OfUsers} AND identity_value = @ValUserId", row);
            return user with { Version = row.Version, ValServiceIds = services, ProvisionedServiceIds = StoredText.InOrder(provisioned) };
        }, cancel);

    public Task<bool> RemoveAsync(string subject, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var row = new { Subject = subject, RemovedAt = unit.Now };
        if (await unit.ExecuteAsync("DELETE FROM users WHERE subject = @Subject", row) == 0)
            return false;
        await unit.ExecuteAsync("INSERT INTO subject_tombstones (subject, removed_at) VALUES (@Subject, @RemovedAt)", row);
        await unit.ExecuteAsync("DELETE FROM login_sessions WHERE subject = @Subject", row);
        await unit.ExecuteAsync("DELETE FROM authorization_codes WHERE subject = @Subject", row);
        await FamilyTable.DeleteOfSubjectAsync(unit, subject);
        await unit.ExecuteAsync("DELETE FROM consents WHERE subject = @Subject", row);
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <summary>This and the three below set each their own columns of one row, from its newest state: no write alone is needed.</summary>
    public Task<int> CountFailedLoginAsync(string subject, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
        (int)await unit.SingleAsync<long>("UPDATE users SET failed_logins = failed_logins + 1 WHERE subject = @Subject RETURNING failed_logins", new { Subject = subject }), cancel);

    /// <summary>Raises the version as well: a form that was read before the lock must not be able to write the lock away.</summary>
    public Task LockAsync(string subject, long until, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        var changed = await unit.ExecuteAsync("""
            UPDATE users SET failed_logins = 0, lock_count = lock_count + 1, locked_until = @Until, version = version + 1 WHERE subject = @Subject
            """, new { Subject = subject, Until = until });
        if (changed > 0)
            unit.Audit(entry);
        return changed;
    }, cancel);

    public Task ClearFailedLoginsAsync(string subject, CancellationToken cancel) => database.WriteSharedAsync(unit => unit.ExecuteAsync("""
        UPDATE users SET failed_logins = 0, lock_count = 0, locked_until = 0
        WHERE subject = @Subject AND (failed_logins <> 0 OR lock_count <> 0 OR locked_until <> 0)
        """, new { Subject = subject }), cancel);

    public Task ReplacePasswordHashAsync(string subject, string oldHash, string newHash, CancellationToken cancel) => database.WriteSharedAsync(unit => unit.ExecuteAsync(
        "UPDATE users SET password_hash = @NewHash WHERE subject = @Subject AND password_hash = @OldHash", new { Subject = subject, OldHash = oldHash, NewHash = newHash }), cancel);

    /// <summary>Codes end as well: they were issued to a login that stood on the old password.</summary>
    public async Task<bool> ChangePasswordAsync(PasswordChange change, AuditEntry entry, CancellationToken cancel)
    {
        var done = await database.WriteAsync(async unit =>
        {
            var row = new { change.Subject, change.OldStamp, change.NewHash, change.NewStamp, Keep = change.Keep ?? [] };
            if (await unit.ExecuteAsync("""
                UPDATE users SET password_hash = @NewHash, security_stamp = @NewStamp, must_change_password = 0, failed_logins = 0, lock_count = 0, locked_until = 0, version = version + 1
                WHERE subject = @Subject AND security_stamp = @OldStamp AND disabled = 0
                """, row) == 0)
                return false;
            await unit.ExecuteAsync("DELETE FROM login_sessions WHERE subject = @Subject AND hash <> @Keep", row);
            await unit.ExecuteAsync("UPDATE login_sessions SET security_stamp = @NewStamp WHERE subject = @Subject AND hash = @Keep", row);
            await unit.ExecuteAsync("DELETE FROM authorization_codes WHERE subject = @Subject", row);
            if (change.EndGrants is { } revocation)
            {
                await FamilyTable.DeleteOfSubjectAsync(unit, change.Subject);
                await RevocationStore.AddAsync(unit, [revocation], outbox);
            }
            unit.Audit(entry);
            return true;
        }, cancel);
        outbox.Wake();
        return done;
    }

    private static async Task<User?> FirstAsync(DbConnection connection, string sql, object parameters) =>
        ToUsers(await connection.QueryAsync<Row>(sql, parameters)).FirstOrDefault();

    private static List<User> ToUsers(IEnumerable<Row> rows) =>
        [.. rows.GroupBy(row => row.Subject, StringComparer.Ordinal).Select(same => same.First().ToUser(
            same.Where(row => row.Provisioned == 0).Select(row => row.ServiceId).OfType<string>(), same.Where(row => row.Provisioned != 0).Select(row => row.ServiceId).OfType<string>()))];

    /// <summary>In the order of <see cref="Joined"/>.</summary>
    private static Row Read(DbDataReader row) => new()
    {
        Subject = row.GetString(0),
        Username = row.GetString(1),
        PasswordHash = row.TextOrNull(2),
        SecurityStamp = row.GetString(3),
        DisplayName = row.TextOrNull(4),
        Email = row.TextOrNull(5),
        ValUserId = row.TextOrNull(6),
        ValUeId = row.TextOrNull(7),
        Disabled = row.GetInt64(8),
        FailedLogins = row.GetInt64(9),
        LockCount = row.GetInt64(10),
        LockedUntil = row.GetInt64(11),
        MustChangePassword = row.GetInt64(12),
        Version = row.GetInt64(13),
    };

    private sealed class Row
    {
        public string Subject { get; init; } = "";
        public string Username { get; init; } = "";
        public string NormalizedName { get; init; } = "";
        public string? PasswordHash { get; init; }
        public string SecurityStamp { get; init; } = "";
        public string? DisplayName { get; init; }
        public string? Email { get; init; }
        public string? ValUserId { get; init; }
        public string? ValUeId { get; init; }
        public long Disabled { get; init; }
        public long FailedLogins { get; init; }
        public long LockCount { get; init; }
        public long LockedUntil { get; init; }
        public long MustChangePassword { get; init; }
        public long Version { get; init; }
        public string? ServiceId { get; init; }
        public long Provisioned { get; init; }

        public static Row Of(User user, long version) => new()
        {
            Subject = user.Subject,
            Username = user.Username,
            NormalizedName = User.NormalizeName(user.Username),
            PasswordHash = user.PasswordHash,
            SecurityStamp = user.SecurityStamp,
            DisplayName = user.DisplayName,
            Email = user.Email,
            ValUserId = user.ValUserId,
            ValUeId = user.ValUeId,
            Disabled = user.Disabled ? 1 : 0,
            FailedLogins = user.FailedLogins,
            LockCount = user.LockCount,
            LockedUntil = user.LockedUntil,
            MustChangePassword = user.MustChangePassword ? 1 : 0,
            Version = version,
        };

        public User ToUser(IEnumerable<string> assigned, IEnumerable<string> provisioned) => new()
        {
            Subject = Subject,
            Username = Username,
            PasswordHash = PasswordHash,
            SecurityStamp = SecurityStamp,
            DisplayName = DisplayName,
            Email = Email,
            ValUserId = ValUserId,
            ValUeId = ValUeId,
            ValServiceIds = StoredText.InOrder(assigned),
            ProvisionedServiceIds = StoredText.InOrder(provisioned),
            Disabled = Disabled != 0,
            FailedLogins = (int)FailedLogins,
            LockCount = (int)LockCount,
            LockedUntil = LockedUntil,
            MustChangePassword = MustChangePassword != 0,
            Version = Version,
        };
    }
}
