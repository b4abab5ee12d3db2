using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Clients;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>The jwt-bearer grant at the token endpoint (RFC 7523 2.1). What is written is that the assertion was used.</summary>
[Spec("RFC 7523", "2.1")]
internal static class RequestByAssertion
{
    private const string Kind = "token.jwt_bearer";

    public static async Task RunAsync(HttpContext context, OpenIdContext openId, ParameterList form, AuthenticatedClient client, TokenBinding.Binding binding) =>
        await TokenEndpoint.AnswerAsync(context, openId, Kind, client, await DecideAsync(context, openId, form, client, binding));

    /// <summary>Checks a token of a registered issuer, and asks the issuer where it is to be asked; its first use is not looked at.</summary>
    public static async ValueTask<Outcome<PartnerToken>> CheckAsync(HttpContext context, OpenIdContext openId, string text, PresentedJwt presented, PartnerTokenUse use, AuthenticatedClient client, IReadOnlyList<string> audiences)
    {
        var issuer = openId.State.FindIssuer(presented.Issuer);
        // Keys are looked for only when the token could be good: nobody makes us fetch for issuers or clients that are not registered.
        var keys = issuer is { Disabled: false } && issuer.Clients.Contains(client.Client.ClientId, StringComparer.Ordinal)
            ? await context.RequestServices.GetRequiredService<IIssuerKeys>().FindAsync(issuer, presented.Jws.Header.Kid, context.RequestAborted)
            : null;
        // Nor ask: the issuer hears only of tokens that it signed itself.
        return PartnerToken.Decide(presented, use, issuer, keys, client, audiences, openId.Policy.Assertion, openId.Now).Succeeded(out var token, out var refusal)
            ? await context.RequestServices.GetRequiredService<IssuerIntrospection>().CheckAsync(token, text, use, context.RequestAborted)
            : refusal;
    }

    private static async Task<Outcome<TokenAnswer.Granted>> DecideAsync(HttpContext context, OpenIdContext openId, ParameterList form, AuthenticatedClient client, TokenBinding.Binding binding)
    {
        using var span = Spans.Start(Spans.DecideAssertion);
        form.TrySingle("assertion", out var text);
        form.TrySingle("scope", out var scopeText);
        if (text is null)
            return Refusal.About(RefusalCode.MissingParameter, "assertion", "assertion is missing");
        if (!ScopeList.TryRead(scopeText, out var asked))
            return Refusal.About(RefusalCode.ScopeNotAllowed, "scope", "scope is not a list of scope values");
        if (PresentedJwt.Read(text, out var why) is not { } presented)
            return new Refusal(RefusalCode.AssertionNotAccepted, "the assertion is not accepted", why);
        var ours = openId.Server.Issuer;
        if (!(await CheckAsync(context, openId, text, presented, PartnerTokenUse.Assertion, client, [ours, ours + "/token"])).Succeeded(out var assertion, out var refusal))
            return refusal;
        var user = assertion.LocalSubject is { } subject ? await openId.Directory.FindUserAsync(subject, context.RequestAborted) : null;
        if (!AssertionGrant.Decide(asked, client, assertion, user, openId.State.Scopes).Succeeded(out var decision, out refusal)
            || !(await openId.FormOfAsync(client.Client, decision.Scope, context.RequestAborted)).Succeeded(out var shape, out refusal))
            return refusal;
        // Last, of an assertion that holds. The name has a space and so is no client's.
        var issuer = assertion.Issuer.Issuer;
        var jwtId = assertion.Claims.JwtId!;
        if (!await context.RequestServices.GetRequiredService<AssertionMemory>().FirstUseAsync("issuer " + issuer, jwtId, assertion.ExpiresAt))
            return new Refusal(RefusalCode.AssertionReplayed, "the assertion is not accepted", $"an assertion of issuer {issuer} was used before");
        var entry = openId.Entry(context, Kind, AuditOutcome.Granted, client.Client.ClientId, client.Client.ClientId, assertion.Subject, $"[{decision.Scope}] by an assertion of {issuer} {assertion.AuthenticationEvent}");
        if (!openId.TryAudit(entry))
            return new Refusal(RefusalCode.Busy, "please try again", "the audit queue is full: is the disk full?");
        return new TokenAnswer.Granted
        {
            GrantType = GrantType.JwtBearer,
            Client = client.Client,
            Binding = binding,
            Scope = decision.Scope,
            Form = shape,
            From = new TokenAnswer.Inheritance
            {
                Subject = assertion.Subject,
                GrantName = RefreshToken.GrantNameOf(Revocation.IssuerGrant(issuer)),
                NotAfter = assertion.Issuer.LatestEnd(openId.Now),
                Val = decision.Val,
            },
        };
    }
}
