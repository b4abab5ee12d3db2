using System.Buffers.Text;
using System.Security.Cryptography;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Web.Login;
using Keyreeve.Web.Pages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Keyreeve.Web.Account;

/// <summary>A user's own change of the password: with the current one, or just after signing in. All other sessions end.</summary>
internal static class PasswordPage
{
    private const string Path = AccountPages.Path + "/password";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods(Path, ["GET", "HEAD"], ShowAsync).On(Listener.Https);
        routes.MapMethods(Path, ["POST"], ChangeAsync).On(Listener.Https);
    }

    private static async Task ShowAsync(HttpContext context)
    {
        // Without a password there is no current one to ask for.
        if (await AccountRequest.BeginAsync(context, Path, sensitive: false) is not { } request
            || request.User.User.PasswordHash is null && await AccountRequest.BeginAsync(context, Path, sensitive: true) is null)
            return;
        await PageAsync(request, null);
    }

    private static Task PageAsync(AccountRequest request, string? error) => request.PageAsync<ChangePasswordPage>(new()
    {
        [nameof(ChangePasswordPage.UserName)] = request.User.User.Username,
        [nameof(ChangePasswordPage.AskCurrent)] = !request.IsRecent,
        [nameof(ChangePasswordPage.Error)] = error,
    });

    private static async Task ChangeAsync(HttpContext context)
    {
        if (await PostedForm.ReadAsync(context) is not { } form || await AccountRequest.BeginAsync(context, Path, sensitive: false) is not { } request)
            return;
        var user = request.User.User;
        if (!request.IsRecent)
        {
            form.TrySingle("current_password", out var current);
            // By the same door as a login: wrong ones are counted, and lock.
            if (!(await request.Service<PasswordLogin>().CheckAsync(user.Username, current, context.RequestAborted)).Succeeded(out _, out var refusal))
            {
                await PageAsync(request, refusal.Code == RefusalCode.Busy ? PageText.BusyTitle : PageText.PasswordWrong);
                return;
            }
        }
        var (hash, fault) = await request.Service<ChosenPassword>().ReadAsync(context, form, user);
        if (hash is null)
        {
            await PageAsync(request, fault);
            return;
        }
        var all = form.Has("end_grants");
        var change = new PasswordChange(user.Subject, user.SecurityStamp, hash, Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(12)), request.User.Session.Hash,
            all ? Revocation.OfSubject(user.Subject, request.Service<LatestMoment>().OrLater(request.Now)) : null);
        var done = await request.Service<IDirectory>().ChangePasswordAsync(change, request.Entry("password.changed", all ? "by its owner, with all grants" : "by its owner"), CancellationToken.None);
        if (all)
            await request.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
        LoginPages.SeeOther(context, AccountPages.Path + (done ? "?done=1" : "?failed=1"));
    }
}
