using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>The token endpoint: 1 read the form, 2 authenticate the client, 3 decide the grant, 4 record, 5 answer.</summary>
[Spec("RFC 6749", "3.2")]
public static class TokenEndpoint
{
    internal static async Task HandleAsync(HttpContext context)
    {
        var openId = context.RequestServices.GetRequiredService<OpenIdContext>();
        if (await ClientRequest.ReadAsync(context, openId, "token") is not { } request)
            return;
        var (form, client) = request;
        TokenBinding.Binding? binding = null;
        if (!DecideGrantType(form, client.Client).Succeeded(out var grant, out var refusal) || !TokenBinding.Decide(client).Succeeded(out binding, out refusal))
        {
            await RefuseAsync(context, openId, "token", client, refusal);
            return;
        }
        switch (grant.Type)
        {
            case GrantType.AuthorizationCode:
                await RedeemAsync(context, openId, form, client, binding);
                break;
            case GrantType.RefreshToken:
                await RefreshAsync(context, openId, form, client, binding);
                break;
            case GrantType.ClientCredentials:
                await ClientCredentialsAsync(context, openId, form, client, binding);
                break;
            case GrantType.TokenExchange:
                await RequestExchange.RunAsync(context, openId, form, client, binding);
                break;
            case GrantType.JwtBearer:
                await RequestByAssertion.RunAsync(context, openId, form, client, binding);
                break;
        }
    }

    /// <summary>A grant that exists and that the client is registered for.</summary>
    [Spec("TS 33.434", "A.4.1")]
    public static Outcome<AllowedGrant> DecideGrantType(ParameterList form, Client client)
    {
        form.TrySingle("grant_type", out var text);
        if (text is null)
            return Refusal.About(RefusalCode.MissingParameter, "grant_type", "grant_type is missing");
        if (WireNames.Parse<GrantType>(text, WireNames.Of) is not { } grant)
            return Refusal.About(RefusalCode.UnsupportedGrantType, "grant_type", "the grant type is not supported");
        // A public client has nothing to be granted in its own name (RFC 6749 4.4: "MUST only be used by confidential clients"), and
        // whoever has somebody's token could call himself one (RFC 8693 5).
        if (!client.Grants.Contains(grant) || client.IsPublic && grant is (GrantType.ClientCredentials or GrantType.TokenExchange or GrantType.JwtBearer))
            return new Refusal(RefusalCode.GrantNotAllowed, "the client may not use this grant type", $"client {client.ClientId} is not registered for {text}");
        return new AllowedGrant(grant);
    }

    /// <summary>A grant that the client may use.</summary>
    public sealed record AllowedGrant(GrantType Type);

