using System.Globalization;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Snapshots;

namespace Keyreeve.Storage;

/// <summary>
/// A restored store has forgotten what happened since its backup: codes that were redeemed, refresh tokens that were rotated, people who logged out, tokens and
/// signing keys that were revoked. What could be used a second time because of that is ended here, in the transaction that makes the store usable.
/// </summary>
/// <param name="Grants">Refresh families ended.</param>
/// <param name="Codes">Authorization codes dropped.</param>
/// <param name="Sessions">Login sessions dropped.</param>
/// <param name="SigningKeys">Signing keys revoked.</param>
public sealed record RestoredState(int Grants, int Codes, int Sessions, int SigningKeys)
{
    /// <summary>The name in whose chain the audit line stands: a restore is no node.</summary>
    public const string Node = "restore";

    /// <summary>Ends it, and writes the audit line. With its time, key requests that were answered before are refused as replays after the start.</summary>
    /// <param name="unit">The transaction that also takes the mark away.</param>
    /// <param name="backup">What was restored.</param>
    /// <param name="keepGrants">Refresh families go on. Whoever holds a refresh token that was rotated since the backup can use it once.</param>
    public static async Task<RestoredState> EndAsync(UnitOfWork unit, BackupHeader backup, bool keepGrants)
    {
        // A revoked key neither signs nor verifies: so every access token from before is dead, and a key that was revoked since stays so.
        var keys = await unit.ExecuteAsync("UPDATE signing_keys SET revoked = 1 WHERE revoked = 0", new { });
        var codes = await unit.ExecuteAsync("DELETE FROM authorization_codes", new { });
        var sessions = await unit.ExecuteAsync("DELETE FROM login_sessions", new { });
        var grants = keepGrants ? 0 : await unit.ExecuteAsync("UPDATE refresh_families SET ended_at = @Now WHERE ended_at = 0", new { unit.Now });
        // Half-finished logins and forms, which carry these keys' seal, begin anew.
        await unit.ExecuteAsync("DELETE FROM sealed_values WHERE substr(name, 1, 16) = 'data_protection/'", new { });
        unit.Bump(Topic.SigningKeys);
        unit.Bump(Topic.Revocations);
        unit.Audit(new AuditEntry
        {
            Kind = "store.restored",
            Outcome = AuditOutcome.Changed,
            At = unit.Now,
            Actor = "system",
            Subject = backup.Node,
            Detail = string.Create(CultureInfo.InvariantCulture,
                $"backup of {DateTimeOffset.FromUnixTimeSeconds(backup.At):u}; {(keepGrants ? "grants kept" : $"{grants} grants ended")}, {codes} codes and {sessions} sessions dropped, {keys} signing keys revoked"),
        });
        return new(grants, codes, sessions, keys);
    }
}
