using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>The total map from a refusal to 'ErrorCode' and HTTP status (TS 33.434 table 5.3.3-2, docs/spec/choices.md for 400 against 403).</summary>
[Spec("TS 33.434", "5.3.3")]
public static class KmErrors
{
    /// <summary>Error code and status.</summary>
    public static (KmErrorCode Code, int Status) Of(RefusalCode code) => code switch
    {
        RefusalCode.KeyInformationNotAvailable or RefusalCode.NotFound => (KmErrorCode.NotAvailable, StatusCodes.Status404NotFound),
        RefusalCode.TokenMissing or RefusalCode.TokenInvalid or RefusalCode.TokenExpired or RefusalCode.TokenRevoked
            or RefusalCode.TokenForAnotherAudience or RefusalCode.InsufficientScope or RefusalCode.InsufficientAuthentication or RefusalCode.ClientAuthenticationFailed
            or RefusalCode.UnknownClient or RefusalCode.CertificateNotAccepted or RefusalCode.CertificateMissing
            or RefusalCode.BoundToAnotherKey or RefusalCode.LoginRequired
            or RefusalCode.ConsentRequired or RefusalCode.InteractionRequired or RefusalCode.UserUnavailable => (KmErrorCode.Rejected, StatusCodes.Status401Unauthorized),
        RefusalCode.Malformed or RefusalCode.MissingParameter or RefusalCode.RepeatedParameter or RefusalCode.InvalidParameter
            or RefusalCode.TooLarge or RefusalCode.UnsupportedMediaType or RefusalCode.Conflict or RefusalCode.RedirectUriNotRegistered
            or RefusalCode.UnsupportedGrantType or RefusalCode.UnsupportedResponseType or RefusalCode.RequestObjectNotSupported
            or RefusalCode.RequestUriNotSupported or RefusalCode.RegistrationNotSupported or RefusalCode.ScopeNotAllowed or RefusalCode.InvalidTarget
            or RefusalCode.CodeUnknown or RefusalCode.CodeExpired or RefusalCode.CodeReplayed or RefusalCode.CodeOfAnotherClient
            or RefusalCode.RedirectUriMismatch or RefusalCode.VerifierMismatch or RefusalCode.RefreshUnknown or RefusalCode.RefreshExpired
            or RefusalCode.RefreshReplayed or RefusalCode.RefreshOfAnotherClient or RefusalCode.UnmetAuthentication
            or RefusalCode.AssertionNotAccepted or RefusalCode.AssertionReplayed or RefusalCode.SubjectTokenNotAccepted
            or RefusalCode.ActorTokenNotAccepted => (KmErrorCode.NotValidated, StatusCodes.Status400BadRequest),
        RefusalCode.SignatureNotAccepted or RefusalCode.WrongSKmsUri or RefusalCode.OutsideTimeWindow or RefusalCode.Replayed or RefusalCode.NotOwner
            or RefusalCode.GrantNotAllowed or RefusalCode.AccessDenied or RefusalCode.QuotaReached => (KmErrorCode.NotValidated, StatusCodes.Status403Forbidden),
        RefusalCode.NotAcceptable => (KmErrorCode.NotValidated, StatusCodes.Status406NotAcceptable),
        RefusalCode.TooManyRequests => (KmErrorCode.Unspecified, StatusCodes.Status429TooManyRequests),
        RefusalCode.Unavailable or RefusalCode.Sealed => (KmErrorCode.Unspecified, StatusCodes.Status500InternalServerError),
        RefusalCode.Busy => (KmErrorCode.Unspecified, StatusCodes.Status503ServiceUnavailable),
    };

    /// <summary>
    /// Error code, status and 'cause' at the door of SS_KeyInfoRetrieval: those of the message, but that a sealed store is named, under a status that
    /// says the request may be sent again (docs/spec/choices.md). It is the same for a record that is there and for one that is not.
    /// </summary>
    [Spec("TS 29.549", "SS_KeyInfoRetrieval")]
    public static (KmErrorCode Code, int Status, string Cause) OfApi(RefusalCode refusal)
    {
        var (code, status) = Of(refusal);
        return refusal == RefusalCode.Sealed ? (code, StatusCodes.Status503ServiceUnavailable, "KMS_SEALED") : (code, status, CauseOf(code, status));
    }

    /// <summary>The code as the message writes it.</summary>
    public static string TextOf(KmErrorCode code) => code switch
    {
        KmErrorCode.Unspecified => "01",
        KmErrorCode.NotAvailable => "02",
        KmErrorCode.Rejected => "03",
        KmErrorCode.NotValidated => "04",
    };

    /// <summary>The 'cause' of SS_KeyInfoRetrieval's ProblemDetails; the names are ours (docs/spec/choices.md).</summary>
    public static string CauseOf(KmErrorCode code, int status) => code switch
    {
        KmErrorCode.Unspecified => "UNSPECIFIED",
        KmErrorCode.NotAvailable => "KEY_INFO_NOT_AVAILABLE",
        KmErrorCode.Rejected => "REQUEST_REJECTED",
        KmErrorCode.NotValidated => status == StatusCodes.Status403Forbidden ? "REQUEST_NOT_VALIDATED" : "REQUEST_MALFORMED",
    };
}
