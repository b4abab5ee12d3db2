using System.Collections.Immutable;
using Keyreeve.Core.Policy;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Identity;

/// <summary>
/// Somebody else whose word about its users counts here: a partner VAL system (TS 33.434 5.4), or an identity provider. What its
/// tokens lead to is written here and nowhere in them.
/// </summary>
[Spec("TS 33.434", "5.4")]
public sealed record TrustedIssuer
{
    /// <summary>Users that may be linked one by one. Our choice: an issuer with more is federated, or brings its own directory.</summary>
    public const int MaxLinks = 1000;

    /// <summary>Seconds of a token made of one of an issuer that is asked. Our choice: what a partner has revoked works for two minutes more at most.</summary>
    public const int AskedTokenSeconds = 120;

    /// <summary>What its tokens carry in <c>iss</c>; compared as a string. Never our own issuer, and without the bar that <see cref="FederatedSubject"/> writes behind it.</summary>
    public required string Issuer { get; init; }

    /// <summary>For operators.</summary>
    public required string Name { get; init; }

    /// <summary>Its public keys.</summary>
    public JsonWebKeySet? Keys { get; init; }

    /// <summary>Where its public keys are fetched from, instead of <see cref="Keys"/>.</summary>
    public string? KeysUri { get; init; }

    /// <summary>The algorithms it signs with; asymmetric ones, never empty.</summary>
    public ImmutableArray<JwsAlgorithm> Algorithms { get; init; } = [JwsAlgorithm.ES256];

    /// <summary>The scopes its users may have here: VAL services (<c>val:S</c>) and SEAL services, and by them the audiences.</summary>
    public ScopeList Scopes { get; init; } = ScopeList.Empty;

    /// <summary>The clients that may present its tokens. Empty: none.</summary>
    public ImmutableArray<string> Clients { get; init; } = [];

    /// <summary>Its subjects that are users of ours: from its <c>sub</c> to the subject here.</summary>
    public ImmutableDictionary<string, string> Links { get; init; } = NoLinks;

    /// <summary>Users that are not linked are known here by issuer and subject. Otherwise they are refused.</summary>
    public bool Federated { get; init; }

    /// <summary>The authentication class that its logins count as here, whatever its tokens say.</summary>
    public string Acr { get; init; } = AuthenticationClass.Password;

    /// <summary>Where it is asked whether a token of its still holds, before anything is made of that token; or null.</summary>
    public OriginCheck? Origin { get; init; }

    /// <summary>Seconds that a token made of one of its tokens lives at most; null for the default.</summary>
    public int? TokenSeconds { get; init; }

    /// <summary>Switched off by an operator.</summary>
    public bool Disabled { get; init; }

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }

    /// <summary>Nobody is linked.</summary>
    public static ImmutableDictionary<string, string> NoLinks { get; } = ImmutableDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// When a token made now ends at the latest, Unix seconds. An issuer that is asked takes its users back by saying no at the next
    /// exchange: so that what stands already ends soon after, the default is <see cref="AskedTokenSeconds"/> there.
    /// </summary>
    public long LatestEnd(DateTimeOffset now) =>
        (TokenSeconds ?? (Origin is null ? null : AskedTokenSeconds)) is { } most ? now.ToUnixTimeSeconds() + most : long.MaxValue;

    /// <summary>The VAL services its users get: those of its scopes, exactly.</summary>
    public IReadOnlyList<string> ValServiceIds =>
        [.. Scopes.Where(s => s.StartsWith(ScopeCatalogue.ValPrefix, StringComparison.Ordinal)).Select(s => s[ScopeCatalogue.ValPrefix.Length..])];

    /// <summary>Who a user is here that has no account here.</summary>
    public string FederatedSubject(string subject) => Issuer + "|" + subject;

    /// <summary>The issuer in a federated subject, or null for every other subject.</summary>
    public static string? IssuerOf(string subject) => subject.IndexOf('|', StringComparison.Ordinal) is > 0 and var bar ? subject[..bar] : null;
}

/// <summary>Where and as whom an issuer is asked about its tokens (RFC 7662).</summary>
/// <param name="Address">Its introspection endpoint, https.</param>
/// <param name="ClientId">Our name there.</param>
/// <param name="SealedSecret">Our secret there, sealed for <see cref="PurposeOf"/>.</param>
public sealed record OriginCheck(string Address, string ClientId, byte[] SealedSecret)
{
    /// <summary>What the secret is sealed for.</summary>
    public static string PurposeOf(string issuer) => "secret at issuer " + issuer;

    /// <summary>Prints no secret, sealed or not.</summary>
    public override string ToString() => $"{ClientId} at {Address}";
}

/// <summary>
/// Finds the public keys of an issuer: those registered with it, or those it publishes. Null when none are at hand; whoever asked then
/// refuses.
/// </summary>
public interface IIssuerKeys
{
    /// <summary>The keys. <paramref name="kid"/> is the one looked for: who fetches may look again, at a bounded rate, when it does not have it.</summary>
    ValueTask<JsonWebKeySet?> FindAsync(TrustedIssuer issuer, string? kid, CancellationToken cancel);
}
