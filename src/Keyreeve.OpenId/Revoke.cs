using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Jose;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>
/// Token revocation (RFC 7009), by which TS 33.434 A.8 becomes more than waiting for exp. A token that is unknown, over, or
/// another client's gets the same 200 and changes nothing. When the answer is sent this node refuses the token already.
/// </summary>
[Spec("RFC 7009", "2")]
[Spec("TS 33.434", "A.8")]
public static class Revoke
{
    internal static async Task HandleAsync(HttpContext context)
    {
        var openId = context.RequestServices.GetRequiredService<OpenIdContext>();
        if (await ClientRequest.ReadAsync(context, openId, "revoke") is not { } request)
            return;
        var (form, client) = request;
        form.TrySingle("token", out var text);
        if (text is null)
        {
            var refusal = Refusal.About(RefusalCode.MissingParameter, "token", "token is missing");
            openId.Refused(context, "revoke", client, refusal);
            await OpenIdRefusals.WriteAsync(context, refusal);
            return;
        }
        // The hint is only a hint; both forms tell themselves apart.
        var clientId = client.Client.ClientId;
        if (JweCompact.HasItsForm(text))
            text = await context.RequestServices.GetRequiredService<EncryptedTokens>().OpenAsync(text, context.RequestAborted) ?? text;
        if (RefreshToken.TryRead(text, out var refresh))
        {
            if (await openId.Grants.FindFamilyAsync(refresh.FamilyId, context.RequestAborted) is { EndedAt: 0 } family
                && string.Equals(family.ClientId, clientId, StringComparison.Ordinal)
                && (refresh.Secret.Has(family.CurrentHash) || family.PreviousHash is not null && refresh.Secret.Has(family.PreviousHash)))
                await EndGrant.RunAsync(context, openId, family.FamilyId, family.Subject, clientId, because: null);
        }
        else if (openId.Verifier.Verify(text, audience: null).Succeeded(out var token, out _) && string.Equals(token.ClientId, clientId, StringComparison.Ordinal)
            && token.Claims.JwtId is { } jwtId)
        {
            var keepUntil = token.ExpiresAt + (long)openId.Verifier.Leeway.TotalSeconds + 1;
            await openId.Revocations.AddAsync(
                [new Revocation(RevocationKind.JwtId, jwtId, long.MaxValue, keepUntil)],
                openId.Entry(context, "token.revoked", AuditOutcome.Changed, clientId, clientId, token.Subject, $"token {jwtId}"),
                context.RequestAborted);
            await openId.State.RefreshAsync(CancellationToken.None);
        }
        OpenIdRefusals.NoStore(context.Response);
        context.Response.StatusCode = StatusCodes.Status200OK;
    }
}