    private static async Task RedeemAsync(HttpContext context, OpenIdContext openId, ParameterList form, AuthenticatedClient client, TokenBinding.Binding binding)
    {
        const string kind = "token.authorization_code";
        if (!RedeemCode.Request.Read(form, client.Client).Succeeded(out var asked, out var refusal))
        {
            await RefuseAsync(context, openId, kind, client, refusal);
            return;
        }
        var cancel = context.RequestAborted;
        AuthorizationCode? row;
        User? user;
        Outcome<AuthorizationCode> outcome;
        using (Spans.Start(Spans.DecideCode))
        {
            // By its hash alone: a code that the release before issued.
            row = await openId.Grants.FindCodeAsync(asked.Code.Key, cancel) ?? await openId.Grants.FindCodeAsync(asked.Code.Hash, cancel);
            user = row is null ? null : await openId.Directory.FindUserAsync(row.Subject, cancel);
            outcome = RedeemCode.Decide(asked, client, row, user, openId.Now);
        }
        ScopeList? tokenScope = null;
        if (!outcome.Succeeded(out var code, out refusal)
            || !ResourceList.Narrow(code.Scope, asked.Resources, code.Resources, openId.State.Scopes).Succeeded(out tokenScope, out refusal))
        {
            if (refusal.Code == RefusalCode.CodeReplayed)
                await EndGrant.RunAsync(context, openId, row!.GrantId, row.Subject, client.Client.ClientId, refusal);
            await RefuseAsync(context, openId, kind, client, refusal);
            return;
        }
        // Before anything is written: a code whose token cannot be made is still good when the operator has put that right.
        TokenForm? shape = null;
        if (!RedeemCode.ScopeNow(tokenScope, user!, client.Client, openId.State.Scopes).Succeeded(out tokenScope, out refusal)
            || !(await openId.FormOfAsync(client.Client, tokenScope, cancel)).Succeeded(out shape, out refusal))
        {
            await RefuseAsync(context, openId, kind, client, refusal);
            return;
        }
        var secret = OpaqueToken.Generate();
        var family = RedeemCode.StartFamily(code, client.Client, secret, openId.Policy, openId.Now, TokenBinding.OfFamily(client, binding));
        var entry = openId.Entry(context, kind, AuditOutcome.Granted, code.Subject, code.ClientId, code.Subject, $"grant {RefreshToken.GrantNameOf(code.GrantId)} [{code.Scope}] {code.Authentication.Event}");
        if (!await openId.Grants.RedeemCodeAsync(code.Hash, openId.Now.ToUnixTimeSeconds(), family, entry, cancel))
        {
            // Somebody was faster by a moment: the same as a replay, by a client that sent its code twice or lost it.
            refusal = new Refusal(RefusalCode.CodeReplayed, "the authorization code is not valid", "the code was redeemed by a parallel request: the grant is ended");
            await EndGrant.RunAsync(context, openId, code.GrantId, code.Subject, code.ClientId, refusal);
            await RefuseAsync(context, openId, kind, client, refusal);
            return;
        }
        await context.RequestServices.GetRequiredService<TokenAnswer>().WriteAsync(context, new TokenAnswer.Granted
        {
            GrantType = GrantType.AuthorizationCode,
            Client = client.Client,
            Binding = binding,
            User = user,
            Scope = code.Scope,
            Form = shape,
            GrantId = code.GrantId,
            Authentication = code.Authentication,
            Nonce = code.Nonce,
            SessionId = code.SessionId,
            Refresh = family is null ? null : new RefreshToken(family.FamilyId, secret),
        });
    }

    private static async Task RefreshAsync(HttpContext context, OpenIdContext openId, ParameterList form, AuthenticatedClient client, TokenBinding.Binding binding)
    {
        const string kind = "token.refresh_token";
        form.TrySingle("refresh_token", out var text);
        form.TrySingle("scope", out var scopeText);
        var asked = ScopeList.Empty;
        Refusal? refusal = text is null ? Refusal.About(RefusalCode.MissingParameter, "refresh_token", "refresh_token is missing")
            : !ScopeList.TryRead(scopeText, out asked) ? Refusal.About(RefusalCode.ScopeNotAllowed, "scope", "scope is not a list of scope values")
            : null;
        RefreshToken? presented = null;
        ResourceList? resources = null;
        if (refusal is null)
            ResourceList.Read(form).Succeeded(out resources, out refusal);
        if (refusal is null && !RefreshToken.TryRead(text!, out presented))
            refusal = new Refusal(RefusalCode.RefreshUnknown, "the refresh token is not valid", "it has not the form of a refresh token");
        if (refusal is not null)
        {
            await RefuseAsync(context, openId, kind, client, refusal);
            return;
        }
        var cancel = context.RequestAborted;
        // Two rounds are enough: who loses the race finds the winner's successor in the second one.
        for (var round = 0; round < 4; round++)
        {
            RefreshFamily? family;
            User? user;
            Outcome<RefreshGrant.Decision> outcome;
            using (Spans.Start(Spans.DecideRefresh))
            {
                family = await openId.Grants.FindFamilyAsync(presented!.FamilyId, cancel);
                user = family is null ? null : await openId.Directory.FindUserAsync(family.Subject, cancel);
                outcome = RefreshGrant.Decide(presented, asked!, client, family, user, openId.State.Scopes, openId.Policy, OpaqueToken.Generate(), openId.Now, resources);
            }
            if (!outcome.Succeeded(out var decision, out refusal))
            {
                if (refusal.Code is RefusalCode.RefreshReplayed or RefusalCode.UserUnavailable)
                    await EndGrant.RunAsync(context, openId, family!.FamilyId, family.Subject, client.Client.ClientId, refusal);
                await RefuseAsync(context, openId, kind, client, refusal);
                return;
            }
            if (!(await openId.FormOfAsync(client.Client, decision.TokenScope, cancel)).Succeeded(out var shape, out refusal))
            {
                await RefuseAsync(context, openId, kind, client, refusal);
                return;
            }
            var entry = openId.Entry(context, kind, AuditOutcome.Granted, decision.Family.Subject, client.Client.ClientId, decision.Family.Subject,
                $"grant {RefreshToken.GrantNameOf(decision.Family.FamilyId)} generation {decision.Family.Generation} [{decision.TokenScope}] {decision.Family.Authentication.Event}");
            var recorded = decision.Rotated
                ? await openId.Grants.RotateAsync(decision.Family, entry, cancel)
                : await openId.Grants.CountReuseAsync(decision.Family.FamilyId, decision.Family.Generation, openId.Policy.RefreshReuseLimit, entry, cancel);
            if (!recorded)
                continue;
            await context.RequestServices.GetRequiredService<TokenAnswer>().WriteAsync(context, new TokenAnswer.Granted
            {
                GrantType = GrantType.RefreshToken,
                Client = client.Client,
                Binding = binding,
                User = user,
                Scope = decision.Scope,
                Form = shape,
                GrantId = decision.Family.FamilyId,
                Authentication = decision.Family.Authentication,
                SessionId = decision.Family.SessionId,
                Refresh = decision.Token,
            });
            return;
        }
        await RefuseAsync(context, openId, kind, client, new Refusal(RefusalCode.Busy, "please try again", $"grant {RefreshToken.GrantNameOf(presented!.FamilyId)} changed four times while it was looked at"));
    }

