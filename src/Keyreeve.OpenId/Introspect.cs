using System.Buffers;
using System.Text;
using System.Text.Json;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Jose;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>
/// Token introspection (RFC 7662). A caller learns of a token only what is its business: a resource server of tokens for its
/// audience, a client of its own tokens. For everything else the answer is the same {"active":false}. Writes nothing.
/// </summary>
[Spec("RFC 7662", "2")]
[Spec("RFC 8705", "3.2")]
public static class Introspect
{
    private static readonly byte[] Inactive = "{\"active\":false}"u8.ToArray();

    private static readonly string[] Shown = ["sub", "aud", "exp", "iat", "jti", "client_id", "scope", "auth_time", "acr", "val_user_id", "val_service_ids", "val_ue_id", "act", "may_act", "SKeyProv", "cnf"];

    internal static async Task HandleAsync(HttpContext context)
    {
        var openId = context.RequestServices.GetRequiredService<OpenIdContext>();
        if (await ClientRequest.ReadAsync(context, openId, "introspect") is not { } request)
            return;
        var (form, client) = request;
        form.TrySingle("token", out var text);
        if (text is null || client.Method == ClientAuthMethod.None)
        {
            var refusal = text is null
                ? Refusal.About(RefusalCode.MissingParameter, "token", "token is missing")
                : new Refusal(RefusalCode.ClientAuthenticationFailed, "client authentication failed", $"public client {client.Client.ClientId} may not introspect");
            openId.Refused(context, "introspect", client, refusal);
            await OpenIdRefusals.WriteAsync(context, refusal);
            return;
        }
        // Encrypted, the token is presented as the client has it: we open what we made.
        if (JweCompact.HasItsForm(text))
            text = await context.RequestServices.GetRequiredService<EncryptedTokens>().OpenAsync(text, context.RequestAborted) ?? text;
        var answer = openId.Verifier.Verify(text, audience: null).Succeeded(out var token, out _)
            ? MayLearn(client.Client, token) ? Describe(token) : Inactive
            : await DescribeRefreshAsync(openId, client.Client, text, context.RequestAborted) ?? Inactive;
        OpenIdTelemetry.Introspected(!answer.Equals((ReadOnlyMemory<byte>)Inactive));
        var response = context.Response;
        response.ContentType = "application/json";
        if (SignedIntrospection.IsAskedFor(context.Request))
        {
            if (!SignedIntrospection.Write(openId, client.Client, answer.Span).Succeeded(out var jwt, out var refusal))
            {
                openId.Refused(context, "introspect", client, refusal);
                await OpenIdRefusals.WriteAsync(context, refusal);
                return;
            }
            answer = Encoding.ASCII.GetBytes(jwt);
            response.ContentType = SignedIntrospection.MediaType;
        }
        OpenIdRefusals.NoStore(response);
        // With the length said the answer is one TLS record and one write; without it, it is chunked and two of each.
        response.ContentLength = answer.Length;
        await response.Body.WriteAsync(answer);
    }

    private static bool MayLearn(Client caller, VerifiedToken token)
    {
        if (string.Equals(caller.ClientId, token.ClientId, StringComparison.Ordinal))
            return true;
        return caller.Audience is not null && token.Claims.Audience.Contains(caller.Audience, StringComparer.Ordinal);
    }

    private static ReadOnlyMemory<byte> Describe(VerifiedToken token)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true }))
        {
            json.WriteStartObject();
            json.WriteBoolean("active"u8, true);
            json.WriteString("iss"u8, token.Claims.Issuer);
            foreach (var name in Shown)
            {
                if (token.Claims.TryGetRaw(name, out var value))
                {
                    json.WritePropertyName(name);
                    value.WriteTo(json);
                }
            }
            json.WriteString("token_type"u8, "bearer"u8);
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }

    /// <summary>A refresh token is the business of its client alone.</summary>
    private static async Task<ReadOnlyMemory<byte>?> DescribeRefreshAsync(OpenIdContext openId, Client caller, string text, CancellationToken cancel)
    {
        if (!RefreshToken.TryRead(text, out var presented) || await openId.Grants.FindFamilyAsync(presented.FamilyId, cancel) is not { } family)
            return null;
        var now = openId.Now.ToUnixTimeMilliseconds();
        if (!presented.Secret.Has(family.CurrentHash) || family.EndedAt != 0 || now >= Math.Min(family.IdleExpiresAt, family.AbsoluteExpiresAt)
            || !string.Equals(family.ClientId, caller.ClientId, StringComparison.Ordinal))
            return null;
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteBoolean("active", true);
            json.WriteString("iss", openId.Server.Issuer);
            json.WriteString("sub", caller.Sector is { } sector ? openId.Pairwise.NameOf(sector, family.Subject) : family.Subject);
            json.WriteString("client_id", family.ClientId);
            json.WriteString("scope", family.Scope.Text);
            json.WriteNumber("exp", Math.Min(family.IdleExpiresAt, family.AbsoluteExpiresAt) / 1000);
            json.WriteString("token_type", "refresh_token");
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }
}
