using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>The answer of RFC 7662 section 2.2, reduced to what decides.</summary>
/// <param name="Active">The token stands.</param>
/// <param name="ClientId"><c>client_id</c>, or null.</param>
/// <param name="Subject"><c>sub</c>, or null.</param>
/// <param name="Scope"><c>scope</c>, or null.</param>
public sealed record Introspection(bool Active, string? ClientId, string? Subject, string? Scope)
{
    internal static ClientResult<Introspection> Read(AnswerBody answer)
    {
        if (!answer.TryReadObject(out var document))
            return new BadAnswer("an introspection response", answer.Described);
        using (document)
        {
            var root = document.RootElement;
            // "active REQUIRED. Boolean": a text "true" is none.
            return root.TryGetProperty("active", out var active) && active.ValueKind is JsonValueKind.True or JsonValueKind.False
                ? new Introspection(active.ValueKind == JsonValueKind.True, AnswerBody.Text(root, "client_id"), AnswerBody.Text(root, "sub"), AnswerBody.Text(root, "scope"))
                : new BadAnswer("an introspection response with active", "none");
        }
    }
}

/// <summary>An access token that a resource server has checked by itself.</summary>
public sealed class CheckedAccessToken
{
    internal CheckedAccessToken(JwtClaims claims, ScopeList scope, string clientId) => (Claims, Scope, ClientId) = (claims, scope, clientId);

    /// <summary>All claims as signed.</summary>
    public JwtClaims Claims { get; }

    /// <summary><c>scope</c></summary>
    public ScopeList Scope { get; }

    /// <summary><c>client_id</c></summary>
    public string ClientId { get; }

    /// <summary>The certificate it is bound to, which the caller has shown: SHA-256 in base64url; null for a bearer token.</summary>
    public string? BoundTo { get; internal init; }
}

/// <summary>
/// A VAL resource server's own check of an access token (TS 33.434 A.7.2, RFC 9068 section 4): key set, typ, issuer, audience,
/// time and scope. It cannot see a revocation; for that the SIM-S is asked (<see cref="SimClient.IntrospectAsync"/>).
/// </summary>
[Spec("RFC 9068", "4")]
[Spec("TS 33.434", "5.2.5")]
public static class AccessTokenCheck
{
    /// <summary>Checks a token by the keys of the SIM-S that <paramref name="sim"/> knows.</summary>
    /// <param name="sim">The SIM-S.</param>
    /// <param name="token">As presented.</param>
    /// <param name="audience">This server's own; null accepts any, which only a server that asks the SIM-S as well may do.</param>
    /// <param name="scope">The scope value the request needs.</param>
    /// <param name="leeway">0 to 30 s.</param>
    /// <param name="clock">The time.</param>
    /// <param name="cancel">Ends the key fetch.</param>
    /// <param name="shown">The client certificate of the connection the token came by, or null; a bound token (RFC 8705) is refused without its own.</param>
    public static async Task<ClientResult<CheckedAccessToken>> CheckAsync(
        SimClient sim, TokenText token, string? audience, string scope, TimeSpan leeway, TimeProvider clock, CancellationToken cancel,
        X509Certificate2? shown = null)
    {
        if (!JwsCompact.TryRead(token.Reveal(), out var jws, out var error))
            return Refused($"no JWS: {error}");
        if (!jws.Header.HasTyp("at+jwt"))
            return Refused("typ is not at+jwt");
        if (!(await sim.Keys.GetAsync(cancel)).Succeeded(out var keys, out var failure))
            return failure;
        var problem = IdTokenCheck.SignatureProblem(jws, keys);
        if (problem is { KeyUnknown: true } && await sim.Keys.RefetchAsync(cancel) is { } again)
        {
            if (!again.Succeeded(out keys, out failure))
                return failure;
            problem = IdTokenCheck.SignatureProblem(jws, keys);
        }
        if (problem is not null)
            return Refused(problem.Refusal!);
        if (!JwtClaims.TryRead(jws.Payload, out var claims, out error))
            return Refused($"claims do not read: {error}");
        return Decide(claims, sim.Metadata.Issuer, audience, scope, (long)leeway.TotalSeconds, clock.GetUtcNow().ToUnixTimeSeconds(), shown);
    }

    private static ClientResult<CheckedAccessToken> Decide(JwtClaims claims, string issuer, string? audience, string scope, long leeway, long now, X509Certificate2? shown)
    {
        if (!string.Equals(claims.Issuer, issuer, StringComparison.Ordinal))
            return Refused("iss is not the SIM-S");
        if (claims.Audience.Count == 0 || audience is not null && !claims.Audience.Contains(audience, StringComparer.Ordinal))
            return Refused("aud is another resource");
        if (claims.ExpiresAt is not { } expires || now >= expires + leeway)
            return Refused("exp has passed");
        if (claims.IssuedAt is not { } issued || issued > now + leeway || claims.NotBefore > now + leeway)
            return Refused("iat is missing, or a time is in the future");
        if (claims.GetString("client_id") is not { Length: > 0 } clientId || string.IsNullOrEmpty(claims.Subject))
            return Refused("client_id or sub is missing");
        if (!ScopeList.TryRead(claims.GetString("scope"), out var scopes) || !scopes.Contains(scope))
            return Refused($"scope {scope} is missing");
        // "cnf" says that a key has to be shown; one of a kind not known here can be shown by nobody.
        if (!claims.TryGetRaw("cnf", out var confirmation))
            return new CheckedAccessToken(claims, scopes, clientId);
        return shown is not null && confirmation.ValueKind == JsonValueKind.Object && confirmation.EnumerateObject().Count() == 1
            && confirmation.TryGetProperty("x5t#S256"u8, out var thumbprint) && thumbprint.ValueKind == JsonValueKind.String
            && thumbprint.GetString() is { } boundTo && string.Equals(boundTo, Base64Url.EncodeToString(SHA256.HashData(shown.RawDataMemory.Span)), StringComparison.Ordinal)
            ? new CheckedAccessToken(claims, scopes, clientId) { BoundTo = boundTo }
            : Refused("it is bound to a certificate that was not shown");
    }

    private static BadAnswer Refused(string why) => new("a valid access token", why);
}
