using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Web.Login;
using Keyreeve.Web.Pages;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Web.Account;

/// <summary>
/// The page where people see where they are signed in and what acts for them, and end it. It signs people in by itself, without an
/// OAuth client. Every change is a form with its token, is audited, and counts at once, for tokens too.
/// </summary>
public static class AccountPages
{
    /// <summary>Where it lives.</summary>
    public const string Path = "/account";

    /// <summary>The overview, the endings, and the pages of <see cref="FactorPages"/> and <see cref="PasswordPage"/>.</summary>
    public static void MapAccount(this IEndpointRouteBuilder routes)
    {
        routes.MapMethods(Path, ["GET", "HEAD"], ShowAsync).On(Listener.Https);
        routes.MapMethods(Path + "/sessions/end", ["POST"], context => ChangeAsync(context, EndSessionAsync)).On(Listener.Https);
        routes.MapMethods(Path + "/sessions/end-others", ["POST"], context => ChangeAsync(context, EndOthersAsync)).On(Listener.Https);
        routes.MapMethods(Path + "/access/end", ["POST"], context => ChangeAsync(context, EndAccessAsync)).On(Listener.Https);
        routes.MapMethods(Path + "/connections/end", ["POST"], context => ChangeAsync(context, EndConnectionAsync)).On(Listener.Https);
        FactorPages.Map(routes);
        PasswordPage.Map(routes);
    }

    private static async Task ShowAsync(HttpContext context)
    {
        if (await AccountRequest.BeginAsync(context, Path, sensitive: false) is not { } request)
            return;
        var notice = context.Request.Query.ContainsKey("done") ? PageText.Done : context.Request.Query.ContainsKey("failed") ? PageText.NotDone : null;
        await request.PageAsync<AccountPage>(new()
        {
            [nameof(AccountPage.View)] = await AccountView.LoadAsync(request),
            [nameof(AccountPage.Notice)] = notice,
        });
    }

    /// <summary>Runs a change of a signed-in user and goes back to the overview.</summary>
    private static async Task ChangeAsync(HttpContext context, Func<AccountRequest, ParameterList, Task<bool>> change)
    {
        if (await PostedForm.ReadAsync(context) is not { } form || await AccountRequest.BeginAsync(context, Path, sensitive: false) is not { } request)
            return;
        LoginPages.SeeOther(context, Path + (await change(request, form) ? "?done=1" : "?failed=1"));
    }

    private static async Task<bool> EndSessionAsync(AccountRequest request, ParameterList form)
    {
        form.TrySingle("session", out var sid);
        if (sid == request.User.Session.SessionId)
        {
            await request.Service<BrowserSessions>().EndAsync(request.Context);
            return true;
        }
        return sid is not null && await request.Service<ISessionStore>().EndAsync(request.Subject, sid, request.Entry("session.ended", $"session {sid}, by its owner"), CancellationToken.None);
    }

    private static async Task<bool> EndOthersAsync(AccountRequest request, ParameterList form)
    {
        await request.Service<ISessionStore>().EndOthersAsync(request.Subject, request.User.Session.Hash, request.Entry("session.ended", "all others, by their owner"), CancellationToken.None);
        return true;
    }

    /// <summary>Everything that a client has from this user: consent, codes, refresh families, access tokens.</summary>
    private static async Task<bool> EndAccessAsync(AccountRequest request, ParameterList form)
    {
        form.TrySingle("client", out var clientId);
        if (clientId is not { Length: <= OAuthLimits.MaxIdentity })
            return false;
        var now = request.Now;
        await request.Service<IGrantStore>().EndAccessAsync(request.Subject, clientId, now.ToUnixTimeMilliseconds(), id => Revocation.OfGrant(id, now),
            Revocation.OfSubject(request.Subject, request.Service<LatestMoment>().OrLater(now)), request.Entry("access.ended", $"client {clientId}, by the user") with { ClientId = clientId }, CancellationToken.None);
        await request.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
        return true;
    }

    /// <summary>One refresh family; it is named by the name that its tokens carry, because its identifier is a secret.</summary>
    private static async Task<bool> EndConnectionAsync(AccountRequest request, ParameterList form)
    {
        form.TrySingle("connection", out var name);
        var now = request.Now;
        var grants = request.Service<IGrantStore>();
        var family = (await grants.ListFamiliesAsync(request.Subject, now.ToUnixTimeMilliseconds(), request.Context.RequestAborted))
            .FirstOrDefault(f => RefreshToken.GrantNameOf(f.FamilyId) == name);
        if (family is null)
            return false;
        await grants.EndGrantAsync(family.FamilyId, now.ToUnixTimeMilliseconds(), Revocation.OfGrant(family.FamilyId, now),
            request.Entry("grant.ended", $"grant {name}: by the user") with { ClientId = family.ClientId }, CancellationToken.None);
        await request.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
        return true;
    }
}
