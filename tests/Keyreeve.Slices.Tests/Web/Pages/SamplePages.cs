using Keyreeve.Web.Account;
using Keyreeve.Web.Login;
using Keyreeve.Web.Login.Methods;
using Keyreeve.Web.Pages;
using Keyreeve.Web.Pages.Forms;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Slices.Tests.Web.Pages;

/// <summary>Every page with the same text in every place a peer, a client or an operator can fill.</summary>
internal static class SamplePages
{
    public static Dictionary<string, object?> Login(string text, bool failed = true) => new()
    {
        ["ClientName"] = text,
        ["ClientHost"] = text,
        ["Card"] = Card(text),
        ["Error"] = failed ? text : null,
        ["Forms"] = (IReadOnlyList<(Type, MethodForm)>)[(typeof(PasswordForm), Form(text, first: true, null, failed)), (typeof(PasskeyForm), Form(text, first: false, new PasskeyAsk(text, text), failed))],
        ["Nonce"] = "0123456789abcdef0123456789abcdef",
    };

    public static Dictionary<string, object?> SecondStep(string text) => new()
    {
        ["ClientName"] = text,
        ["ClientHost"] = text,
        ["Card"] = Card(text),
        ["UserName"] = text,
        ["Error"] = text,
        ["Forms"] = (IReadOnlyList<(Type, MethodForm)>)
        [
            (typeof(CodeForm), Form(text, first: true, null)), (typeof(PasskeyForm), Form(text, first: false, new PasskeyAsk(text, text))), (typeof(RecoveryForm), Form(text, first: false, null)),
        ],
        ["Step"] = LoginPage.Steps.Second,
        ["Nonce"] = "0123456789abcdef0123456789abcdef",
    };

    public static Dictionary<string, object?> NewPassword(string text) => new()
    {
        ["ClientName"] = text,
        ["UserName"] = text,
        ["Error"] = text,
        ["Forms"] = (IReadOnlyList<(Type, MethodForm)>)[(typeof(NewPasswordForm), Form(text, first: true, null))],
        ["Step"] = LoginPage.Steps.NewPassword,
    };

    public static Dictionary<string, object?> Account(string text) => new()
    {
        ["View"] = new AccountView
        {
            UserName = text,
            Sessions = [new() { Hash = [], SessionId = text, Subject = text, SecurityStamp = text, Authentication = new(1, text, text), ExpiresAt = 1, Browser = text }, new() { Hash = [], SessionId = "2", Subject = text, SecurityStamp = text, Authentication = new(1, text, text), ExpiresAt = 1 }],
            ThisSession = text,
            Access = [new(text, text, new(text, text, ScopeList.Of(["openid"]), 1) { Shown = [new("openid", text)] }, [new(text, text, 1)])],
            Device = new() { ValUeId = text, ValServiceIds = [text] },
            Factors = new(new() { Subject = text, Sealed = [], LastStep = 0, CreatedAt = 1 }, [new() { CredentialId = [1], Subject = text, Name = text, PublicKey = [], SignCount = 0, CreatedAt = 1 }], 3),
            PasskeysPossible = true,
        },
        ["Notice"] = text,
        ["Form"] = new AccountForm("__csrf", text),
    };

    public static Dictionary<string, object?> Authenticator(string text) => new()
    {
        ["Picture"] = QrPicture.Of("otpauth://totp/x"),
        ["Secret"] = text,
        ["Waiting"] = text,
        ["Error"] = text,
        ["Form"] = new AccountForm("__csrf", text),
    };

    public static Dictionary<string, object?> Passkey(string text) => new()
    {
        ["Ask"] = new PasskeyAsk(text, text),
        ["Form"] = new AccountForm("__csrf", text),
        ["Nonce"] = "0123456789abcdef0123456789abcdef",
    };

    public static Dictionary<string, object?> RecoveryCodes(string text) => new() { ["Codes"] = (IReadOnlyList<string>)[text], ["Form"] = new AccountForm("__csrf", text) };

    public static Dictionary<string, object?> ChangePassword(string text) => new()
    {
        ["UserName"] = text,
        ["AskCurrent"] = true,
        ["Error"] = text,
        ["Form"] = new AccountForm("__csrf", text),
    };

    private static ClientCard Card(string text) => new(text, "/assets/client-logo.0.png", [(text, "https://client.example/?" + text)]);

    private static MethodForm Form(string text, bool first, object? extra, bool failed = true) => new(text, "__csrf", text, text, failed, first, false, extra);

    public static Dictionary<string, object?> Consent(string text) => new()
    {
        ["Ticket"] = text,
        ["ClientName"] = text,
        ["ClientHost"] = text,
        ["Card"] = Card(text),
        ["UserName"] = text,
        ["Scopes"] = (IReadOnlyList<ScopeLine>)[new ScopeLine(text, text, text)],
        ["AntiforgeryFieldName"] = "__csrf",
        ["AntiforgeryToken"] = text,
    };

    public static Dictionary<string, object?> Logout(string text) => new()
    {
        ["Ticket"] = text,
        ["ClientName"] = text,
        ["UserName"] = text,
        ["AntiforgeryFieldName"] = "__csrf",
        ["AntiforgeryToken"] = text,
    };

    public static Dictionary<string, object?> Error(string text) => new()
    {
        ["Status"] = 400,
        ["Title"] = text,
        ["Message"] = text,
        ["CorrelationId"] = text,
        ["WhatToDo"] = text,
    };

    public static Dictionary<string, object?> FormPost(string text) => new()
    {
        ["Action"] = text,
        ["Fields"] = (IReadOnlyList<KeyValuePair<string, string>>)[new("state", text), new(text, "x")],
        ["Nonce"] = "0123456789abcdef0123456789abcdef",
    };

    public static Dictionary<string, object?> Home(string text) => new()
    {
        ["Issuer"] = text,
        ["Demo"] = true,
        ["TryNext"] = (IReadOnlyList<string>)[text],
        ["DemoUsers"] = (IReadOnlyList<string>)[text],
    };

    public static Dictionary<string, object?> Message(string text) => new() { ["Title"] = text, ["Message"] = text };

    public static async Task<Dictionary<string, string>> RenderAllAsync(string text) => new()
    {
        ["second step"] = await PageHost.RenderAsync<LoginPage>(SecondStep(text)),
        ["new password"] = await PageHost.RenderAsync<LoginPage>(NewPassword(text)),
        ["account"] = await PageHost.RenderAsync<AccountPage>(Account(text)),
        ["authenticator"] = await PageHost.RenderAsync<AuthenticatorPage>(Authenticator(text)),
        ["passkey"] = await PageHost.RenderAsync<PasskeyPage>(Passkey(text)),
        ["recovery codes"] = await PageHost.RenderAsync<RecoveryCodesPage>(RecoveryCodes(text)),
        ["change password"] = await PageHost.RenderAsync<ChangePasswordPage>(ChangePassword(text)),
        ["login"] = await PageHost.RenderAsync<LoginPage>(Login(text)),
        ["consent"] = await PageHost.RenderAsync<ConsentPage>(Consent(text)),
        ["logout"] = await PageHost.RenderAsync<LogoutPage>(Logout(text)),
        ["error"] = await PageHost.RenderAsync<ErrorPage>(Error(text)),
        ["form post"] = await PageHost.RenderAsync<FormPostPage>(FormPost(text)),
        ["home"] = await PageHost.RenderAsync<HomePage>(Home(text)),
        ["message"] = await PageHost.RenderAsync<MessagePage>(Message(text)),
    };
}
