using System.Buffers;
using System.Text.Json;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.OpenId;

/// <summary>Mints the tokens of a granted request and writes the answer (TS 33.434 A.4.2.5).</summary>
[Spec("TS 33.434", "A.4.2.5")]
public sealed class TokenAnswer(OpenIdContext openId, EncryptedTokens encrypted)
{
    /// <summary>Everything a granted request leads to.</summary>
    public sealed record Granted
    {
        /// <summary>By which grant.</summary>
        public required GrantType GrantType { get; init; }

        /// <summary>Who asked.</summary>
        public required Client Client { get; init; }

        /// <summary>What the access token is bound to.</summary>
        public required TokenBinding.Binding Binding { get; init; }

        /// <summary>The user, or null: then the client speaks for itself.</summary>
        public User? User { get; init; }

        /// <summary>The scope of the request, which decides whether there is an ID token.</summary>
        public required ScopeList Scope { get; init; }

        /// <summary>What the access token carries of it, and for whom it is encrypted.</summary>
        public required TokenForm Form { get; init; }

        /// <summary>What the access token has from a token it was made of; null for every grant that begins here.</summary>
        public Inheritance? From { get; init; }

        /// <summary>The grant it stands on.</summary>
        public string? GrantId { get; init; }

        /// <summary>How the user authenticated.</summary>
        public Authentication? Authentication { get; init; }

        /// <summary>For the ID token.</summary>
        public string? Nonce { get; init; }

        /// <summary>The login session.</summary>
        public string? SessionId { get; init; }

        /// <summary>The refresh token, or null.</summary>
        public RefreshToken? Refresh { get; init; }
    }

    /// <summary>What a token has from the one it was made of, instead of from client and user.</summary>
    public sealed record Inheritance
    {
        /// <summary>Who it is about.</summary>
        public required string Subject { get; init; }

        /// <summary>The name of the grant it stands on, or null.</summary>
        public string? GrantName { get; init; }

        /// <summary>It lives no longer than this; Unix seconds.</summary>
        public long NotAfter { get; init; } = long.MaxValue;

        /// <summary>VAL claims.</summary>
        public ValClaims? Val { get; init; }

        /// <summary>Who acts.</summary>
        public ActorChain? Actor { get; init; }

        /// <summary>Who alone may act.</summary>
        public MayAct? MayAct { get; init; }

        /// <summary>The tokens it is made of.</summary>
        public IReadOnlyList<TokenAncestor> Ancestors { get; init; } = [];
    }

    /// <summary>Writes the answer, or a server error when nothing can sign.</summary>
    public async Task WriteAsync(HttpContext context, Granted granted)
    {
        using var span = Spans.Start(Spans.MintTokens);
        var now = openId.Now;
        var ring = openId.State.Keys;
        if (ring.Current(JwsAlgorithm.ES256, now) is not { } key)
        {
            await OpenIdRefusals.WriteAsync(context, new Refusal(RefusalCode.Unavailable, "the server cannot sign at this moment", "there is no active ES256 signing key"));
            return;
        }
        var seconds = granted.Client.AccessTokenSeconds ?? (long)openId.Policy.AccessToken.TotalSeconds;
        if (granted.From is { } from)
            seconds = Math.Min(seconds, from.NotAfter - now.ToUnixTimeSeconds());
        var jwtId = TokenMinter.NewJwtId();
        var accessToken = MintAccessToken(granted, key, now, seconds, jwtId);
        if (granted.Form.Reader is { } reader)
            accessToken = await encrypted.EncryptAsync(accessToken, jwtId, reader);
        string? idToken = null;
        // With scope openid an ID token is always given: table A.4.2.5-1 says OPTIONAL, 5.2.3 and OpenID Connect say it comes.
        if (granted is { User: { } user, Authentication: { } authentication } && granted.Scope.Contains(Core.Policy.ScopeCatalogue.OpenId))
        {
            if (ring.Current(granted.Client.IdTokenAlgorithm, now) is not { } idKey)
            {
                await OpenIdRefusals.WriteAsync(context, new Refusal(RefusalCode.Unavailable, "the server cannot sign at this moment", $"there is no active {granted.Client.IdTokenAlgorithm} signing key"));
                return;
            }
            idToken = MintIdToken(granted, user, authentication, accessToken, idKey, now);
        }
        OpenIdTelemetry.Issued(granted.GrantType);
        span?.Stop();
        await SendAsync(context.Response, granted, accessToken, seconds, idToken);
    }

