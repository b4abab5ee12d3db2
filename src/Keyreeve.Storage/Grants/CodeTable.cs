using System.Data.Common;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Authorization codes.</summary>
internal static class CodeTable
{
    private const string Columns = """
        hash, client_id, subject, redirect_uri, redirect_uri_sent, challenge, nonce, scope, auth_time, acr, amr,
        grant_id, session_id, expires_at, redeemed_at, resources
        """;

    private static readonly Statement Add = new($"""
        INSERT INTO authorization_codes ({Columns})
        SELECT @Hash, @ClientId, @Subject, @RedirectUri, @RedirectUriSent, @Challenge, @Nonce, @Scope, @AuthTime, @Acr, @Amr,
               @GrantId, @SessionId, @ExpiresAt, @RedeemedAt, @Resources
        WHERE @Stamp IS NULL OR EXISTS (SELECT 1 FROM users WHERE subject = @Subject AND security_stamp = @Stamp AND disabled = 0)
            AND (@SessionId IS NULL OR EXISTS (SELECT 1 FROM login_sessions WHERE subject = @Subject AND session_id = @SessionId))
        """, "@Hash", "@ClientId", "@Subject", "@RedirectUri", "@RedirectUriSent", "@Challenge", "@Nonce", "@Scope", "@AuthTime", "@Acr", "@Amr",
        "@GrantId", "@SessionId", "@ExpiresAt", "@RedeemedAt", "@Resources", "@Stamp");

    private static readonly Statement Find = new($"SELECT {Columns} FROM authorization_codes WHERE hash = @Hash", "@Hash");

    private static readonly Statement Redeem = new("UPDATE authorization_codes SET redeemed_at = @Now WHERE hash = @Hash AND redeemed_at = 0", "@Now", "@Hash");

    /// <summary>
    /// False when the login that it stands on has ended meanwhile; the comparison and the insertion are one statement. It reads the
    /// user's stamp and whether it is disabled, columns that only a write alone changes, and the session that a logout deletes alone: they stand still while this runs.
    /// </summary>
    public static async Task<bool> AddAsync(UnitOfWork unit, AuthorizationCode code) => await unit.ExecuteAsync(Add.In(unit,
        code.Hash, code.ClientId, code.Subject, code.RedirectUri, code.RedirectUriSent ? 1L : 0L, code.Challenge, code.Nonce, code.Scope.Text,
        code.Authentication.AuthTime, code.Authentication.Acr, code.Authentication.Amr, code.GrantId, code.SessionId, code.ExpiresAt, code.RedeemedAt, StoredText.WriteResources(code.Resources), code.SecurityStamp)) == 1;

    public static Task<AuthorizationCode?> FindAsync(IDatabase database, byte[] hash, CancellationToken cancel) =>
        database.ReadAsync(connection => Find.FirstAsync(connection, Read, cancel, hash), cancel);

    /// <summary>True for exactly one caller: the comparison and the change are one statement.</summary>
    public static async Task<bool> RedeemAsync(UnitOfWork unit, byte[] hash, long now) => await unit.ExecuteAsync(Redeem.In(unit, now, hash)) == 1;

    /// <summary>Keeps a code beyond its expiry as long as a replay of it must be known as one.</summary>
    public static Task<int> DeleteExpiredAsync(UnitOfWork unit, long now, long limit) => unit.ExecuteAsync($"""
        DELETE FROM authorization_codes
        WHERE hash IN (SELECT hash FROM authorization_codes WHERE expires_at <= @Before ORDER BY expires_at LIMIT @Limit {unit.SkipLocked})
        """, new { Before = now - (long)RedeemCode.RememberAfterExpiry.TotalSeconds, Limit = limit });

    /// <summary>In the order of <see cref="Columns"/>.</summary>
    private static AuthorizationCode Read(DbDataReader row) => new()
    {
        Hash = row.GetFieldValue<byte[]>(0),
        ClientId = row.GetString(1),
        Subject = row.GetString(2),
        RedirectUri = row.GetString(3),
        RedirectUriSent = row.GetInt64(4) != 0,
        Challenge = row.TextOrNull(5),
        Nonce = row.TextOrNull(6),
        Scope = StoredText.ReadScope(row.GetString(7)),
        Authentication = new Authentication(row.GetInt64(8), row.GetString(9), row.GetString(10)),
        GrantId = row.GetString(11),
        SessionId = row.TextOrNull(12),
        ExpiresAt = row.GetInt64(13),
        RedeemedAt = row.GetInt64(14),
        Resources = StoredText.ReadResources(row.TextOrNull(15)),
    };
}
