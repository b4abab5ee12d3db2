using System.Security.Claims;
using System.Text.Encodings.Web;
using Keyreeve.Client;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Keyreeve.AspNetCore;

/// <summary>The scheme: reads the header, asks the verifier, and words every refusal. It decides nothing by itself.</summary>
internal sealed partial class KeyreeveTokenHandler(
    IOptionsMonitor<KeyreeveTokenOptions> options, ILoggerFactory logger, UrlEncoder encoder, IssuerConnection issuer)
    : AuthenticationHandler<KeyreeveTokenOptions>(options, logger, encoder)
{
    private Challenge _challenge = Challenges.NoToken;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        switch (BearerHeader.Read(Request))
        {
            case BearerHeader.None:
                return AuthenticateResult.NoResult();
            case BearerHeader.Malformed malformed:
                _challenge = Challenges.Of(malformed);
                return AuthenticateResult.Fail(malformed.Why);
            case BearerHeader.Token token:
                return await CheckAsync(token.Text);
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        // Who calls for a challenge has not always authenticated before: the reason comes from there.
        await HandleAuthenticateOnceSafeAsync();
        Answer(_challenge);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        Answer(Challenges.Of(Context.Features.Get<UnmetDemand>()));
        return Task.CompletedTask;
    }

    private async Task<AuthenticateResult> CheckAsync(string token)
    {
        // The certificate that the handshake proved; nobody is asked for one now.
        var verdict = await issuer.Verifier.VerifyAsync(token, Context.Connection.ClientCertificate, Context.RequestAborted);
        switch (verdict)
        {
            case AccessTokenVerdict.Valid valid:
                return AuthenticateResult.Success(new(new ClaimsPrincipal(new AccessTokenIdentity(valid.Token)), Scheme.Name));
            case AccessTokenVerdict.Refused refused:
                _challenge = Challenges.Of(refused.Reason);
                if (refused.Reason == AccessTokenRefusal.IssuerUnavailable)
                    LogUnavailable(Logger, Options.Issuer, refused.Why);
                else
                    LogRefused(Logger, refused.Reason, refused.Why);
                return AuthenticateResult.Fail(refused.Reason.ToString());
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    private void Answer(Challenge challenge)
    {
        Response.StatusCode = challenge.Status;
        if (challenge.Status == 503)
            Response.Headers.RetryAfter = "5";
        if (challenge.WwwAuthenticate is { } header)
            Response.Headers.Append("WWW-Authenticate", header);
    }

    [LoggerMessage(1, LogLevel.Information, "An access token was refused ({Reason}): {Why}")]
    private static partial void LogRefused(ILogger logger, AccessTokenRefusal reason, string why);

    [LoggerMessage(2, LogLevel.Warning, "No access token can be checked: {Issuer} or its keys cannot be had ({Why}). Is it up, is RootsPem its root, does the name resolve?")]
    private static partial void LogUnavailable(ILogger logger, string issuer, string why);
}
