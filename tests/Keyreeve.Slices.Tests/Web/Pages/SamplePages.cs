using Keyreeve.Web.Pages;

namespace Keyreeve.Slices.Tests.Web.Pages;

/// <summary>Every page with the same text in every place a peer, a client or an operator can fill.</summary>
internal static class SamplePages
{
    public static Dictionary<string, object?> Login(string text) => new()
    {
        ["Ticket"] = text,
        ["ClientName"] = text,
        ["ClientHost"] = text,
        ["LoginHint"] = text,
        ["Error"] = text,
        ["AntiforgeryFieldName"] = "__csrf",
        ["AntiforgeryToken"] = text,
    };

    public static Dictionary<string, object?> Consent(string text) => new()
    {
        ["Ticket"] = text,
        ["ClientName"] = text,
        ["ClientHost"] = text,
        ["UserName"] = text,
        ["Scopes"] = (IReadOnlyList<ScopeLine>)[new ScopeLine(text, text, text)],
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
        ["login"] = await PageHost.RenderAsync<LoginPage>(Login(text)),
        ["consent"] = await PageHost.RenderAsync<ConsentPage>(Consent(text)),
        ["error"] = await PageHost.RenderAsync<ErrorPage>(Error(text)),
        ["form post"] = await PageHost.RenderAsync<FormPostPage>(FormPost(text)),
        ["home"] = await PageHost.RenderAsync<HomePage>(Home(text)),
        ["message"] = await PageHost.RenderAsync<MessagePage>(Message(text)),
    };
}
