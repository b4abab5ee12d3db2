using System.Buffers.Text;
using System.Security.Cryptography;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Keyreeve.Web.Limits;
using Keyreeve.Web.Login.Methods;
using Keyreeve.Web.Pages;
using Keyreeve.Web.Pages.Forms;
using Keyreeve.Web.Telemetry;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Web.Login;

/// <summary>
/// The login page, step by step. It knows nothing of OAuth: it authenticates the person and sends the browser to where the ticket says.
/// </summary>
[Spec("TS 33.434", "5.2.4")]
public static partial class LoginPages
{
    /// <summary>Where it lives.</summary>
    public const string Path = "/login";

    /// <summary>GET shows the step that comes next, POST checks what was shown.</summary>
    public static void MapLogin(this IEndpointRouteBuilder routes)
    {
        routes.MapMethods(Path, ["GET", "HEAD"], ShowAsync).On(Listener.Https);
        routes.MapMethods(Path, ["POST"], PostAsync).On(Listener.Https);
    }

    private static async Task ShowAsync(HttpContext context)
    {
        var services = context.RequestServices;
        if (services.GetRequiredService<LoginTickets>().Read(context, context.Request.Query["ticket"]) is { } ticket)
            await PageAsync(context, ticket, await services.GetRequiredService<LoginFlow>().StandingAsync(context, ticket), null);
        else
            await PostedForm.WriteErrorAsync(context, StatusCodes.Status400BadRequest, PageText.SignInExpired);
    }

    private static async Task PostAsync(HttpContext context)
    {
        if (await PostedForm.ReadAsync(context) is not { } form)
            return;
        var services = context.RequestServices;
        form.TrySingle("ticket", out var text);
        if (services.GetRequiredService<LoginTickets>().Read(context, text) is not { } ticket)
        {
            await PostedForm.WriteErrorAsync(context, StatusCodes.Status400BadRequest, PageText.SignInExpired);
            return;
        }
        form.TrySingle("decision", out var decision);
        if (decision == "deny")
        {
            // Who cancels on the way to a page of ours has nowhere to take an answer to.
            SeeOther(context, ticket.Parameters.Length == 0 ? "/" : ticket.ResumePath + "?ticket=" + text + "&denied=1");
            return;
        }
        var flow = services.GetRequiredService<LoginFlow>();
        var standing = await flow.StandingAsync(context, ticket);
        if (standing.NeedsNewPassword)
        {
            await NewPasswordAsync(context, ticket, standing, form);
            return;
        }
        var offered = Offered(services, standing);
        if (services.GetRequiredService<RequestLimits>().EnterLogin(context) is { } wait)
        {
            form.TrySingle("username", out var typed);
            WebTelemetry.Refused("login", wait.Code);
            services.GetRequiredService<AuditQueue>().Count(context.Connection.RemoteIpAddress?.ToString(), "login", wait.Code);
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            RetryLater.Apply(context.Response, wait.RetryAfter);
            await PageAsync(context, ticket with { LoginHint = typed ?? ticket.LoginHint }, standing, PageText.TooManyTries, StatusCodes.Status429TooManyRequests);
            return;
        }
        // The field that carries something says which form it was; the first method answers for an empty one.
        var method = offered.FirstOrDefault(m => form.Has(m.Field)) ?? offered[0];
        var outcome = await method.CheckAsync(context, form, standing.User);
        // Whatever a method says: the second step is the first one's user's.
        if (standing.User is { } first && outcome.Succeeded(out var other, out _) && other.Subject != first.Subject)
            outcome = new Refusal(RefusalCode.AccessDenied, "the second step was not accepted", $"user {other.Subject} came out of {method.Kind.Id} at a second step of {first.Subject}");
        if (!outcome.Succeeded(out var user, out var refusal))
        {
            form.TrySingle("username", out var username);
            await FailedAsync(context, ticket, standing, refusal, username);
            return;
        }
        await GoOnAsync(context, ticket, await flow.AfterAsync(context, ticket, standing, method.Kind, user));
    }

    /// <summary>Another step, or the session and back to where the ticket says.</summary>
    private static async Task GoOnAsync(HttpContext context, LoginTicket ticket, LoginStanding standing)
    {
        var services = context.RequestServices;
        var tickets = services.GetRequiredService<LoginTickets>();
        if (standing.Progress is LoginProgress.AskNext || standing.NeedsNewPassword)
            SeeOther(context, Path + "?ticket=" + tickets.Protect(context, ticket with { Pending = standing.Pending }));
        else if (await services.GetRequiredService<LoginFlow>().FinishAsync(context, ticket, standing))
            SeeOther(context, ticket.ResumeAddress(tickets.Protect(context, ticket with { Pending = null })));
        else
            await PostedForm.WriteErrorAsync(context, StatusCodes.Status400BadRequest, PageText.SignInExpired);
    }

