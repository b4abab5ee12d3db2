using Keyreeve.Core.Refusals;
using Keyreeve.Web.Pages;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Web.Http;

/// <summary>A form that one of our pages posted: read strictly, and only with its antiforgery token.</summary>
[Spec("RFC 9700", "4.7")]
public static class PostedForm
{
    /// <summary>The fields, or null when an error page was sent.</summary>
    public static async Task<ParameterList?> ReadAsync(HttpContext context)
    {
        var antiforgery = context.RequestServices.GetRequiredService<IAntiforgery>();
        if ((await FormBody.ReadFormAsync(context.Request)).Succeeded(out var form, out var refusal))
        {
            // Antiforgery looks into the request's form: it gets the one that was read strictly.
            context.Request.Form = new FormCollection(form.Pairs.GroupBy(p => p.Key, StringComparer.Ordinal)
                .ToDictionary(g => g.Key, g => new Microsoft.Extensions.Primitives.StringValues(g.Select(p => p.Value).ToArray()), StringComparer.Ordinal));
            if (await antiforgery.IsRequestValidAsync(context))
                return form;
            refusal = Refusal.Of(RefusalCode.Malformed, PageText.FormExpired);
        }
        await WriteErrorAsync(context, StatusCodes.Status400BadRequest, TextOf(refusal));
        return null;
    }

    /// <summary>A refusal of a protocol, shown to the person whose browser brought the request.</summary>
    public static Task WriteErrorAsync(HttpContext context, int status, Refusal refusal) => WriteErrorAsync(context, status, TextOf(refusal));

    /// <summary>In the language of the page, where a person may meet it; what only a developer's mistake leads to is said in the protocol's words.</summary>
    private static string TextOf(Refusal refusal) => (refusal.Code, refusal.Param) switch
    {
        (RefusalCode.UnknownClient, _) => PageText.UnknownApplication,
        (RefusalCode.RedirectUriNotRegistered, _) => PageText.ReturnNotRegistered,
        (RefusalCode.TooLarge, _) => PageText.RequestTooLong,
        (RefusalCode.InvalidParameter, "request_uri") => PageText.SignInUsed,
        (RefusalCode.MissingParameter, { } name) when refusal.Peer == name + " is missing" => $"{name} {PageText.IsMissing}",
        (RefusalCode.RepeatedParameter, { } name) => $"{name} {PageText.IsRepeated}",
        _ => refusal.Peer,
    };

    /// <summary>An error page for people.</summary>
    public static Task WriteErrorAsync(HttpContext context, int status, string message)
    {
        PageHeaders.Apply(context.Response);
        return new RazorComponentResult<ErrorPage>(new Dictionary<string, object?>
        {
            [nameof(ErrorPage.Status)] = status,
            [nameof(ErrorPage.Title)] = PageText.RequestRefusedTitle,
            // Refusals are written for protocols and begin small; a page begins with a capital.
            [nameof(ErrorPage.Message)] = message.Length > 0 ? char.ToUpperInvariant(message[0]) + message[1..] : message,
            [nameof(ErrorPage.CorrelationId)] = context.TraceIdentifier,
            [nameof(ErrorPage.WhatToDo)] = PageText.RequestRefusedWhatToDo,
        })
        { StatusCode = status }.ExecuteAsync(context);
    }
}
