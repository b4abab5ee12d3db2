using System.Text;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Web.Login;
using Keyreeve.Web.Pages;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>
/// The authorization endpoint. 1 client and redirect URI, 2 the request, 3 the user's session, 4 consent, 5 a code.
/// What is missing is asked for on a page; the request waits in a protected ticket that the browser carries.
/// </summary>
[Spec("TS 33.434", "5.2.4")]
[Spec("TS 33.434", "A.4.2.2")]
public static class Authorize
{
    /// <summary>Where a request goes on after a page.</summary>
    public const string ResumePath = "/authorize/resume";

    internal static async Task HandleGetAsync(HttpContext context)
    {
        if (!FormBody.ReadQuery(context.Request).Succeeded(out var sent, out var refusal))
        {
            await RefusePageAsync(context, null, refusal);
            return;
        }
        var text = context.Request.QueryString.Value ?? "";
        await GoOnAsync(context, sent, text.Length > 0 ? text[1..] : "", AskedAt(context), ticket: null, denied: false);
    }

    /// <summary>A request posted from another site comes without our cookie (SameSite=Lax): it is turned into a GET of our own.</summary>
    internal static async Task HandlePostAsync(HttpContext context)
    {
        if (!(await FormBody.ReadFormAsync(context.Request)).Succeeded(out var sent, out var refusal))
        {
            await RefusePageAsync(context, null, refusal);
            return;
        }
        var services = context.RequestServices;
        var openId = services.GetRequiredService<OpenIdContext>();
        var now = AskedAt(context);
        if (await AskedAsync(context, openId, sent, now) is not var (asked, target))
            return;
        var text = Encode(sent.Pairs);
        if (text.Length > OAuthLimits.MaxQuery)
        {
            await RefusePageAsync(context, target.Client.ClientId, Refusal.Of(RefusalCode.TooLarge, "the request is too long"));
            return;
        }
        SeeOther(context, ResumePath, services.GetRequiredService<LoginTickets>().ProtectUnbound(Ticket(target, text, now, asked.Parameters)));
    }

    internal static async Task HandleResumeAsync(HttpContext context)
    {
        var tickets = context.RequestServices.GetRequiredService<LoginTickets>();
        var text = context.Request.Query["ticket"];
        var ticket = tickets.Read(context, text);
        // A request posted from another site begins here, where the browser shows its cookies: whatever was made before counts for nothing.
        var begins = ticket is null ? tickets.ReadUnbound(text) : null;
        if ((ticket ?? begins) is not { } waiting || !ParameterList.TryRead(Encoding.UTF8.GetBytes(waiting.Parameters), out var sent, out _))
        {
            await RefusePageAsync(context, null, new Refusal(RefusalCode.Malformed, PageText.SignInExpired, "the ticket has expired, or is another browser's"));
            return;
        }
        await GoOnAsync(context, sent, waiting.Parameters, ticket?.AskedAt ?? AskedAt(context), ticket, denied: ticket is not null && context.Request.Query["denied"] == "1");
    }