    /// <summary>The password that an operator gave was for this one login: it ends with another.</summary>
    private static async Task NewPasswordAsync(HttpContext context, LoginTicket ticket, LoginStanding standing, ParameterList form)
    {
        var services = context.RequestServices;
        var (user, pending) = (standing.User!, standing.Pending!);
        var chosen = await services.GetRequiredService<ChosenPassword>().ReadAsync(context, form, user);
        if (chosen.Hash is not { } hash)
        {
            await PageAsync(context, ticket, standing, chosen.Fault);
            return;
        }
        var stamp = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(12));
        var entry = services.GetRequiredService<LoginAudit>().Entry(context, "password.changed", AuditOutcome.Changed, user.Subject, "the temporary one was replaced at login");
        if (!await services.GetRequiredService<IDirectory>().ChangePasswordAsync(new(user.Subject, user.SecurityStamp, hash, stamp, null, null), entry, CancellationToken.None))
        {
            await PostedForm.WriteErrorAsync(context, StatusCodes.Status400BadRequest, PageText.SignInExpired);
            return;
        }
        var next = pending with { SecurityStamp = stamp };
        await GoOnAsync(context, ticket with { Pending = next }, standing with { User = user with { SecurityStamp = stamp, MustChangePassword = false }, Pending = next });
    }

    private static List<IAuthenticationMethod> Offered(IServiceProvider services, LoginStanding standing)
    {
        var all = services.GetRequiredService<AuthenticationMethods>().All;
        return standing.Progress is LoginProgress.AskNext next
            ? [.. all.Where(m => next.Methods.Any(n => n.Id == m.Kind.Id))]
            : [.. all.Where(m => m.Kind.AcrAlone is not null)];
    }

    private static Task FailedAsync(HttpContext context, LoginTicket ticket, LoginStanding standing, Refusal refusal, string? username)
    {
        WebTelemetry.Refused("login", refusal.Code);
        var services = context.RequestServices;
        LogRefused(services.GetRequiredService<ILoggerFactory>().CreateLogger("Keyreeve.Web.Login"), refusal.Operator, context.TraceIdentifier);
        services.GetRequiredService<AuditQueue>().Count(context.Connection.RemoteIpAddress?.ToString(), "login", refusal.Code);
        if (refusal.Code == RefusalCode.Busy)
            context.Response.Headers.RetryAfter = "3";
        var (error, status) = refusal.Code == RefusalCode.Busy ? (PageText.BusyTitle, StatusCodes.Status503ServiceUnavailable)
            : (standing.User is null ? PageText.SignInFailed : PageText.SecondStepFailed, StatusCodes.Status200OK);
        return PageAsync(context, ticket with { LoginHint = username ?? ticket.LoginHint }, standing, error, status);
    }

    private static async Task PageAsync(HttpContext context, LoginTicket ticket, LoginStanding standing, string? error, int status = StatusCodes.Status200OK)
    {
        var services = context.RequestServices;
        var antiforgery = services.GetRequiredService<IAntiforgery>().GetAndStoreTokens(context);
        var waiting = standing.User is null ? ticket with { Pending = null } : ticket with { Pending = standing.Pending };
        var text = services.GetRequiredService<LoginTickets>().Protect(context, waiting with { LoginHint = null });
        var forms = new List<(Type, MethodForm)>();
        if (standing.NeedsNewPassword)
        {
            forms.Add((typeof(NewPasswordForm), Model(null)));
        }
        else
        {
            foreach (var method in Offered(services, standing))
                if (await method.PrepareAsync(context, standing.User) is (true, var extra))
                    forms.Add((method.Form, Model(extra)));
        }
        var nonce = PageHeaders.NewNonce();
        PageHeaders.Apply(context.Response, nonce, formTargets: PageHeaders.FormTarget(ticket.RedirectUri) is { } source ? [source] : []);
        await new RazorComponentResult<LoginPage>(new Dictionary<string, object?>
        {
            [nameof(LoginPage.ClientName)] = ticket.ClientName,
            [nameof(LoginPage.ClientHost)] = ticket.ClientHost,
            [nameof(LoginPage.Card)] = await ClientCard.OfAsync(context, ticket),
            [nameof(LoginPage.UserName)] = standing.User is { } user ? user.DisplayName ?? user.Username : null,
            [nameof(LoginPage.Error)] = error,
            [nameof(LoginPage.Forms)] = forms,
            [nameof(LoginPage.Step)] = standing.User is null ? LoginPage.Steps.First : standing.NeedsNewPassword ? LoginPage.Steps.NewPassword : LoginPage.Steps.Second,
            [nameof(LoginPage.Nonce)] = nonce,
        })
        { StatusCode = status }.ExecuteAsync(context);

        MethodForm Model(object? extra) => new(text, antiforgery.FormFieldName, antiforgery.RequestToken!, ticket.LoginHint, error is not null, forms.Count == 0, standing.User is not null, extra);
    }

    internal static void SeeOther(HttpContext context, string location)
    {
        context.Response.Headers.CacheControl = "no-store";
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = location;
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "login refused: {Why} (request {CorrelationId})")]
    private static partial void LogRefused(ILogger log, string why, string correlationId);
}