    private string MintAccessToken(Granted granted, SigningKey key, DateTimeOffset now, long seconds, string jwtId)
    {
        var from = granted.From;
        var scopes = openId.State.Scopes;
        openId.Latest.See(now);
        var issuedAt = now.ToUnixTimeSeconds();
        return openId.Minter.Mint(
            new AccessTokenClaims
            {
                Subject = from?.Subject ?? (granted.User is { } owner ? NameOf(granted.Client, owner) : granted.Client.ClientId),
                Sector = granted.User is null ? null : granted.Client.Sector,
                ClientId = granted.Client.ClientId,
                Scope = granted.Form.Scope.Text,
                Audience = scopes.AudienceOf(granted.Form.Scope),
                IssuedAt = issuedAt,
                ExpiresAt = issuedAt + seconds,
                JwtId = jwtId,
                GrantId = from is not null ? from.GrantName : granted.GrantId is { } grant ? RefreshToken.GrantNameOf(grant) : null,
                Authentication = granted.Authentication,
                // That of the client that asks, whatever the token it was made of was bound to.
                BoundTo = granted.Binding.Certificate,
                Val = from is not null ? from.Val
                    : granted.User is { } user ? scopes.ValClaimsOf(granted.Client, user, granted.Form.Scope)
                    : granted.Client.OwnedServices.Length > 0 ? new ValClaims { ValServiceIds = granted.Client.OwnedServices }
                    : null,
                Actor = from?.Actor,
                MayAct = from?.MayAct,
                DerivedFrom = from?.Ancestors ?? [],
                KeyProvisioning = from is null && granted.User is null && granted.Form.Scope.Contains(scopes.KeyProvisioning),
            },
            key);
    }

    private string NameOf(Client client, User user) => client.Sector is { } sector ? openId.Pairwise.NameOf(sector, user.Subject) : user.Subject;

    private string MintIdToken(Granted granted, User user, Authentication authentication, string accessToken, SigningKey key, DateTimeOffset now) => openId.Minter.Mint(
        new IdTokenClaims
        {
            Subject = NameOf(granted.Client, user),
            Sector = granted.Client.Sector,
            ClientId = granted.Client.ClientId,
            IssuedAt = now.ToUnixTimeSeconds(),
            ExpiresAt = (now + openId.Policy.IdToken).ToUnixTimeSeconds(),
            Authentication = authentication,
            Nonce = granted.Nonce,
            // A session is the same for all clients of a browser: its name would tell two sectors of one user.
            SessionId = granted.Client.Sector is null ? granted.SessionId : null,
            Val = openId.State.Scopes.ValClaimsOf(granted.Client, user, granted.Scope),
        },
        accessToken,
        key);

    private static async Task SendAsync(HttpResponse response, Granted granted, string accessToken, long seconds, string? idToken)
    {
        OpenIdRefusals.NoStore(response);
        response.ContentType = "application/json";
        var buffer = new ArrayBufferWriter<byte>(2048);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true }))
        {
            json.WriteStartObject();
            json.WriteString("access_token"u8, accessToken);
            // "This field shall be "bearer"": lower case, as the table prints it; RFC 6749 compares it without case.
            json.WriteString("token_type"u8, "bearer"u8);
            json.WriteNumber("expires_in"u8, seconds);
            json.WriteString("scope"u8, granted.Form.Scope.Text);
            if (granted.GrantType == GrantType.TokenExchange)
                json.WriteString("issued_token_type"u8, ExchangeToken.AccessTokenType);
            if (idToken is not null)
                json.WriteString("id_token"u8, idToken);
            if (granted.Refresh is { } refresh)
                json.WriteString("refresh_token"u8, refresh.Reveal());
            json.WriteEndObject();
        }
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory);
    }
}
