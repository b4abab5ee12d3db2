using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>
/// For which resource server an access token is encrypted, where the client's registration asks for that: "confidentiality of VAL user
/// identities". An encrypted token has one reader, so it has one audience. Tokens for this server's own endpoints are not encrypted: who
/// made them reads them.
/// </summary>
[Spec("TS 33.434", "4.1")]
public static class TokenEncryption
{
    /// <summary>The form of an access token.</summary>
    /// <param name="Scope">What it carries of the scope that was granted.</param>
    /// <param name="Audience">Whom it is encrypted for, or null.</param>
    public sealed record Form(ScopeList Scope, string? Audience);

    /// <summary>
    /// Plain for clients that do not ask for encryption. The scopes of OpenID Connect are for the ID token and the userinfo endpoint: beside an
    /// audience elsewhere they are left out of the access token. Any other mixture is refused, because nobody could read all of it.
    /// </summary>
    public static Outcome<Form> Decide(Client client, ScopeList scope, ScopeCatalogue catalogue)
    {
        if (!client.EncryptAccessTokens)
            return new Form(scope, null);
        var elsewhere = catalogue.AudienceOf(scope).Where(a => !catalogue.IsOwn(a)).ToList();
        if (elsewhere.Count == 0)
            return new Form(scope, null);
        var rest = scope.Where(s => catalogue.Find(s) is { } known && catalogue.IsOwn(known.Audience));
        return elsewhere is [var audience] && rest.All(s => catalogue.Find(s)!.Kind == ScopeKind.OpenId)
            ? new Form(scope.Where(s => !rest.Contains(s)), audience)
            : new Refusal(RefusalCode.ScopeNotAllowed, "access tokens of this client are encrypted: ask for the scopes of one audience at a time",
                $"client {client.ClientId} is registered with encryptAccessTokens and asked for [{scope}], which opens [{string.Join(' ', catalogue.AudienceOf(scope))}]: an encrypted token has one audience")
            { Param = "scope" };
    }

    /// <summary>The key of the one resource server that is registered as the audience. Two with keys would be a guess at who is meant.</summary>
    public static Outcome<JweRecipient> ReaderOf(string audience, IReadOnlyList<Client> resourceServers)
    {
        var readers = resourceServers.Where(c => !c.Disabled && string.Equals(c.Audience, audience, StringComparison.Ordinal))
            .Select(c => KeyOf(c)).OfType<JweRecipient>().ToList();
        return readers is [var reader]
            ? reader
            : new Refusal(RefusalCode.InvalidTarget, "no access token can be encrypted for this audience",
                readers.Count == 0
                    ? $"no client with audience {audience} has a key for it: register jwks with an EC key of use enc (alg ECDH-ES+A256KW) for the resource server"
                    : $"{readers.Count} clients with audience {audience} have keys for encryption: one of them can read a token, so leave the key with one");
    }

    /// <summary>The first key of a client that can be encrypted for, or null.</summary>
    public static JweRecipient? KeyOf(Client resourceServer)
    {
        foreach (var jwk in resourceServer.Keys?.Keys ?? [])
            if (ReaderOf(jwk) is { } recipient)
                return recipient;
        return null;
    }

    /// <summary>True for a key that something can be encrypted for.</summary>
    public static bool IsReader(JsonWebKey jwk) => ReaderOf(jwk) is not null;

    private static JweRecipient? ReaderOf(JsonWebKey jwk) =>
        JweRecipient.TryFromJwk(jwk, out var recipient, out _) && recipient.Takes(JweKeyManagement.EcdhEsA256Kw) ? recipient : null;
}
