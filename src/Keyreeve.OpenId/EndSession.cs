using System.Text;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Web.Login;
using Keyreeve.Web.Pages;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>
/// The end session endpoint: a client that proves itself by its ID token ends the session of this browser and gets the browser back;
/// anybody else's request is shown to the user, who decides and stays here.
/// </summary>
[Spec("OpenID Connect RP-Initiated Logout 1.0", "2")]
public static class EndSession
{
    /// <summary>Where it lives.</summary>
    public const string Path = "/end_session";

    /// <summary>Where a posted request goes on.</summary>
    public const string ResumePath = "/end_session/resume";

    /// <summary>Where the user's answer goes.</summary>
    public const string ConfirmPath = "/end_session/confirm";

    internal static async Task HandleGetAsync(HttpContext context)
    {
        if (FormBody.ReadQuery(context.Request).Succeeded(out var asked, out var refusal))
            await GoOnAsync(context, asked);
        else
            await RefuseAsync(context, refusal);
    }

    /// <summary>A request posted from another site comes without our cookie (SameSite=Lax): it is turned into a GET of our own, without the token in its address.</summary>
    internal static async Task HandlePostAsync(HttpContext context)
    {
        if (!(await FormBody.ReadFormAsync(context.Request)).Succeeded(out var asked, out var refusal))
        {
            await RefuseAsync(context, refusal);
            return;
        }
        var ticket = Ticket(context, asked, null);
        if (ticket.Parameters.Length > OAuthLimits.MaxQuery)
            await RefuseAsync(context, Refusal.Of(RefusalCode.TooLarge, "the request is too long"));
        else
            Authorize.SeeOther(context, ResumePath, context.RequestServices.GetRequiredService<LoginTickets>().ProtectUnbound(ticket));
    }

    internal static async Task HandleResumeAsync(HttpContext context)
    {
        var ticket = context.RequestServices.GetRequiredService<LoginTickets>().ReadUnbound(context.Request.Query["ticket"]);
        PageLanguage.Use(ticket?.Language);
        if (Waiting(ticket) is { } asked)
            await GoOnAsync(context, asked);
        else
            await RefuseAsync(context, Refusal.Of(RefusalCode.Malformed, PageText.FormExpired));
    }

    /// <summary>The answer of the user, to the page that was shown for this session.</summary>
    internal static async Task HandleConfirmAsync(HttpContext context)
    {
        if (await PostedForm.ReadAsync(context) is not { } form)
            return;
        form.TrySingle("ticket", out var text);
        var ticket = context.RequestServices.GetRequiredService<LoginTickets>().Read(context, text);
        if (Waiting(ticket) is not { } asked)
        {
            await RefuseAsync(context, Refusal.Of(RefusalCode.Malformed, PageText.FormExpired));
            return;
        }
        if (await DecideAsync(context, asked) is not { } decided)
            return;
        var (session, step) = decided;
        form.TrySingle("decision", out var decision);
        // Anything but a clear yes is a no. Where somebody else signed in since the page was shown, that one was not asked.
        if (session is not null && decision != "end")
            await PageAsync(context, PageText.StillSignedIn, PageText.StillSignedInLead);
        else if (session is not null && ticket!.Shown != session.SessionId)
            await AskAsync(context, asked, session, step.Target);
        else
            await EndAsync(context, session, step.Target, "confirmed by the user");
    }

    private static async Task GoOnAsync(HttpContext context, ParameterList asked)
    {
        if (await DecideAsync(context, asked) is not { } decided)
            return;
        if (decided is ({ } session, LogoutStep.Ask ask))
            await AskAsync(context, asked, session, ask.Target);
        else
            await EndAsync(context, decided.Session, decided.Step.Target, "asked by the client");
    }

    /// <summary>The decision with this browser's session, or null when an error page was sent.</summary>
    private static async Task<(LoginSession? Session, LogoutStep Step)?> DecideAsync(HttpContext context, ParameterList asked)
    {
        var openId = context.RequestServices.GetRequiredService<OpenIdContext>();
        var hint = asked.TrySingle("id_token_hint", out var text) && text is not null ? IdTokenHint.Read(text, openId.Server.Issuer, openId.State.Keys, openId.Pairwise) : null;
        var client = hint is null ? null : await openId.State.FindClientAsync(hint.ClientId, context.RequestAborted);
        var session = await context.RequestServices.GetRequiredService<BrowserSessions>().SessionAsync(context);
        if (!LogoutStep.Decide(asked, hint, client, session).Succeeded(out var decided, out var refusal))
        {
            await RefuseAsync(context, refusal);
            return null;
        }
        if (decided.Dropped is { } dropped)
            openId.Refused(context, "end_session", null, null, dropped);
        return (session, decided.Step);
    }

