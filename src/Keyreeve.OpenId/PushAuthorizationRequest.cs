using System.Buffers;
using System.Text;
using System.Text.Json;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>
/// A client pushes its authorization request: 1 authenticate it as at the token endpoint, 2 check the request as at the authorization
/// endpoint, 3 seal it, 4 answer with the reference.
/// </summary>
[Spec("RFC 9126", "2")]
public static class PushAuthorizationRequest
{
    /// <summary>Where requests are pushed.</summary>
    public const string Path = "/par";

    private static readonly string[] Credentials = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

    internal static async Task HandleAsync(HttpContext context)
    {
        var openId = context.RequestServices.GetRequiredService<OpenIdContext>();
        if (await ClientRequest.ReadAsync(context, openId, "par") is not { } request)
            return;
        var (form, client) = request;
        if (!Decide(form, client, openId).Succeeded(out var parameters, out var refusal))
        {
            openId.Refused(context, "par", client, refusal);
            await OpenIdRefusals.WriteAsync(context, refusal);
            return;
        }
        var reference = context.RequestServices.GetRequiredService<PushedRequests>().Seal(client.Client.ClientId, parameters);
        var response = context.Response;
        OpenIdRefusals.NoStore(response);
        response.StatusCode = StatusCodes.Status201Created;
        response.ContentType = "application/json";
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("request_uri"u8, reference);
            json.WriteNumber("expires_in"u8, (long)PushedRequests.Life.TotalSeconds);
            json.WriteEndObject();
        }
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory);
    }

    /// <summary>The parameters to keep, as a query has them; every check of the authorization endpoint that needs no user holds for them.</summary>
    [Spec("RFC 9126", "2.1")]
    private static Outcome<string> Decide(ParameterList form, AuthenticatedClient client, OpenIdContext openId)
    {
        // "The request_uri authorization request parameter is one exception, and it MUST NOT be provided."
        if (form.Has("request_uri"))
            return Refusal.About(RefusalCode.InvalidParameter, "request_uri", "a pushed request holds no request_uri");
        var text = Authorize.Encode([new("client_id", client.Client.ClientId), .. form.Pairs.Where(p => !Credentials.Contains(p.Key, StringComparer.Ordinal))]);
        if (text.Length > PushedRequests.MaxParameters)
            return Refusal.Of(RefusalCode.TooLarge, $"the request is longer than {PushedRequests.MaxParameters} characters");
        // Read as it will be read when the browser brings it.
        if (!ParameterList.TryRead(Encoding.UTF8.GetBytes(text), out var asked, out _))
            return Refusal.Of(RefusalCode.TooLarge, "too many or too long parameters");
        if (!AuthorizationTarget.Decide(asked, client.Client).Succeeded(out var target, out var refusal)
            || !AuthorizationRequest.Decide(asked, target, openId.State.Scopes, pushed: true).Succeeded(out _, out refusal)
            || !Authorize.ExpectedSubject(openId, asked, target).Succeeded(out _, out refusal))
            return refusal;
        return text;
    }
}
