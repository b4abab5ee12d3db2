using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>A client asks in its own name (RFC 6749 4.4): a VAL server for SEAL-S and KM-S, an API invoker.</summary>
[Spec("RFC 6749", "4.4")]
public static class ClientCredentials
{
    /// <summary>The scope to be granted, of the resource servers named. No refresh token goes with it (TS 33.434 A.5).</summary>
    public static Outcome<ScopeList> Decide(ScopeList asked, AuthenticatedClient client, ScopeCatalogue catalogue, ResourceList? resources = null) =>
        DecideScope(asked, client, catalogue).Succeeded(out var scope, out var refusal)
            ? ResourceList.Narrow(scope, resources ?? ResourceList.None, ResourceList.None, catalogue)
            : refusal;

    private static Outcome<ScopeList> DecideScope(ScopeList asked, AuthenticatedClient client, ScopeCatalogue catalogue)
    {
        var registered = client.Client;
        if (asked.Count == 0)
        {
            var all = registered.Scopes.Where(s => catalogue.Find(s) is { Kind: ScopeKind.ValService or ScopeKind.Seal });
            return all.Count > 0 ? all : Refuse($"client {registered.ClientId} has no scope for this grant: register one", null);
        }
        foreach (var value in asked)
        {
            if (!registered.Scopes.Contains(value) || catalogue.Find(value) is not { } scope)
                return Refuse($"client {registered.ClientId} asked for scope {value}: unknown, or not in its registration", value);
            // There is no user whom openid or profile could speak of.
            if (scope.Kind == ScopeKind.OpenId)
                return Refuse($"scope {value} does not exist for this grant", value);
            // A token that administers the server is good for nobody but the holder of the certificate.
            if (scope.Kind == ScopeKind.Operator && !registered.BoundTokens)
                return Refuse($"client {registered.ClientId} asked for scope {value} and is not registered for bound tokens", value);
        }
        return asked;
    }

    private static Refusal Refuse(string why, string? scope) =>
        new(RefusalCode.ScopeNotAllowed, "a scope is unknown or not allowed for this client", why) { Param = scope is null ? null : "scope" };
}
