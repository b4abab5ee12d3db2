using System.Text.Json;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>The tokens of one answer of the token endpoint.</summary>
/// <param name="AccessToken">Opaque to us (TS 33.434 A.2.2.1).</param>
/// <param name="IdToken">Checked; after a refresh the new one, or the one before.</param>
/// <param name="RefreshToken">The newest, or null.</param>
/// <param name="ExpiresAt">When the access token is not to be used any more, counted from before the request was sent.</param>
/// <param name="Scope">As granted; as asked when the answer does not say.</param>
public sealed record TokenSet(TokenText AccessToken, IdToken IdToken, TokenText? RefreshToken, DateTimeOffset ExpiresAt, ScopeList Scope)
{
    /// <summary>"no client requests shall be made using the expired token" (TS 33.434 A.8).</summary>
    [Spec("TS 33.434", "A.8")]
    public bool IsUsable(DateTimeOffset now) => now < ExpiresAt;
}

/// <summary>An access token in the client's own name. When it ends, the client asks again: there is nothing to refresh.</summary>
/// <param name="AccessToken">Opaque to us.</param>
/// <param name="ExpiresAt">When it is not to be used any more, counted from before the request was sent.</param>
/// <param name="Scope">As granted; as asked when the answer does not say.</param>
public sealed record OwnToken(TokenText AccessToken, DateTimeOffset ExpiresAt, ScopeList Scope)
{
    /// <summary>"no client requests shall be made using the expired token" (TS 33.434 A.8).</summary>
    public bool IsUsable(DateTimeOffset now) => now < ExpiresAt;
}

/// <summary>An access token response, read and not yet believed.</summary>
internal sealed record TokenAnswer(TokenText AccessToken, string? IdToken, TokenText? RefreshToken, long ExpiresIn, ScopeList? Scope)
{
    // Our choice: a century; what lives longer is a mistake, and adding it to a date would overflow.
    private const long MaxExpiresIn = 100L * 366 * 86400;

    /// <summary>access_token, token_type and expires_in are REQUIRED.</summary>
    [Spec("TS 33.434", "A.4.2.5")]
    internal static ClientResult<TokenAnswer> Read(AnswerBody answer)
    {
        if (answer.Status != 200)
            return OAuthErrors.Read(answer);
        if (!answer.TryReadObject(out var document))
            return Bad("JSON", answer.Described);
        using (document)
        {
            var root = document.RootElement;
            if (AnswerBody.Text(root, "access_token") is not { Length: > 0 } access)
                return Bad("access_token", "none");
            if (!string.Equals(AnswerBody.Text(root, "token_type"), "bearer", StringComparison.OrdinalIgnoreCase))
                return Bad("token_type bearer", "another or none");
            if (!root.TryGetProperty("expires_in", out var life) || life.ValueKind != JsonValueKind.Number
                || !life.TryGetInt64(out var seconds) || seconds is < 1 or > MaxExpiresIn)
                return Bad("expires_in in seconds", "none or out of range");
            if (!ScopeList.TryRead(AnswerBody.Text(root, "scope"), out var scope))
                return Bad("scope values", "other characters");
            var refresh = AnswerBody.Text(root, "refresh_token");
            return new TokenAnswer(new(access), AnswerBody.Text(root, "id_token"), string.IsNullOrEmpty(refresh) ? null : new(refresh), seconds,
                scope.Count == 0 ? null : scope);
        }
    }

    private static BadAnswer Bad(string expected, string found) => new("an access token response with " + expected, found);
}

/// <summary>The error answers of RFC 6749 section 5.2.</summary>
[Spec("RFC 6749", "5.2")]
internal static class OAuthErrors
{
    internal static ClientFailure Read(AnswerBody answer)
    {
        if (answer.Status is < 400 or > 599 || !answer.TryReadObject(out var document))
            return new BadAnswer("an answer or an OAuth error", answer.Described);
        using (document)
        {
            var description = AnswerBody.Text(document.RootElement, "error_description");
            return AnswerBody.Text(document.RootElement, "error") is { Length: > 0 } error
                ? new OAuthError(Printable.Of(error, 64), description is null ? null : Printable.Of(description, 500), answer.Status)
                : new BadAnswer("an OAuth error", answer.Described);
        }
    }
}
