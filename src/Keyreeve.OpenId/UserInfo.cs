using System.Buffers;
using System.Text.Json;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>Claims about the user (OpenID Connect Core 5.3): those of the scopes granted, as they are now.</summary>
public static class UserInfo
{
    internal static async Task HandleAsync(HttpContext context)
    {
        var openId = context.RequestServices.GetRequiredService<OpenIdContext>();
        var scopes = openId.State.Scopes;
        var outcome = BearerToken.Check(context.Request, openId.Verifier, scopes.UserInfoAudience, ScopeCatalogue.OpenId);
        if (!outcome.Succeeded(out var token, out var refusal))
        {
            await RefuseAsync(context, openId, refusal);
            return;
        }
        CrossOrigin.Allow(context, context.Request.Headers.Origin.Count == 0 ? null : await openId.State.FindClientAsync(token.ClientId, context.RequestAborted));
        var user = await openId.Directory.FindUserAsync(token.Subject, context.RequestAborted);
        if (user is null || user.Disabled)
        {
            await RefuseAsync(context, openId, new Refusal(RefusalCode.TokenRevoked, "the access token is not valid", $"user {token.Subject} is disabled or removed"));
            return;
        }
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            // "The sub Claim in the UserInfo Response MUST be verified to exactly match the sub Claim in the ID Token" (5.3.2)
            json.WriteString("sub", token.Claims.Subject);
            if (token.Scope.Contains("profile"))
            {
                json.WriteString("preferred_username", user.Username);
                if (user.DisplayName is not null)
                    json.WriteString("name", user.DisplayName);
            }
            if (token.Scope.Contains("email") && user.Email is not null)
            {
                json.WriteString("email", user.Email);
                json.WriteBoolean("email_verified", false);
            }
            if (token.ValUserId is not null || token.ValServiceIds.Count > 0)
            {
                if (user.ValUserId is not null && token.Sector is null)
                    json.WriteString("val_user_id", user.ValUserId);
                json.WriteStartArray("val_service_ids");
                foreach (var service in user.AllServiceIds)
                    json.WriteStringValue(service);
                json.WriteEndArray();
                if (user.ValUeId is not null && token.Sector is null)
                    json.WriteString("val_ue_id", user.ValUeId);
            }
            json.WriteEndObject();
        }
        OpenIdRefusals.NoStore(context.Response);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = buffer.WrittenCount;
        await context.Response.Body.WriteAsync(buffer.WrittenMemory);
    }

    private static Task RefuseAsync(HttpContext context, OpenIdContext openId, Refusal refusal)
    {
        openId.Refused(context, "userinfo", null, null, refusal);
        BearerToken.Challenge(context.Response, refusal, ScopeCatalogue.OpenId);
        return ProblemDocument.WriteAsync(context, refusal);
    }
}
