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
            or RefusalCode.TokenForAnotherAudience or RefusalCode.InsufficientScope or RefusalCode.ClientAuthenticationFailed
            or RefusalCode.UnknownClient or RefusalCode.CertificateNotAccepted or RefusalCode.CertificateMissing
            or RefusalCode.BoundToAnotherKey or RefusalCode.LoginRequired
            or RefusalCode.ConsentRequired or RefusalCode.InteractionRequired or RefusalCode.UserUnavailable => (KmErrorCode.Rejected, StatusCodes.Status401Unauthorized),
        RefusalCode.Malformed or RefusalCode.MissingParameter or RefusalCode.RepeatedParameter or RefusalCode.InvalidParameter
            or RefusalCode.TooLarge or RefusalCode.UnsupportedMediaType or RefusalCode.Conflict or RefusalCode.RedirectUriNotRegistered
            or RefusalCode.UnsupportedGrantType or RefusalCode.UnsupportedResponseType or RefusalCode.RequestObjectNotSupported
            or RefusalCode.RequestUriNotSupported or RefusalCode.RegistrationNotSupported or RefusalCode.ScopeNotAllowed
            or RefusalCode.CodeUnknown or RefusalCode.CodeExpired or RefusalCode.CodeReplayed or RefusalCode.CodeOfAnotherClient
            or RefusalCode.RedirectUriMismatch or RefusalCode.VerifierMismatch or RefusalCode.RefreshUnknown or RefusalCode.RefreshExpired
            or RefusalCode.RefreshReplayed or RefusalCode.RefreshOfAnotherClient or RefusalCode.UnmetAuthentication => (KmErrorCode.NotValidated, StatusCodes.Status400BadRequest),
        RefusalCode.WrongSKmsUri or RefusalCode.OutsideTimeWindow or RefusalCode.Replayed or RefusalCode.NotOwner
            or RefusalCode.GrantNotAllowed or RefusalCode.AccessDenied => (KmErrorCode.NotValidated, StatusCodes.Status403Forbidden),
        RefusalCode.TooManyRequests => (KmErrorCode.Unspecified, StatusCodes.Status429TooManyRequests),
        RefusalCode.Unavailable => (KmErrorCode.Unspecified, StatusCodes.Status500InternalServerError),
        RefusalCode.Busy => (KmErrorCode.Unspecified, StatusCodes.Status503ServiceUnavailable),
    };
}
