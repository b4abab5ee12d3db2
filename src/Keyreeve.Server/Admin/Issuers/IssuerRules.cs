using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Server.Admin.Issuers;

/// <summary>What may be trusted: a wrong registration is refused here rather than found out when somebody comes in by it.</summary>
internal static class IssuerRules
{
    /// <summary>The first thing that is wrong, or null: the whole registration, with what it needs from the store.</summary>
    public static async Task<Refusal?> CheckAsync(AdminRequest request, TrustedIssuer issuer, TrustedIssuer? before)
    {
        await request.RefreshAsync();
        if (WhyNot(issuer, request.Admin.Parts.Issuer, request.Admin.Parts.State.Scopes) is { } wrong)
            return wrong;
        var directory = request.Admin.Parts.Stores.Directory;
        foreach (var clientId in issuer.Clients)
            if (await directory.FindClientAsync(clientId, request.Cancel) is not { IsPublic: false })
                return Wrong("clients", $"there is no client {JsonBody.Shown(clientId)}, or it is public and proves nothing");
        foreach (var (subject, local) in issuer.Links)
            if (before?.Links.GetValueOrDefault(subject) != local && await directory.FindUserAsync(local, request.Cancel) is null)
                return Wrong("links", $"there is no user {JsonBody.Shown(local)}");
        return null;
    }

    /// <summary>The rules that need nothing but values.</summary>
    public static Refusal? WhyNot(TrustedIssuer issuer, string ourIssuer, ScopeCatalogue scopes)
    {
        var id = issuer.Issuer;
        if (!id.All(c => c is > ' ' and <= '~' and not ('|' or '"' or '\\')) || !Uri.TryCreate(id, UriKind.Absolute, out var uri) || uri.Fragment.Length > 0)
            return Wrong("issuer", "issuer is an absolute URI without fragment, in printable ASCII without | \" and \\");
        // Our own tokens have their own ways in, with checks that a JWT of somebody else does not get.
        if (string.Equals(id, ourIssuer, StringComparison.Ordinal))
            return Wrong("issuer", "this server does not register itself");
        if (issuer.Keys is null == issuer.KeysUri is null)
            return Wrong("jwks", "either jwks or jwksUri is required");
        if (issuer.Keys is { } keys && !keys.Keys.Any(k => Signs(k, issuer)))
            return Wrong("jwks", $"jwks has no key for {string.Join(", ", issuer.Algorithms.Select(a => a.Name()))}");
        if (issuer.Scopes.FirstOrDefault(s => scopes.Find(s) is not { Kind: ScopeKind.ValService or ScopeKind.Seal }) is { } scope)
            return Wrong("scopes", $"{JsonBody.Shown(scope)} is no VAL service's or SEAL service's scope");
        if (!AuthenticationClass.IsKnown(issuer.Acr))
            return Wrong("acr", $"there is no authentication class {JsonBody.Shown(issuer.Acr)}; there are {string.Join(", ", AuthenticationClass.Ordered)}");
        return null;
    }

    private static bool Signs(JsonWebKey jwk, TrustedIssuer issuer)
    {
        if (!JwsKey.TryFromJwk(jwk, out var key, out _))
            return false;
        using (key)
            return key.Algorithms.Any(a => issuer.Algorithms.Contains(a));
    }

    private static Refusal Wrong(string param, string text) => Refusal.About(RefusalCode.InvalidParameter, param, text);
}

/// <summary>Finds one in the store.</summary>
internal static class IssuerNames
{
    public static async Task<TrustedIssuer?> FindAsync(AdminRequest request) =>
        (await request.Admin.Parts.Stores.Directory.ListIssuersAsync(request.Cancel)).FirstOrDefault(i => i.Issuer == request.Id);
}
