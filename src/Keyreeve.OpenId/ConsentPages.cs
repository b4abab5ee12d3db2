using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Keyreeve.Web.Login;
using Keyreeve.Web.Pages;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>Shows what a client asks for and records the user's answer, with what was shown.</summary>
public static class ConsentPages
{
    internal static async Task HandleGetAsync(HttpContext context)
    {
        var ticketText = context.Request.Query["ticket"].ToString();
        if (await WaitingAsync(context, ticketText) is not { } waiting)
            return;
        var antiforgery = context.RequestServices.GetRequiredService<IAntiforgery>().GetAndStoreTokens(context);
        PageHeaders.Apply(context.Response, formTargets: PageHeaders.FormTarget(waiting.Ticket.RedirectUri) is { } source ? [source] : []);
        await new RazorComponentResult<ConsentPage>(new Dictionary<string, object?>
        {
            [nameof(ConsentPage.Ticket)] = context.RequestServices.GetRequiredService<LoginTickets>().Protect(context, waiting.Ticket with { Shown = FingerprintOf(waiting.Ask) }),
            [nameof(ConsentPage.ClientName)] = waiting.Ticket.ClientName,
            [nameof(ConsentPage.ClientHost)] = waiting.Ticket.ClientHost,
            [nameof(ConsentPage.Card)] = ClientCard.Of(context, waiting.Request.Target.Client),
            [nameof(ConsentPage.UserName)] = waiting.Ask.User.User.DisplayName ?? waiting.Ask.User.User.Username,
            [nameof(ConsentPage.Scopes)] = Shown(context, waiting.Request, waiting.Ask.Scope),
            [nameof(ConsentPage.AntiforgeryFieldName)] = antiforgery.FormFieldName,
            [nameof(ConsentPage.AntiforgeryToken)] = antiforgery.RequestToken,
        }).ExecuteAsync(context);
    }

    internal static async Task HandlePostAsync(HttpContext context)
    {
        if (await PostedForm.ReadAsync(context) is not { } form)
            return;
        form.TrySingle("ticket", out var ticketText);
        if (await WaitingAsync(context, ticketText) is not { } waiting)
            return;
        // The page was shown to somebody else (who logged in here in another tab), or with other scopes: an answer to that is none to this.
        if (waiting.Ticket.Shown != FingerprintOf(waiting.Ask))
        {
            Authorize.SeeOther(context, Authorize.ResumePath, ticketText!);
            return;
        }
        form.TrySingle("decision", out var decision);
        // Anything but a clear yes is a no.
        if (decision != "allow")
        {
            Authorize.SeeOther(context, Authorize.ResumePath, ticketText + "&denied=1");
            return;
        }
        var openId = context.RequestServices.GetRequiredService<OpenIdContext>();
        var ticked = Ticked(form, Shown(context, waiting.Request, waiting.Ask.Scope), waiting.Ask.Scope);
        if (ticked.Count == 0)
        {
            Authorize.SeeOther(context, Authorize.ResumePath, ticketText + "&denied=1");
            return;
        }
        var (subject, clientId) = (waiting.Ask.User.User.Subject, waiting.Request.Target.Client.ClientId);
        // What a user allowed earlier is added only where it is remembered. Where each request needs its own consent, an allowed
        // small request must not renew an old large one: another ticket that waits for the large one would pass by it.
        var remembered = waiting.Request.Target.Client is { Consent: ConsentRule.Remember, IsPublic: false };
        var before = remembered ? await openId.Grants.FindConsentAsync(subject, clientId, context.RequestAborted) : null;
        var scope = ScopeList.Of(ticked.Concat(before?.Scope ?? ScopeList.Empty));
        var shown = Shown(context, waiting.Request, ticked);
        await openId.Grants.SaveConsentAsync(
            new Consent(subject, clientId, scope, openId.Now.ToUnixTimeMilliseconds())
            {
                Shown = [.. shown.Select(s => new ShownScope(s.Name, s.Title)), .. (before?.Shown ?? []).Where(s => !ticked.Contains(s.Name))],
            },
            openId.Entry(context, "consent", AuditOutcome.Changed, subject, clientId, subject, $"[{ticked}] of [{waiting.Ask.Scope}] shown as: {string.Join("; ", shown.Select(s => s.Title))}"),
            context.RequestAborted);
        // The answer belongs to this request alone: it travels in the request's own ticket.
        var allowed = waiting.Ticket with { Shown = null, Allowed = FingerprintOf(waiting.Ask), Ticked = ticked.Equals(waiting.Ask.Scope) ? null : ticked.Text };
        Authorize.SeeOther(context, Authorize.ResumePath, context.RequestServices.GetRequiredService<LoginTickets>().Protect(context, allowed));
    }

