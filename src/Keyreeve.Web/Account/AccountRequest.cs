using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Web.Login;
using Keyreeve.Web.Pages;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Web.Account;

/// <summary>A request to the account pages by somebody who is signed in, recently enough for what it is about.</summary>
internal sealed class AccountRequest
{
    /// <summary>What changes how one signs in needs a login no older than this. Our choice.</summary>
    public static readonly TimeSpan Recent = TimeSpan.FromMinutes(5);

    private AccountRequest(HttpContext context, AuthenticatedUser user, DateTimeOffset now) => (Context, User, Now) = (context, user, now);

    public HttpContext Context { get; }

    public AuthenticatedUser User { get; }

    public DateTimeOffset Now { get; }

    public string Subject => User.User.Subject;

    public bool IsRecent => Now.ToUnixTimeMilliseconds() - User.Authentication.AuthTime <= (long)Recent.TotalMilliseconds;

    /// <summary>The request, or null when the browser was sent to the login page, from which it comes back to <paramref name="path"/>.</summary>
    public static async Task<AccountRequest?> BeginAsync(HttpContext context, string path, bool sensitive)
    {
        var services = context.RequestServices;
        var now = services.GetRequiredService<TimeProvider>().GetUtcNow();
        if (await services.GetRequiredService<BrowserSessions>().FindAsync(context) is { } user)
        {
            var request = new AccountRequest(context, user, now);
            if (!sensitive || request.IsRecent)
                return request;
            user = request.User;
            SendToLogin(context, path, now, user.User.Username);
            return null;
        }
        SendToLogin(context, path, now, null);
        return null;
    }

    public T Service<T>()
        where T : notnull => Context.RequestServices.GetRequiredService<T>();

    public AuditEntry Entry(string kind, string? detail) => Service<LoginAudit>().Entry(Context, kind, AuditOutcome.Changed, Subject, detail);

    /// <summary>Shows a page of this user; <c>Form</c> gets the antiforgery token.</summary>
    public Task PageAsync<TPage>(Dictionary<string, object?> parameters, string? nonce = null)
        where TPage : IComponent
    {
        var tokens = Service<IAntiforgery>().GetAndStoreTokens(Context);
        PageHeaders.Apply(Context.Response, nonce);
        parameters["Form"] = new AccountForm(tokens.FormFieldName, tokens.RequestToken!);
        if (nonce is not null)
            parameters["Nonce"] = nonce;
        return new RazorComponentResult<TPage>(parameters).ExecuteAsync(Context);
    }

    private static void SendToLogin(HttpContext context, string path, DateTimeOffset now, string? username)
    {
        var ticket = new LoginTicket
        {
            ResumePath = path,
            Parameters = "",
            AskedAt = now.ToUnixTimeMilliseconds(),
            ClientName = PageText.YourAccount,
            RedirectUri = "",
            LoginHint = username,
            Anew = username is not null,
            Language = PageText.Language,
        };
        LoginPages.SeeOther(context, LoginPages.Path + "?ticket=" + context.RequestServices.GetRequiredService<LoginTickets>().Protect(context, ticket));
    }
}

/// <summary>The hidden field of every form of the account pages.</summary>
/// <param name="Name">Name of the antiforgery field.</param>
/// <param name="Token">Its value.</param>
public sealed record AccountForm(string Name, string Token);
