using System.Buffers;
using System.Text.Json;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.OpenId;

/// <summary>The total map from a refusal to OAuth's error codes, and the answer of the endpoints that speak JSON.</summary>
[Spec("RFC 6749", "5.2")]
[Spec("RFC 7523", "3.1")]
[Spec("RFC 8693", "2.2.2")]
public static class OpenIdRefusals
{
    /// <summary>The <c>error</c> value.</summary>
    public static string ErrorOf(RefusalCode code) => code switch
    {
        RefusalCode.Malformed or RefusalCode.MissingParameter or RefusalCode.RepeatedParameter or RefusalCode.InvalidParameter
            or RefusalCode.TooLarge or RefusalCode.UnsupportedMediaType or RefusalCode.NotAcceptable or RefusalCode.NotFound or RefusalCode.Conflict
            or RefusalCode.RedirectUriNotRegistered or RefusalCode.SignatureNotAccepted or RefusalCode.WrongSKmsUri or RefusalCode.OutsideTimeWindow
            or RefusalCode.Replayed or RefusalCode.NotOwner or RefusalCode.KeyInformationNotAvailable or RefusalCode.QuotaReached or RefusalCode.CertificateMissing
            // "the value of the "error" parameter MUST be the "invalid_request" error code" (RFC 8693 2.2.2)
            or RefusalCode.SubjectTokenNotAccepted or RefusalCode.ActorTokenNotAccepted => "invalid_request",
        RefusalCode.ClientAuthenticationFailed or RefusalCode.UnknownClient or RefusalCode.CertificateNotAccepted => "invalid_client",
        RefusalCode.GrantNotAllowed => "unauthorized_client",
        RefusalCode.UnsupportedGrantType => "unsupported_grant_type",
        RefusalCode.UnsupportedResponseType => "unsupported_response_type",
        RefusalCode.RequestObjectNotSupported => "request_not_supported",
        RefusalCode.RequestUriNotSupported => "request_uri_not_supported",
        RefusalCode.RegistrationNotSupported => "registration_not_supported",
        RefusalCode.ScopeNotAllowed => "invalid_scope",
        RefusalCode.InvalidTarget => "invalid_target",
        RefusalCode.CodeUnknown or RefusalCode.CodeExpired or RefusalCode.CodeReplayed or RefusalCode.CodeOfAnotherClient
            or RefusalCode.RedirectUriMismatch or RefusalCode.VerifierMismatch or RefusalCode.RefreshUnknown or RefusalCode.RefreshExpired
            or RefusalCode.RefreshReplayed or RefusalCode.RefreshOfAnotherClient or RefusalCode.BoundToAnotherKey or RefusalCode.UserUnavailable
            or RefusalCode.AssertionNotAccepted or RefusalCode.AssertionReplayed => "invalid_grant",
        RefusalCode.LoginRequired => "login_required",
        RefusalCode.ConsentRequired => "consent_required",
        RefusalCode.InteractionRequired => "interaction_required",
        RefusalCode.AccessDenied => "access_denied",
        RefusalCode.UnmetAuthentication => "unmet_authentication_requirements",
        RefusalCode.TokenMissing or RefusalCode.TokenInvalid or RefusalCode.TokenExpired or RefusalCode.TokenRevoked
            or RefusalCode.TokenForAnotherAudience => "invalid_token",
        RefusalCode.InsufficientScope => "insufficient_scope",
        RefusalCode.InsufficientAuthentication => "insufficient_user_authentication",
        RefusalCode.Busy or RefusalCode.TooManyRequests => "temporarily_unavailable",
        RefusalCode.Unavailable or RefusalCode.Sealed => "server_error",
    };

    /// <summary>The status at the endpoints that clients post to.</summary>
    [Spec("RFC 9126", "2.3")]
    public static int StatusOf(RefusalCode code) => code switch
    {
        RefusalCode.ClientAuthenticationFailed or RefusalCode.UnknownClient or RefusalCode.CertificateNotAccepted => StatusCodes.Status401Unauthorized,
        RefusalCode.TooLarge => StatusCodes.Status413PayloadTooLarge,
        RefusalCode.UnsupportedMediaType => StatusCodes.Status415UnsupportedMediaType,
        RefusalCode.TooManyRequests => StatusCodes.Status429TooManyRequests,
        RefusalCode.Busy or RefusalCode.Unavailable or RefusalCode.Sealed => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status400BadRequest,
    };

    /// <summary>Answers a refused request of the token endpoint family.</summary>
    public static async Task WriteAsync(HttpContext context, Refusal refusal)
    {
        var response = context.Response;
        response.StatusCode = StatusOf(refusal.Code);
        response.ContentType = "application/json";
        NoStore(response);
        response.Headers["X-Request-Id"] = context.TraceIdentifier;
        // RFC 6749 5.2 demands it of who used the Authorization header, RFC 9110 15.5.2 of every 401. Of the ways to prove who one is, Basic is the one that
        // is a scheme of HTTP.
        if (response.StatusCode == StatusCodes.Status401Unauthorized)
            response.Headers.WWWAuthenticate = "Basic realm=\"keyreeve\", charset=\"UTF-8\"";
        RetryLater.Apply(response, refusal.RetryAfter);
        var buffer = new ArrayBufferWriter<byte>(128);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("error"u8, ErrorOf(refusal.Code));
            json.WriteString("error_description"u8, refusal.Peer);
            json.WriteEndObject();
        }
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory);
    }

    /// <summary>Credentials are never cached (RFC 6749 5.1).</summary>
    public static void NoStore(HttpResponse response)
    {
        response.Headers.CacheControl = "no-store";
        response.Headers.Pragma = "no-cache";
        response.Headers.XContentTypeOptions = "nosniff";
    }
}