    private static async Task ClientCredentialsAsync(HttpContext context, OpenIdContext openId, ParameterList form, AuthenticatedClient client, TokenBinding.Binding binding)
    {
        const string kind = "token.client_credentials";
        form.TrySingle("scope", out var text);
        Refusal? refusal = null;
        ScopeList? scope = null;
        TokenForm? shape = null;
        var span = Spans.Start(Spans.DecideClientCredentials);
        if (!ScopeList.TryRead(text, out var asked))
            refusal = Refusal.About(RefusalCode.ScopeNotAllowed, "scope", "scope is not a list of scope values");
        else if (ResourceList.Read(form).Succeeded(out var resources, out refusal)
            && ClientCredentials.Decide(asked, client, openId.State.Scopes, resources).Succeeded(out scope, out refusal)
            && (await openId.FormOfAsync(client.Client, scope, context.RequestAborted)).Succeeded(out shape, out refusal)
            && !openId.TryAudit(openId.Entry(context, kind, AuditOutcome.Granted, client.Client.ClientId, client.Client.ClientId, client.Client.ClientId, scope.Text)))
            refusal = new Refusal(RefusalCode.Busy, "please try again", "the audit queue is full: is the disk full?");
        span?.Stop();
        if (refusal is not null)
        {
            await RefuseAsync(context, openId, kind, client, refusal);
            return;
        }
        await context.RequestServices.GetRequiredService<TokenAnswer>().WriteAsync(context, new TokenAnswer.Granted { GrantType = GrantType.ClientCredentials, Client = client.Client, Binding = binding, Scope = scope!, Form = shape! });
    }

    /// <summary>The tokens of a decided request, or its refusal.</summary>
    internal static Task AnswerAsync(HttpContext context, OpenIdContext openId, string kind, AuthenticatedClient client, Outcome<TokenAnswer.Granted> outcome) =>
        outcome.Succeeded(out var granted, out var refusal)
            ? context.RequestServices.GetRequiredService<TokenAnswer>().WriteAsync(context, granted)
            : RefuseAsync(context, openId, kind, client, refusal);

    private static Task RefuseAsync(HttpContext context, OpenIdContext openId, string kind, AuthenticatedClient client, Refusal refusal)
    {
        // What could be a guess counts as one.
        if (refusal.Code is RefusalCode.CodeUnknown or RefusalCode.RefreshUnknown or RefusalCode.VerifierMismatch)
            openId.Limits.Failed(context, client.Client.ClientId);
        openId.Refused(context, kind, client, refusal);
        return OpenIdRefusals.WriteAsync(context, refusal);
    }
}