    /// <summary>
    /// What the user left ticked. A browser fills the field <c>_charset_</c> by itself as it sends a form (HTML, 4.10.21.5); who filled in the
    /// visible fields without being one has seen no boxes, and allows what the page asked for.
    /// </summary>
    private static ScopeList Ticked(ParameterList form, IReadOnlyList<ScopeLine> shown, ScopeList all)
    {
        var ticked = form.Pairs.Where(p => p.Key == "scope").Select(p => p.Value).ToHashSet(StringComparer.Ordinal);
        return ticked.Count == 0 && !form.Has("_charset_") ? all : all.Where(name => ticked.Contains(name) || shown.Any(s => s.Name == name && s.Required));
    }

    /// <summary>The request behind a ticket, decided anew with the session of this browser. Null when it does not wait for consent: then the answer was sent.</summary>
    private static async Task<(LoginTicket Ticket, AuthorizationRequest Request, AuthorizationStep.AskConsent Ask)?> WaitingAsync(HttpContext context, string? ticketText)
    {
        var services = context.RequestServices;
        var openId = services.GetRequiredService<OpenIdContext>();
        if (services.GetRequiredService<LoginTickets>().Read(context, ticketText) is { } ticket
            && ParameterList.TryRead(Encoding.UTF8.GetBytes(ticket.Parameters), out var sent, out _)
            && (await AskedRequest.ReadAsync(context, sent, ticket.AskedAt)).Succeeded(out var asked, out _)
            && asked.Parameters.TrySingle("client_id", out var clientId) && clientId is not null
            && AuthorizationTarget.Decide(asked.Parameters, await openId.State.FindClientAsync(clientId, context.RequestAborted)).Succeeded(out var target, out _)
            && AuthorizationRequest.Decide(asked.Parameters, target, openId.State.Scopes, asked.Pushed is not null).Succeeded(out var request, out _))
        {
            var user = await services.GetRequiredService<BrowserSessions>().FindAsync(context);
            var (consent, allowed) = await ConsentOfAsync(context, openId, request, user, ticket);
            var reachable = user is null ? null : await services.GetRequiredService<LoginFlow>().ReachableAsync(user, context.RequestAborted);
            if (AuthorizationStep.Decide(request, user, consent, openId.State.Scopes, ticket.AskedAt, openId.Now, null, reachable, allowed) is AuthorizationStep.AskConsent ask)
                return (ticket, request, ask);
            // Logged out meanwhile, or consented in another tab: the request itself knows what comes next.
            Authorize.SeeOther(context, Authorize.ResumePath, ticketText!);
            return null;
        }
        await AuthorizationResponse.PageAsync(context, Refusal.Of(RefusalCode.Malformed, PageText.SignInExpired));
        return null;
    }

    /// <summary>
    /// The user's consent to the client as it counts for this request: "just now" (for who must be asked every time) only when this
    /// request's own ticket carries the answer. An answer to another request, however recent, is a remembered one at best: else who
    /// fetched a ticket before the user allowed the real application could ride on that (RFC 6819 4.4.1.10). With it comes what the user left
    /// ticked on this request's page; null when nothing was unticked.
    /// </summary>
    internal static async Task<(Consent? Consent, ScopeList? Allowed)> ConsentOfAsync(HttpContext context, OpenIdContext openId, AuthorizationRequest request, AuthenticatedUser? user, LoginTicket? ticket)
    {
        if (user is null || await openId.Grants.FindConsentAsync(user.User.Subject, request.Target.Client.ClientId, context.RequestAborted) is not { } consent)
            return default;
        var allowedHere = ticket?.Allowed is { } allowed && allowed == FingerprintOf(user, openId.State.Scopes.GrantableTo(user.User, request.Scope));
        return (consent with { GivenAt = allowedHere ? openId.Now.ToUnixTimeMilliseconds() : 0 },
            allowedHere && ticket!.Ticked is { } ticked && ScopeList.TryRead(ticked, out var left) ? left : null);
    }

    private static string FingerprintOf(AuthorizationStep.AskConsent ask) => FingerprintOf(ask.User, ask.Scope);

    private static string FingerprintOf(AuthenticatedUser user, ScopeList scope) =>
        Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(user.User.Subject + " " + scope.Text)));

    /// <summary>
    /// The lines of the page. Required is <c>openid</c>, which is the sign-in itself, and for a SEAL client the SEAL services: without them its
    /// request would have no sense.
    /// </summary>
    private static List<ScopeLine> Shown(HttpContext context, AuthorizationRequest request, ScopeList scope)
    {
        var scopes = context.RequestServices.GetRequiredService<OpenIdContext>().State.Scopes;
        var seal = request.Target.Client.Profile == ClientProfile.Seal;
        return [.. scope.Select(scopes.Find).OfType<ScopeDefinition>().Select(s => new ScopeLine(s.Name, PageText.Scope(s.Title),
            s.Kind == ScopeKind.ValService ? PageText.ScopeUseService : PageText.Scope(s.Description), s.Name == ScopeCatalogue.OpenId || seal && s.Kind == ScopeKind.Seal))];
    }
}
