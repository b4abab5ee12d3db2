namespace Keyreeve.Core.Refusals;

/// <summary>
/// Every way in which Keyreeve says no. The list is closed: each surface (OAuth error, ProblemDetails, KM ErrorCode) maps it by a
/// switch without default, so a new code does not compile until every surface answers it.
/// </summary>
public enum RefusalCode
{
    // the request itself
    /// <summary>Not readable as what it should be.</summary>
    Malformed,
    /// <summary>A required parameter is missing or empty.</summary>
    MissingParameter,
    /// <summary>A parameter was sent more than once.</summary>
    RepeatedParameter,
    /// <summary>A parameter has a value that is not allowed.</summary>
    InvalidParameter,
    /// <summary>Longer than the limit.</summary>
    TooLarge,
    /// <summary>Not the media type the endpoint reads.</summary>
    UnsupportedMediaType,
    /// <summary>The caller accepts no media type that the answer can have.</summary>
    NotAcceptable,
    /// <summary>No such thing, or not for this caller.</summary>
    NotFound,
    /// <summary>It exists already, or was changed since the caller read it.</summary>
    Conflict,

    // the client
    /// <summary>Client authentication failed: unknown client, wrong secret, wrong method, bad assertion.</summary>
    ClientAuthenticationFailed,
    /// <summary>The client is not known (authorization endpoint: nothing may be redirected).</summary>
    UnknownClient,
    /// <summary>The redirect URI is not one of the client's.</summary>
    RedirectUriNotRegistered,
    /// <summary>The grant type exists, this client may not use it.</summary>
    GrantNotAllowed,
    /// <summary>The grant type does not exist here.</summary>
    UnsupportedGrantType,
    /// <summary>The response type does not exist here.</summary>
    UnsupportedResponseType,
    /// <summary>A request object was sent by value.</summary>
    RequestObjectNotSupported,
    /// <summary>A request object was sent by reference.</summary>
    RequestUriNotSupported,
    /// <summary>A self-issued registration was sent.</summary>
    RegistrationNotSupported,
    /// <summary>A scope is unknown, or not the client's to ask for, or wider than what was granted.</summary>
    ScopeNotAllowed,
    /// <summary>A resource is unknown, or not within reach of what is granted.</summary>
    InvalidTarget,

    // codes and refresh tokens
    /// <summary>The code is not one of ours, or long gone.</summary>
    CodeUnknown,
    /// <summary>The code's 60 seconds are over.</summary>
    CodeExpired,
    /// <summary>The code was redeemed before.</summary>
    CodeReplayed,
    /// <summary>The code was issued to another client.</summary>
    CodeOfAnotherClient,
    /// <summary>redirect_uri is not the one of the authorization request.</summary>
    RedirectUriMismatch,
    /// <summary>code_verifier is missing, wrong, or was sent for a code without challenge.</summary>
    VerifierMismatch,
    /// <summary>The refresh token is not one of ours, or its family has ended.</summary>
    RefreshUnknown,
    /// <summary>The refresh token's idle or absolute time is over.</summary>
    RefreshExpired,
    /// <summary>A refresh token that was replaced came back too late or too often: the family is ended.</summary>
    RefreshReplayed,
    /// <summary>The refresh token was issued to another client.</summary>
    RefreshOfAnotherClient,
    /// <summary>The user was disabled or removed.</summary>
    UserUnavailable,

    // tokens of others, and tokens made of tokens
    /// <summary>The assertion is not one of a registered issuer for this client, or does not hold.</summary>
    AssertionNotAccepted,
    /// <summary>The assertion was used before.</summary>
    AssertionReplayed,
    /// <summary>The subject token does not hold, is not this client's to exchange, or names another actor.</summary>
    SubjectTokenNotAccepted,
    /// <summary>The actor token does not hold, or is not this client's.</summary>
    ActorTokenNotAccepted,

    // what a user must do or has refused
    /// <summary>prompt=none and nobody is logged in.</summary>
    LoginRequired,
    /// <summary>prompt=none and consent is missing.</summary>
    ConsentRequired,
    /// <summary>prompt=none and the user would have to show a second factor.</summary>
    InteractionRequired,
    /// <summary>The user or the policy said no.</summary>
    AccessDenied,
    /// <summary>The authentication that is demanded is not supported here, or not within this user's reach.</summary>
    UnmetAuthentication,

    // access tokens
    /// <summary>No bearer token was presented.</summary>
    TokenMissing,
    /// <summary>Not a token of ours: form, signature, issuer, type.</summary>
    TokenInvalid,
    /// <summary>Past its exp.</summary>
    TokenExpired,
    /// <summary>Revoked by jti, subject, client or grant.</summary>
    TokenRevoked,
    /// <summary>Meant for another audience.</summary>
    TokenForAnotherAudience,
    /// <summary>The token lacks the scope.</summary>
    InsufficientScope,
    /// <summary>The client's tokens are bound to its certificate, and it showed none (RFC 8705).</summary>
    CertificateMissing,
    /// <summary>The token or grant is bound to a certificate, and the caller showed none or another one (RFC 8705).</summary>
    BoundToAnotherKey,
    /// <summary>The login behind the token is too weak or too old for the resource.</summary>
    InsufficientAuthentication,

    // key management
    /// <summary>The signature of a request is missing where it is demanded, or does not hold.</summary>
    SignatureNotAccepted,
    /// <summary>SKmsUri is not ours.</summary>
    WrongSKmsUri,
    /// <summary>Date/Time is outside the window.</summary>
    OutsideTimeWindow,
    /// <summary>The same request was seen before.</summary>
    Replayed,
    /// <summary>The identity or service asked for is not the caller's.</summary>
    NotOwner,
    /// <summary>No record for this key; said only to a caller who would be allowed.</summary>
    KeyInformationNotAvailable,
    /// <summary>The caller has made as many as it may have.</summary>
    QuotaReached,

    // operators
    /// <summary>No client certificate, or not one that is registered for this.</summary>
    CertificateNotAccepted,

    // the server
    /// <summary>The caller asks more than its rate allows, or fails too often.</summary>
    TooManyRequests,
    /// <summary>Too much at once; try again later.</summary>
    Busy,
    /// <summary>Something of ours is broken or away.</summary>
    Unavailable,
    /// <summary>The key store is sealed: an operator must open it.</summary>
    Sealed,
}
