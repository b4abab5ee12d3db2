using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.OpenId;

/// <summary>A form from an authenticated client: the common beginning of the endpoints that clients post to.</summary>
internal static class ClientRequest
{
    /// <summary>Form and client, or null when the refusal was sent.</summary>
    public static async ValueTask<(ParameterList Form, AuthenticatedClient Client)?> ReadAsync(HttpContext context, OpenIdContext openId, string kind)
    {
        var refusal = openId.Limits.Enter(context);
        // Credentials in a URL end up in logs: refused before anything else is looked at (RFC 6749 2.3.1).
        if (refusal is null && context.Request.QueryString.HasValue)
            refusal = Refusal.Of(RefusalCode.Malformed, "parameters belong into the body, not into the query");
        else if (refusal is null && (await FormBody.ReadFormAsync(context.Request)).Succeeded(out var form, out refusal))
        {
            if (form.FirstRepeated("resource", "audience") is { } repeated)
                refusal = Refusal.About(RefusalCode.RepeatedParameter, repeated, "a parameter was sent more than once");
            else if ((await openId.Clients.AuthenticateAsync(context.Request, form)).Succeeded(out var client, out refusal))
            {
                if (kind is "token" or "revoke")
                    CrossOrigin.Allow(context, client.Client);
                return (form, client);
            }
        }
        openId.Refused(context, kind, null, null, refusal!);
        await OpenIdRefusals.WriteAsync(context, refusal!);
        return null;
    }
}
