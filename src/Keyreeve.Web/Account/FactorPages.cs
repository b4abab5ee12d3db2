using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Keyreeve.Web.Login;
using Keyreeve.Web.Pages;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Web.Account;

/// <summary>Passkeys, authenticator app, recovery codes. All of it needs a login of the last minutes.</summary>
internal static partial class FactorPages
{
    private const string Authenticator = AccountPages.Path + "/authenticator";
    private const string Passkey = AccountPages.Path + "/passkey";

    /// <summary>Characters of a passkey's name. Our choice.</summary>
    private const int MaxName = 60;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods(Authenticator, ["GET", "HEAD"], context => ShowAuthenticatorAsync(context, null)).On(Listener.Https);
        routes.MapMethods(Authenticator, ["POST"], AddAuthenticatorAsync).On(Listener.Https);
        routes.MapMethods(Authenticator + "/remove", ["POST"], context => ChangeAsync(context, RemoveAuthenticatorAsync)).On(Listener.Https);
        routes.MapMethods(Passkey, ["GET", "HEAD"], ShowPasskeyAsync).On(Listener.Https);
        routes.MapMethods(Passkey, ["POST"], context => ChangeAsync(context, AddPasskeyAsync)).On(Listener.Https);
        routes.MapMethods(Passkey + "/rename", ["POST"], context => ChangeAsync(context, RenamePasskeyAsync)).On(Listener.Https);
        routes.MapMethods(Passkey + "/remove", ["POST"], context => ChangeAsync(context, RemovePasskeyAsync)).On(Listener.Https);
        routes.MapMethods(AccountPages.Path + "/recovery-codes", ["POST"], NewRecoveryCodesAsync).On(Listener.Https);
    }

    private static async Task ShowAuthenticatorAsync(HttpContext context, string? error)
    {
        if (await AccountRequest.BeginAsync(context, Authenticator, sensitive: true) is { } request)
            await AuthenticatorPageAsync(request, RandomNumberGenerator.GetBytes(Totp.SecretSize), error);
    }

    private static Task AuthenticatorPageAsync(AccountRequest request, byte[] secret, string? error)
    {
        // Kept by the browser, sealed, until a code proves that the app has it: what was never confirmed is never stored.
        var waiting = JsonSerializer.SerializeToUtf8Bytes<string[]>([request.Subject, request.User.Session.SessionId, Base64Url.EncodeToString(secret)]);
        return request.PageAsync<AuthenticatorPage>(new()
        {
            [nameof(AuthenticatorPage.Picture)] = QrPicture.Of(Totp.AddressOf(request.Service<Branding>().Name, request.User.User.Username, secret)),
            [nameof(AuthenticatorPage.Secret)] = string.Join(' ', Base32.Encode(secret).Chunk(4).Select(part => new string(part))),
            [nameof(AuthenticatorPage.Waiting)] = Base64Url.EncodeToString(Protector(request).Protect(waiting)),
            [nameof(AuthenticatorPage.Error)] = error,
        });
    }

    private static async Task AddAuthenticatorAsync(HttpContext context)
    {
        if (await PostedForm.ReadAsync(context) is not { } form || await AccountRequest.BeginAsync(context, Authenticator, sensitive: true) is not { } request)
            return;
        form.TrySingle("waiting", out var waiting);
        form.TrySingle("code", out var code);
        if (Open(request, waiting) is not { } secret)
        {
            LoginPages.SeeOther(context, Authenticator);
            return;
        }
        if (Totp.FindStep(secret, code ?? "", request.Now) is not { } step)
        {
            await AuthenticatorPageAsync(request, secret, PageText.WrongCode);
            return;
        }
        var store = request.Service<ICredentialStore>();
        var totp = new TotpSecret
        {
            Subject = request.Subject,
            Sealed = request.Service<Kek>().Seal(TotpSecret.Purpose(request.Subject), secret),
            LastStep = step,
            CreatedAt = request.Now.ToUnixTimeMilliseconds(),
        };
        CryptographicOperations.ZeroMemory(secret);
        if (!await store.AddTotpAsync(totp, request.Entry("totp.added", null), CancellationToken.None))
            LoginPages.SeeOther(context, AccountPages.Path + "?failed=1");
        else if ((await store.FindAsync(request.Subject, context.RequestAborted)).RecoveryCodes == 0)
            // Who has a second factor can lose it: the way out is handed over at once.
            await RecoveryCodesPageAsync(request);
        else
            LoginPages.SeeOther(context, AccountPages.Path + "?done=1");
    }

    private static Task<bool> RemoveAuthenticatorAsync(AccountRequest request, ParameterList form) =>
        request.Service<ICredentialStore>().RemoveTotpAsync(request.Subject, request.Entry("totp.removed", "by its owner"), CancellationToken.None);

    private static async Task ShowPasskeyAsync(HttpContext context)
    {
        if (await AccountRequest.BeginAsync(context, Passkey, sensitive: true) is not { } request)
            return;
        var ceremony = request.Service<PasskeyCeremony>();
        if (!ceremony.IsPossible)
        {
            LoginPages.SeeOther(context, AccountPages.Path + "?failed=1");
            return;
        }
        await request.PageAsync<PasskeyPage>(new() { [nameof(PasskeyPage.Ask)] = await ceremony.AskNewAsync(context, request.User.User) }, PageHeaders.NewNonce());
    }

    private static async Task<bool> AddPasskeyAsync(AccountRequest request, ParameterList form)
    {
        var name = NameOf(form) ?? "Passkey";
        if (!(await request.Service<PasskeyCeremony>().AttestAsync(request.Context, form, request.User.User, name)).Succeeded(out var passkey, out var refusal))
        {
            LogRefused(request.Service<ILoggerFactory>().CreateLogger("Keyreeve.Web.Account"), refusal.Operator, request.Context.TraceIdentifier);
            return false;
        }
        return await request.Service<ICredentialStore>().AddPasskeyAsync(passkey, request.Entry("passkey.added", $"passkey {IdOf(passkey)}"), CancellationToken.None);
    }

    private static async Task<bool> RenamePasskeyAsync(AccountRequest request, ParameterList form) =>
        CredentialOf(form) is { } id && NameOf(form) is { } name
        && await request.Service<ICredentialStore>().RenamePasskeyAsync(request.Subject, id, name, request.Entry("passkey.renamed", $"passkey {Base64Url.EncodeToString(id)}"), CancellationToken.None);

    private static async Task<bool> RemovePasskeyAsync(AccountRequest request, ParameterList form) =>
        CredentialOf(form) is { } id
        && await request.Service<ICredentialStore>().RemovePasskeyAsync(request.Subject, id, request.Entry("passkey.removed", $"passkey {Base64Url.EncodeToString(id)}, by its owner"), CancellationToken.None);

    private static async Task NewRecoveryCodesAsync(HttpContext context)
    {
        if (await PostedForm.ReadAsync(context) is not null && await AccountRequest.BeginAsync(context, AccountPages.Path, sensitive: true) is { } request)
            await RecoveryCodesPageAsync(request);
    }

    private static async Task RecoveryCodesPageAsync(AccountRequest request)
    {
        var (texts, hashes) = RecoveryCode.Generate(request.Subject);
        await request.Service<ICredentialStore>().ReplaceRecoveryCodesAsync(request.Subject, hashes, request.Entry("recovery_codes.replaced", $"{hashes.Count} new ones"), CancellationToken.None);
        await request.PageAsync<RecoveryCodesPage>(new() { [nameof(RecoveryCodesPage.Codes)] = texts });
    }

    private static async Task ChangeAsync(HttpContext context, Func<AccountRequest, ParameterList, Task<bool>> change)
    {
        if (await PostedForm.ReadAsync(context) is { } form && await AccountRequest.BeginAsync(context, AccountPages.Path, sensitive: true) is { } request)
            LoginPages.SeeOther(context, AccountPages.Path + (await change(request, form) ? "?done=1" : "?failed=1"));
    }

    private static byte[]? Open(AccountRequest request, string? waiting)
    {
        if (waiting is not { Length: <= 2048 } || !Base64UrlStrict.TryDecode(waiting, out var octets))
            return null;
        try
        {
            var values = JsonSerializer.Deserialize<string[]>(Encoding.UTF8.GetString(Protector(request).Unprotect(octets)))!;
            return values[0] == request.Subject && values[1] == request.User.Session.SessionId ? Base64Url.DecodeFromChars(values[2]) : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static IDataProtector Protector(AccountRequest request) => request.Service<IDataProtectionProvider>().CreateProtector("keyreeve.totp-enrolment.v1");

    private static string? NameOf(ParameterList form)
    {
        form.TrySingle("name", out var name);
        name = name?.Trim();
        return name is { Length: > 0 and <= MaxName } ? name : null;
    }

    private static byte[]? CredentialOf(ParameterList form) =>
        form.TrySingle("passkey", out var text) && text is { Length: <= 2048 } && Base64UrlStrict.TryDecode(text, out var id) ? id : null;

    internal static string IdOf(Core.Identity.Passkey passkey) => Base64Url.EncodeToString(passkey.CredentialId);

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "passkey refused: {Why} (request {CorrelationId})")]
    private static partial void LogRefused(ILogger log, string why, string correlationId);
}
