using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>Token exchange at the token endpoint (RFC 8693): 1 read, 2 check the tokens, 3 decide, 4 audit, 5 answer. Nothing is stored.</summary>
[Spec("RFC 8693", "2")]
internal static class RequestExchange
{
    private const string Kind = "token.exchange";

    public static async Task RunAsync(HttpContext context, OpenIdContext openId, ParameterList form, AuthenticatedClient client, TokenBinding.Binding binding) =>
        await TokenEndpoint.AnswerAsync(context, openId, Kind, client, await DecideAsync(context, openId, form, client, binding));

    private static async Task<Outcome<TokenAnswer.Granted>> DecideAsync(HttpContext context, OpenIdContext openId, ParameterList form, AuthenticatedClient client, TokenBinding.Binding binding)
    {
        using var span = Spans.Start(Spans.DecideExchange);
        var cancel = context.RequestAborted;
        if (!ExchangeToken.Request.Read(form).Succeeded(out var asked, out var refusal)
            || !(await SubjectAsync(context, openId, asked, client)).Succeeded(out var subject, out refusal))
            return refusal;
        VerifiedToken? actor = null;
        if (asked.ActorToken is { } text && !openId.Verifier.Verify(text, audience: null).Succeeded(out actor, out refusal))
            return new Refusal(RefusalCode.ActorTokenNotAccepted, "the actor token is not accepted", refusal.Operator) { Param = "actor_token" };
        var holder = await HolderAsync(openId, subject.Subject, cancel);
        if (!ExchangeToken.Decide(asked, client, subject, holder, actor, openId.State.Scopes, openId.Server.Issuer, openId.Now).Succeeded(out var decision, out refusal)
            || !(await openId.FormOfAsync(client.Client, decision.Scope, cancel)).Succeeded(out var shape, out refusal))
            return refusal;
        var from = subject.Ancestors is [.., var parent] ? $"token {parent.JwtId} of {parent.ClientId}" : subject.Partner is { } partner ? $"a token of {partner.Issuer}" : "an ID token";
        var entry = openId.Entry(context, Kind, AuditOutcome.Granted, client.Client.ClientId, client.Client.ClientId, subject.Subject,
            $"[{decision.Scope}] from {from}, {(decision.Actor is { } acting ? $"{acting.Subject} acts" : "nobody acts")}{(subject.AuthenticationEvent is { } authentication ? " " + authentication : "")}");
        if (!openId.TryAudit(entry))
            return new Refusal(RefusalCode.Busy, "please try again", "the audit queue is full: is the disk full?");
        return new TokenAnswer.Granted
        {
            GrantType = GrantType.TokenExchange,
            Client = client.Client,
            Binding = binding,
            Scope = decision.Scope,
            Form = shape,
            Authentication = subject.Authentication,
            From = new TokenAnswer.Inheritance
            {
                Subject = subject.Subject,
                GrantName = subject.GrantName,
                NotAfter = Math.Min(subject.ExpiresAt, subject.Partner?.LatestEnd(openId.Now) ?? long.MaxValue),
                Val = decision.Val,
                Actor = decision.Actor,
                MayAct = subject.MayAct,
                Ancestors = subject.Ancestors,
            },
        };
    }

    private static async Task<Outcome<SubjectToken>> SubjectAsync(HttpContext context, OpenIdContext openId, ExchangeToken.Request asked, AuthenticatedClient client)
    {
        var cancel = context.RequestAborted;
        var (issuer, clientId) = (openId.Server.Issuer, client.Client.ClientId);
        switch (asked.Kind)
        {
            case SubjectTokenKind.AccessToken:
                return openId.Verifier.Verify(asked.SubjectToken, audience: null).Succeeded(out var token, out var refusal) ? SubjectToken.Of(token, client) : NotAccepted(refusal.Operator);
            case SubjectTokenKind.IdToken:
                if (!VerifiedIdToken.Decide(asked.SubjectToken, issuer, clientId, openId.State.Keys, openId.State.Revocations, openId.Pairwise, openId.Now).Succeeded(out var idToken, out refusal))
                    return refusal;
                return SubjectToken.Of(idToken, client, await openId.Grants.ListFamiliesAsync(idToken.Subject, openId.Now.ToUnixTimeMilliseconds(), cancel), openId.State.Revocations);
            default:
                if (PresentedJwt.Read(asked.SubjectToken, out var why) is not { } presented)
                    return NotAccepted(why);
                string[] audiences = client.Client.Audience is { } own ? [issuer, issuer + "/token", own] : [issuer, issuer + "/token"];
                return (await RequestByAssertion.CheckAsync(context, openId, asked.SubjectToken, presented, PartnerTokenUse.Subject, client, audiences)).Succeeded(out var partner, out refusal)
                    ? SubjectToken.Of(partner)
                    : refusal;
        }
    }

    private static async Task<TokenHolder> HolderAsync(OpenIdContext openId, string subject, CancellationToken cancel)
    {
        if (User.IsSubject(subject))
            return new(await openId.Directory.FindUserAsync(subject, cancel), null, null);
        if (await openId.State.FindClientAsync(subject, cancel) is { } client)
            return new(null, client, null);
        return new(null, null, TrustedIssuer.IssuerOf(subject) is { } issuer ? openId.State.FindIssuer(issuer) : null);
    }

    private static Refusal NotAccepted(string why) => new(RefusalCode.SubjectTokenNotAccepted, "the subject token is not accepted", "the subject token was refused: " + why) { Param = "subject_token" };
}