    private static async Task AskAsync(HttpContext context, ParameterList asked, LoginSession session, LogoutTarget? target)
    {
        var services = context.RequestServices;
        var user = await services.GetRequiredService<IDirectory>().FindUserAsync(session.Subject, context.RequestAborted);
        var antiforgery = services.GetRequiredService<IAntiforgery>().GetAndStoreTokens(context);
        var ticket = services.GetRequiredService<LoginTickets>().Protect(context, Ticket(context, asked, session.SessionId));
        PageHeaders.Apply(context.Response, formTargets: target is not null && PageHeaders.FormTarget(target.RedirectUri) is { } source ? [source] : []);
        await new RazorComponentResult<LogoutPage>(new Dictionary<string, object?>
        {
            [nameof(LogoutPage.Ticket)] = ticket,
            [nameof(LogoutPage.ClientName)] = target?.Client.Name,
            [nameof(LogoutPage.UserName)] = user?.DisplayName ?? user?.Username ?? "",
            [nameof(LogoutPage.AntiforgeryFieldName)] = antiforgery.FormFieldName,
            [nameof(LogoutPage.AntiforgeryToken)] = antiforgery.RequestToken,
        }).ExecuteAsync(context);
    }

    /// <summary>Ends the session and what stands on it, on this node before the answer is sent.</summary>
    [Spec("RFC 9700", "4.14.2")]
    private static async Task EndAsync(HttpContext context, LoginSession? session, LogoutTarget? target, string how)
    {
        var openId = context.RequestServices.GetRequiredService<OpenIdContext>();
        if (session is not null)
        {
            var now = openId.Now;
            await openId.Grants.EndSessionAsync(
                session.Subject,
                session.SessionId,
                now.ToUnixTimeMilliseconds(),
                id => Revocation.OfGrant(id, now),
                grants => openId.Entry(context, "logout", AuditOutcome.Changed, session.Subject, target?.Client.ClientId, session.Subject, $"session {session.SessionId} and {grants} grants, {how}"),
                CancellationToken.None);
            await openId.State.RefreshAsync(CancellationToken.None);
        }
        BrowserSessions.Forget(context);
        if (target is null)
        {
            await PageAsync(context, PageText.SignedOut, PageText.SignedOutLead);
            return;
        }
        OpenIdRefusals.NoStore(context.Response);
        context.Response.Headers["Referrer-Policy"] = "no-referrer";
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = target.Address;
    }

    private static Task PageAsync(HttpContext context, string title, string message)
    {
        PageHeaders.Apply(context.Response);
        return new RazorComponentResult<MessagePage>(new Dictionary<string, object?>
        {
            [nameof(MessagePage.Title)] = title,
            [nameof(MessagePage.Message)] = message,
        }).ExecuteAsync(context);
    }

    private static Task RefuseAsync(HttpContext context, Refusal refusal)
    {
        context.RequestServices.GetRequiredService<OpenIdContext>().Refused(context, "end_session", null, null, refusal);
        return AuthorizationResponse.PageAsync(context, refusal);
    }

    private static ParameterList? Waiting(LoginTicket? ticket) =>
        ticket?.ResumePath == ResumePath && ParameterList.TryRead(Encoding.UTF8.GetBytes(ticket.Parameters), out var asked, out _) ? asked : null;

    /// <summary>The request as a browser carries it, with the session that a page is shown for.</summary>
    private static LoginTicket Ticket(HttpContext context, ParameterList asked, string? shown) => new()
    {
        ResumePath = ResumePath,
        Parameters = Authorize.Encode(asked.Pairs),
        AskedAt = context.RequestServices.GetRequiredService<OpenIdContext>().Now.ToUnixTimeMilliseconds(),
        ClientName = "",
        RedirectUri = "",
        Shown = shown,
        Language = asked.TrySingle("ui_locales", out var locales) ? PageLanguage.FirstOf(locales) : null,
    };
}
