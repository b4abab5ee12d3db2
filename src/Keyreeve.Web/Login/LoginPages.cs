using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Web.Limits;
using Keyreeve.Web.Pages;
using Keyreeve.Web.Telemetry;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Web.Login;

/// <summary>
/// The login page. It knows nothing of OAuth: it authenticates the person and sends the browser to where the ticket says.
/// </summary>
[Spec("TS 33.434", "5.2.4")]
public static partial class LoginPages
{
    /// <summary>Where it lives.</summary>
    public const string Path = "/login";

    /// <summary>GET shows it, POST checks the password.</summary>
    public static void MapLogin(this IEndpointRouteBuilder routes)
    {
        routes.MapMethods(Path, ["GET", "HEAD"], ShowAsync).On(Listener.Https);
        routes.MapMethods(Path, ["POST"], SignInAsync).On(Listener.Https);
    }

    private static Task ShowAsync(HttpContext context)
    {
        var text = context.Request.Query["ticket"].ToString();
        return context.RequestServices.GetRequiredService<LoginTickets>().Read(text) is { } ticket
            ? PageAsync(context, text, ticket, ticket.LoginHint, error: null, StatusCodes.Status200OK)
            : PostedForm.WriteErrorAsync(context, StatusCodes.Status400BadRequest, PageText.SignInExpired);
    }

    private static async Task SignInAsync(HttpContext context)
    {
        if (await PostedForm.ReadAsync(context) is not { } form)
            return;
        var services = context.RequestServices;
        form.TrySingle("ticket", out var text);
        if (services.GetRequiredService<LoginTickets>().Read(text) is not { } ticket)
        {
            await PostedForm.WriteErrorAsync(context, StatusCodes.Status400BadRequest, PageText.SignInExpired);
            return;
        }
        form.TrySingle("decision", out var decision);
        if (decision == "deny")
        {
            SeeOther(context, ticket.ResumePath + "?ticket=" + text + "&denied=1");
            return;
        }
        form.TrySingle("username", out var username);
        form.TrySingle("password", out var password);
        if (services.GetRequiredService<RequestLimits>().EnterLogin(context) is { } wait)
        {
            WebTelemetry.Refused("login", wait.Code);
            services.GetRequiredService<AuditQueue>().Count(context.Connection.RemoteIpAddress?.ToString(), "login", wait.Code);
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            RetryLater.Apply(context.Response, wait.RetryAfter);
            await PageAsync(context, text!, ticket, username, PageText.TooManyTries, StatusCodes.Status429TooManyRequests);
            return;
        }
        var outcome = await services.GetRequiredService<PasswordLogin>().CheckAsync(username, password, context.RequestAborted);
        if (!outcome.Succeeded(out var user, out var refusal))
        {
            Refused(context, refusal);
            var busy = refusal.Code == RefusalCode.Busy;
            if (busy)
                context.Response.Headers.RetryAfter = "3";
            await PageAsync(context, text!, ticket, username, busy ? PageText.BusyTitle : PageText.SignInFailed, busy ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK);
            return;
        }
        await services.GetRequiredService<BrowserSessions>().StartAsync(context, user, Authentication.AcrPassword, "pwd");
        SeeOther(context, ticket.ResumePath + "?ticket=" + text);
    }

    private static Task PageAsync(HttpContext context, string ticketText, LoginTicket ticket, string? username, string? error, int status)
    {
        var antiforgery = context.RequestServices.GetRequiredService<IAntiforgery>().GetAndStoreTokens(context);
        PageHeaders.Apply(context.Response, formTargets: PageHeaders.FormTarget(ticket.RedirectUri) is { } source ? [source] : []);
        return new RazorComponentResult<LoginPage>(new Dictionary<string, object?>
        {
            [nameof(LoginPage.Ticket)] = ticketText,
            [nameof(LoginPage.ClientName)] = ticket.ClientName,
            [nameof(LoginPage.ClientHost)] = ticket.ClientHost,
            [nameof(LoginPage.LoginHint)] = username,
            [nameof(LoginPage.Error)] = error,
            [nameof(LoginPage.AntiforgeryFieldName)] = antiforgery.FormFieldName,
            [nameof(LoginPage.AntiforgeryToken)] = antiforgery.RequestToken,
        })
        { StatusCode = status }.ExecuteAsync(context);
    }

    private static void Refused(HttpContext context, Refusal refusal)
    {
        WebTelemetry.Refused("login", refusal.Code);
        var services = context.RequestServices;
        LogRefused(services.GetRequiredService<ILoggerFactory>().CreateLogger("Keyreeve.Web.Login"), refusal.Operator, context.TraceIdentifier);
        services.GetRequiredService<AuditQueue>().Count(context.Connection.RemoteIpAddress?.ToString(), "login", refusal.Code);
    }

    private static void SeeOther(HttpContext context, string location)
    {
        context.Response.Headers.CacheControl = "no-store";
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = location;
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "login refused: {Why} (request {CorrelationId})")]
    private static partial void LogRefused(ILogger log, string why, string correlationId);
}
