using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Clients;
using Keyreeve.Web.Http;
using Keyreeve.Web.Limits;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>Who may come in at an API of TS 29.549.</summary>
public sealed class ValServerDoor(SnapshotState state, TokenVerifier verifier, RequestLimits limits)
{
    /// <summary>A token for the API, within its client's rate; a refusal of the token has its challenge on the answer.</summary>
    public Outcome<VerifiedToken> Enter(HttpContext context, string audience, string scope)
    {
        if (!BearerToken.Check(context.Request, verifier, audience, scope).Succeeded(out var token, out var refusal))
        {
            BearerToken.Challenge(context.Response, refusal, scope);
            return refusal;
        }
        return limits.Take(context, token.ClientId, isPublic: false) is { } wait ? wait : token;
    }

    /// <summary>
    /// The VAL server that a token speaks for, as it is registered now. "VAL server" is a client that asks in its own name: a user's
    /// token is none, whatever client it was issued to.
    /// </summary>
    public async ValueTask<Outcome<Client>> ServerOfAsync(VerifiedToken token, CancellationToken cancel)
    {
        if (!token.IsClients)
            return new Refusal(RefusalCode.NotOwner, "only a VAL server may ask", $"the token of {token.Subject} is a user's");
        return await state.FindClientAsync(token.ClientId, cancel) is { Disabled: false } client ? client
            : new Refusal(RefusalCode.NotOwner, "only a VAL server may ask", $"client {token.ClientId} is switched off or removed");
    }

    /// <summary>What a query was refused for, as the peer is told.</summary>
    public static Refusal Of(Wire.Seal.KmRequestError error) =>
        error.Param is null ? Refusal.Of(RefusalCode.Malformed, error.Reason) : Refusal.About(RefusalCode.InvalidParameter, error.Param, error.Reason);
}