    private static async Task GoOnAsync(HttpContext context, ParameterList sent, string text, long askedAt, LoginTicket? ticket, bool denied)
    {
        var services = context.RequestServices;
        var openId = services.GetRequiredService<OpenIdContext>();
        if (await AskedAsync(context, openId, sent, askedAt) is not var (asked, target))
            return;
        if (!AuthorizationRequest.Decide(asked.Parameters, target, openId.State.Scopes, asked.Pushed is not null).Succeeded(out var request, out var refusal))
        {
            await RefuseAsync(context, openId, target, null, refusal);
            return;
        }
        // What no token could be made for is not asked of the user.
        if (!TokenEncryption.Decide(target.Client, request.Scope, openId.State.Scopes).Succeeded(out _, out refusal))
        {
            await RefuseAsync(context, openId, target, null, refusal);
            return;
        }
        if (denied)
        {
            if (!await asked.AnswerAsync(context))
            {
                await RefusePageAsync(context, target.Client.ClientId, PushedRequests.AnsweredBefore);
                return;
            }
            await RefuseAsync(context, openId, target, null, Refusal.Of(RefusalCode.AccessDenied, "the user cancelled"));
            return;
        }
        if (!ExpectedSubject(openId, asked.Parameters, target).Succeeded(out var expected, out refusal))
        {
            await RefuseAsync(context, openId, target, null, refusal);
            return;
        }
        AuthenticatedUser? user;
        AuthorizationStep next;
        using (Spans.Start(Spans.DecideAuthorize))
        {
            user = await services.GetRequiredService<BrowserSessions>().FindAsync(context);
            var (consent, allowed) = await ConsentPages.ConsentOfAsync(context, openId, request, user, ticket);
            var reachable = user is null ? null : await services.GetRequiredService<LoginFlow>().ReachableAsync(user, context.RequestAborted);
            next = AuthorizationStep.Decide(request, user, consent, openId.State.Scopes, askedAt, openId.Now, expected.Length == 0 ? null : expected, reachable, allowed);
        }
        var again = Ticket(target, text, askedAt, asked.Parameters);
        switch (next)
        {
            case AuthorizationStep.AskLogin login:
                SeeOther(context, LoginPages.Path, services.GetRequiredService<LoginTickets>().Protect(context, again with { Acr = login.Acr, Anew = user is not null }));
                break;
            case AuthorizationStep.AskMore more:
                SeeOther(context, LoginPages.Path, services.GetRequiredService<LoginTickets>().Protect(context, again with { Acr = more.Acr }));
                break;
            case AuthorizationStep.AskConsent:
                SeeOther(context, "/consent", services.GetRequiredService<LoginTickets>().Protect(context, again));
                break;
            case AuthorizationStep.Refuse refuse:
                await RefuseAsync(context, openId, target, user, refuse.Reason);
                break;
            case AuthorizationStep.Issue issue:
                await IssueAsync(context, openId, asked, request, issue);
                break;
        }
    }

    private static async Task IssueAsync(HttpContext context, OpenIdContext openId, AskedRequest asked, AuthorizationRequest request, AuthorizationStep.Issue issue)
    {
        var target = request.Target;
        if (!request.Resources.Within(issue.Scope, openId.State.Scopes).Succeeded(out var resources, out var refusal))
        {
            await RefuseAsync(context, openId, target, issue.User, refusal);
            return;
        }
        // Before the code and not with it: a crash in between costs a new request, never a second code.
        if (!await asked.AnswerAsync(context))
        {
            await RefusePageAsync(context, target.Client.ClientId, PushedRequests.AnsweredBefore);
            return;
        }
        var code = OpaqueToken.GenerateAt(openId.Now);
        var added = await openId.Grants.AddCodeAsync(
            new AuthorizationCode
            {
                Hash = code.Key,
                ClientId = target.Client.ClientId,
                Subject = issue.User.User.Subject,
                RedirectUri = target.RedirectUri,
                RedirectUriSent = target.RedirectUriSent,
                Challenge = request.Challenge?.Value,
                Nonce = request.Nonce,
                Scope = issue.Scope,
                Resources = resources,
                Authentication = issue.User.Authentication,
                GrantId = RefreshToken.NewFamilyId(openId.Now),
                SessionId = issue.User.Session.SessionId,
                SecurityStamp = issue.User.Session.SecurityStamp,
                ExpiresAt = (openId.Now + openId.Policy.Code).ToUnixTimeSeconds(),
            },
            openId.Entry(context, "authorize", AuditOutcome.Granted, issue.User.User.Subject, target.Client.ClientId, issue.User.User.Subject, $"[{issue.Scope}]"),
            context.RequestAborted);
        // A password change or a switched-off user came between the look at the session and this moment: nothing was issued.
        if (!added)
        {
            await RefuseAsync(context, openId, target, issue.User, Refusal.Of(RefusalCode.LoginRequired, "the login has ended meanwhile"));
            return;
        }
        await AuthorizationResponse.CodeAsync(context, target, openId.Server.Issuer, code.Reveal());
    }

