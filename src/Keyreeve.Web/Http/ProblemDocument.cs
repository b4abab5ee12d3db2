using System.Buffers;
using System.Text.Json;
using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Http;

/// <summary>ProblemDetails as TS 29.122 clause 5.2.6 writes it, the error body of every API here but OAuth's own endpoints.</summary>
[Spec("TS 29.122", "5.2.6")]
public static class ProblemDocument
{
    /// <summary>The HTTP status of a refusal on a resource API.</summary>
    public static int StatusOf(RefusalCode code) => code switch
    {
        RefusalCode.Malformed or RefusalCode.MissingParameter or RefusalCode.RepeatedParameter or RefusalCode.InvalidParameter
            or RefusalCode.ScopeNotAllowed or RefusalCode.InvalidTarget or RefusalCode.RedirectUriNotRegistered or RefusalCode.UnsupportedGrantType
            or RefusalCode.UnsupportedResponseType or RefusalCode.RequestObjectNotSupported or RefusalCode.RequestUriNotSupported
            or RefusalCode.RegistrationNotSupported or RefusalCode.CodeUnknown or RefusalCode.CodeExpired or RefusalCode.CodeReplayed
            or RefusalCode.CodeOfAnotherClient or RefusalCode.RedirectUriMismatch or RefusalCode.VerifierMismatch
            or RefusalCode.RefreshUnknown or RefusalCode.RefreshExpired or RefusalCode.RefreshReplayed or RefusalCode.RefreshOfAnotherClient
            or RefusalCode.UserUnavailable or RefusalCode.UnmetAuthentication or RefusalCode.AssertionNotAccepted or RefusalCode.AssertionReplayed
            or RefusalCode.SubjectTokenNotAccepted or RefusalCode.ActorTokenNotAccepted => StatusCodes.Status400BadRequest,
        RefusalCode.TooLarge => StatusCodes.Status413PayloadTooLarge,
        RefusalCode.UnsupportedMediaType => StatusCodes.Status415UnsupportedMediaType,
        RefusalCode.NotAcceptable => StatusCodes.Status406NotAcceptable,
        RefusalCode.NotFound or RefusalCode.KeyInformationNotAvailable => StatusCodes.Status404NotFound,
        RefusalCode.Conflict => StatusCodes.Status409Conflict,
        RefusalCode.ClientAuthenticationFailed or RefusalCode.UnknownClient or RefusalCode.TokenMissing or RefusalCode.TokenInvalid
            or RefusalCode.TokenExpired or RefusalCode.TokenRevoked or RefusalCode.TokenForAnotherAudience or RefusalCode.LoginRequired
            or RefusalCode.CertificateNotAccepted or RefusalCode.CertificateMissing or RefusalCode.BoundToAnotherKey or RefusalCode.InsufficientAuthentication => StatusCodes.Status401Unauthorized,
        RefusalCode.GrantNotAllowed or RefusalCode.AccessDenied or RefusalCode.ConsentRequired or RefusalCode.InteractionRequired or RefusalCode.InsufficientScope
            or RefusalCode.SignatureNotAccepted or RefusalCode.WrongSKmsUri or RefusalCode.OutsideTimeWindow or RefusalCode.Replayed or RefusalCode.NotOwner or RefusalCode.QuotaReached => StatusCodes.Status403Forbidden,
        RefusalCode.TooManyRequests => StatusCodes.Status429TooManyRequests,
        RefusalCode.Busy or RefusalCode.Unavailable or RefusalCode.Sealed => StatusCodes.Status503ServiceUnavailable,
    };

    /// <summary>Answers with the refusal's problem document.</summary>
    public static Task WriteAsync(HttpContext context, Refusal refusal) => WriteAsync(context, StatusOf(refusal.Code), refusal.Code.ToString(), refusal.Peer, refusal.Param, refusal.RetryAfter);

    /// <summary>Answers with a problem document; an extension is one member more (RFC 9457 3.2).</summary>
    public static async Task WriteAsync(HttpContext context, int status, string cause, string detail, string? param = null, TimeSpan? retryAfter = null,
        (string Name, string Value)? extension = null)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("title"u8, TitleOf(status));
            json.WriteNumber("status"u8, status);
            json.WriteString("detail"u8, detail);
            json.WriteString("cause"u8, cause);
            json.WriteString("instance"u8, "urn:keyreeve:request:" + context.TraceIdentifier);
            if (param is not null)
            {
                json.WriteStartArray("invalidParams"u8);
                json.WriteStartObject();
                json.WriteString("param"u8, param);
                json.WriteString("reason"u8, detail);
                json.WriteEndObject();
                json.WriteEndArray();
            }
            if (extension is var (name, value))
                json.WriteString(name, value);
            json.WriteEndObject();
        }
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = "application/problem+json";
        response.Headers.CacheControl = "no-store";
        BearerToken.NameScheme(response);
        RetryLater.Apply(response, retryAfter);
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory);
    }

    private static string TitleOf(int status) => status switch
    {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Error",
    };
}
