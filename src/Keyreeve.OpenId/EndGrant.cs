using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.OpenId;

/// <summary>Ends a grant: its refresh family and every access token that stands on it, on this node before the answer is sent.</summary>
internal static class EndGrant
{
    /// <summary>Ends it because of a refusal (replay, reuse) or, without one, because the client asked (revocation).</summary>
    public static async Task RunAsync(HttpContext context, OpenIdContext openId, string grantId, string subject, string clientId, Refusal? because)
    {
        var now = openId.Now;
        var name = RefreshToken.GrantNameOf(grantId);
        // Ended already: a code that is presented over and over costs a look-up, not a write each time.
        if (openId.State.Revocations.Covers(null, "", "", name, now.ToUnixTimeSeconds()))
            return;
        await openId.Grants.EndGrantAsync(
            grantId,
            now.ToUnixTimeMilliseconds(),
            Revocation.OfGrant(grantId, now),
            openId.Entry(context, "grant.ended", AuditOutcome.Changed, clientId, clientId, subject, $"grant {name}: {because?.Operator ?? "revoked by the client"}"),
            CancellationToken.None);
        await openId.State.RefreshAsync(CancellationToken.None);
    }
}
