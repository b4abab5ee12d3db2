using Dapper;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Authorization codes.</summary>
internal static class CodeTable
{
    /// <summary>
    /// False when the login that it stands on has ended meanwhile; the comparison and the insertion are one statement. It reads the
    /// user's stamp and whether it is disabled: columns that only a write alone changes, so they stand still while this runs.
    /// </summary>
    public static async Task<bool> AddAsync(UnitOfWork unit, AuthorizationCode code) => await unit.ExecuteAsync("""
        INSERT INTO authorization_codes (hash, client_id, subject, redirect_uri, redirect_uri_sent, challenge, nonce, scope, auth_time, acr, amr,
                                         grant_id, session_id, expires_at, redeemed_at)
        SELECT @Hash, @ClientId, @Subject, @RedirectUri, @RedirectUriSent, @Challenge, @Nonce, @Scope, @AuthTime, @Acr, @Amr,
               @GrantId, @SessionId, @ExpiresAt, @RedeemedAt
        WHERE @Stamp IS NULL OR EXISTS (SELECT 1 FROM users WHERE subject = @Subject AND security_stamp = @Stamp AND disabled = 0)
        """, Row.Of(code)) == 1;

    public static Task<AuthorizationCode?> FindAsync(IDatabase database, byte[] hash, CancellationToken cancel) => database.ReadAsync(async connection =>
        (await connection.QuerySingleOrDefaultAsync<Row>("""
            SELECT hash, client_id, subject, redirect_uri, redirect_uri_sent, challenge, nonce, scope, auth_time, acr, amr,
                   grant_id, session_id, expires_at, redeemed_at
            FROM authorization_codes WHERE hash = @Hash
            """, new { Hash = hash }))?.ToCode(), cancel);

    /// <summary>True for exactly one caller: the comparison and the change are one statement.</summary>
    public static async Task<bool> RedeemAsync(UnitOfWork unit, byte[] hash, long now) => await unit.ExecuteAsync(
        "UPDATE authorization_codes SET redeemed_at = @Now WHERE hash = @Hash AND redeemed_at = 0", new { Hash = hash, Now = now }) == 1;

    /// <summary>Keeps a code beyond its expiry as long as a replay of it must be known as one.</summary>
    public static Task<int> DeleteExpiredAsync(UnitOfWork unit, long now, long limit) => unit.ExecuteAsync("""
        DELETE FROM authorization_codes
        WHERE hash IN (SELECT hash FROM authorization_codes WHERE expires_at <= @Before ORDER BY expires_at LIMIT @Limit)
        """, new { Before = now - (long)RedeemCode.RememberAfterExpiry.TotalSeconds, Limit = limit });

    private sealed class Row
    {
        public byte[] Hash { get; init; } = [];
        public string ClientId { get; init; } = "";
        public string Subject { get; init; } = "";
        public string RedirectUri { get; init; } = "";
        public long RedirectUriSent { get; init; }
        public string? Challenge { get; init; }
        public string? Nonce { get; init; }
        public string Scope { get; init; } = "";
        public long AuthTime { get; init; }
        public string Acr { get; init; } = "";
        public string Amr { get; init; } = "";
        public string GrantId { get; init; } = "";
        public string? SessionId { get; init; }
        public long ExpiresAt { get; init; }
        public long RedeemedAt { get; init; }
        public string? Stamp { get; init; }

        public static Row Of(AuthorizationCode code) => new()
        {
            Hash = code.Hash,
            ClientId = code.ClientId,
            Subject = code.Subject,
            RedirectUri = code.RedirectUri,
            RedirectUriSent = code.RedirectUriSent ? 1 : 0,
            Challenge = code.Challenge,
            Nonce = code.Nonce,
            Scope = code.Scope.Text,
            AuthTime = code.Authentication.AuthTime,
            Acr = code.Authentication.Acr,
            Amr = code.Authentication.Amr,
            GrantId = code.GrantId,
            SessionId = code.SessionId,
            ExpiresAt = code.ExpiresAt,
            RedeemedAt = code.RedeemedAt,
            Stamp = code.SecurityStamp,
        };

        public AuthorizationCode ToCode() => new()
        {
            Hash = Hash,
            ClientId = ClientId,
            Subject = Subject,
            RedirectUri = RedirectUri,
            RedirectUriSent = RedirectUriSent != 0,
            Challenge = Challenge,
            Nonce = Nonce,
            Scope = StoredText.ReadScope(Scope),
            Authentication = new Authentication(AuthTime, Acr, Amr),
            GrantId = GrantId,
            SessionId = SessionId,
            ExpiresAt = ExpiresAt,
            RedeemedAt = RedeemedAt,
        };
    }
}