    /// <summary>What is really asked, and its target; null when the error page was sent.</summary>
    private static async Task<(AskedRequest Asked, AuthorizationTarget Target)?> AskedAsync(HttpContext context, OpenIdContext openId, ParameterList sent, long arrivedAt)
    {
        if (!(await AskedRequest.ReadAsync(context, sent, arrivedAt)).Succeeded(out var asked, out var refusal))
        {
            await RefusePageAsync(context, null, refusal);
            return null;
        }
        return await TargetAsync(context, openId, asked.Parameters) is { } target ? (asked, target) : null;
    }

    /// <summary>Whom an id_token_hint names, or "" without one.</summary>
    internal static Outcome<string> ExpectedSubject(OpenIdContext openId, ParameterList asked, AuthorizationTarget target)
    {
        if (!asked.TrySingle("id_token_hint", out var hint) || hint is null)
            return "";
        return IdTokenHint.SubjectOf(hint, openId.Server.Issuer, target.Client.ClientId, openId.State.Keys, openId.Pairwise) is { } subject
            ? subject
            : Refusal.About(RefusalCode.InvalidParameter, "id_token_hint", "id_token_hint is no ID token of this client");
    }

    private static async Task<AuthorizationTarget?> TargetAsync(HttpContext context, OpenIdContext openId, ParameterList asked)
    {
        var client = asked.TrySingle("client_id", out var clientId) && clientId is { Length: <= OAuthLimits.MaxIdentity }
            ? await openId.State.FindClientAsync(clientId, context.RequestAborted)
            : null;
        if (AuthorizationTarget.Decide(asked, client).Succeeded(out var target, out var refusal))
            return target;
        await RefusePageAsync(context, client?.ClientId, refusal);
        return null;
    }

    private static Task RefuseAsync(HttpContext context, OpenIdContext openId, AuthorizationTarget target, AuthenticatedUser? user, Refusal refusal)
    {
        // The request proves nothing about the client yet, so without a user it is counted, not written line by line.
        openId.Refused(context, "authorize", user is null ? null : target.Client.ClientId, user?.User.Subject, refusal);
        return AuthorizationResponse.ErrorAsync(context, target, openId.Server.Issuer, refusal);
    }

    private static Task RefusePageAsync(HttpContext context, string? clientId, Refusal refusal)
    {
        var said = clientId is null ? refusal : refusal with { Operator = $"client {clientId}: {refusal.Operator}" };
        context.RequestServices.GetRequiredService<OpenIdContext>().Refused(context, "authorize", null, null, said);
        return AuthorizationResponse.PageAsync(context, refusal);
    }

    private static LoginTicket Ticket(AuthorizationTarget target, string parameters, long askedAt, ParameterList asked) => new()
    {
        ResumePath = ResumePath,
        Parameters = parameters,
        AskedAt = askedAt,
        ClientName = target.Client.Name,
        ClientHost = HostOf(target.RedirectUri),
        RedirectUri = target.RedirectUri,
        LoginHint = asked.TrySingle("login_hint", out var hint) && hint is { Length: <= OAuthLimits.MaxIdentity } ? hint : null,
        Language = asked.TrySingle("ui_locales", out var locales) ? PageLanguage.FirstOf(locales) : null,
    };

    /// <summary>The host for the page, or the scheme for an app: what tells a counterfeit client from the real one (RFC 6819 4.4.1.4).</summary>
    private static string HostOf(string redirectUri)
    {
        var uri = new Uri(redirectUri);
        return uri.Host.Length > 0 ? uri.Host : uri.Scheme;
    }

    internal static string Encode(IEnumerable<KeyValuePair<string, string>> parameters) =>
        string.Join('&', parameters.Select(p => Uri.EscapeDataString(p.Key) + "=" + Uri.EscapeDataString(p.Value)));

    private static long AskedAt(HttpContext context) => context.RequestServices.GetRequiredService<OpenIdContext>().Now.ToUnixTimeMilliseconds();

    internal static void SeeOther(HttpContext context, string path, string ticket)
    {
        OpenIdRefusals.NoStore(context.Response);
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = path + "?ticket=" + ticket;
    }
}
