using System.Text;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Keyreeve.Web.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Keyreeve.OpenId;

/// <summary>
/// The authorization response, success or error: to the redirect URI that was proved to be the client's, in the mode asked for,
/// always with <c>iss</c> (RFC 9207) and with <c>state</c> verbatim.
/// </summary>
[Spec("TS 33.434", "A.4.2.3")]
[Spec("RFC 9207", "2")]
[Spec("RFC 9700", "4.12")]
public static class AuthorizationResponse
{
    /// <summary>The code.</summary>
    public static Task CodeAsync(HttpContext context, AuthorizationTarget target, string issuer, string code) =>
        SendAsync(context, target, [new("code", code), .. Tail(target, issuer)]);

    /// <summary>An error.</summary>
    public static Task ErrorAsync(HttpContext context, AuthorizationTarget target, string issuer, Refusal refusal) =>
        SendAsync(context, target, [new("error", OpenIdRefusals.ErrorOf(refusal.Code)), new("error_description", refusal.Peer), .. Tail(target, issuer)]);

    /// <summary>A refusal that may not be redirected, because client or redirect URI are not proved: shown to the person.</summary>
    public static Task PageAsync(HttpContext context, Refusal refusal) => PostedForm.WriteErrorAsync(context, StatusCodes.Status400BadRequest, refusal);

    private static List<KeyValuePair<string, string>> Tail(AuthorizationTarget target, string issuer)
    {
        var tail = new List<KeyValuePair<string, string>>(2);
        if (target.State is not null)
            tail.Add(new("state", target.State));
        tail.Add(new("iss", issuer));
        return tail;
    }

    private static Task SendAsync(HttpContext context, AuthorizationTarget target, IReadOnlyList<KeyValuePair<string, string>> fields)
    {
        if (target.Mode == ResponseMode.FormPost)
        {
            var nonce = PageHeaders.NewNonce();
            PageHeaders.Apply(context.Response, nonce, PageHeaders.FormTarget(target.RedirectUri) is { } source ? [source] : []);
            return new RazorComponentResult<FormPostPage>(new Dictionary<string, object?>
            {
                [nameof(FormPostPage.Action)] = target.RedirectUri,
                [nameof(FormPostPage.Fields)] = fields,
                [nameof(FormPostPage.Nonce)] = nonce,
            }).ExecuteAsync(context);
        }
        var location = new StringBuilder(target.RedirectUri);
        var separator = target.RedirectUri.Contains('?', StringComparison.Ordinal) ? '&' : '?';
        foreach (var field in fields)
        {
            location.Append(separator).Append(field.Key).Append('=').Append(Uri.EscapeDataString(field.Value));
            separator = '&';
        }
        var response = context.Response;
        OpenIdRefusals.NoStore(response);
        response.Headers["Referrer-Policy"] = "no-referrer";
        // 303, never 307: what was posted to us (a password) is not posted on (RFC 9700 4.12).
        response.StatusCode = StatusCodes.Status303SeeOther;
        response.Headers.Location = location.ToString();
        return Task.CompletedTask;
    }
}
