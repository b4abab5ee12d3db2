using System.Collections.Frozen;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Policy;

/// <summary>Who a scope is for.</summary>
public enum ScopeKind
{
    /// <summary>OpenID Connect's own: openid, profile, email, offline_access.</summary>
    OpenId,

    /// <summary>One VAL service; users need the service mapped to them.</summary>
    ValService,

    /// <summary>A SEAL service of this server or another SEAL server.</summary>
    Seal,

    /// <summary>Operators; never granted to a user at the authorization endpoint.</summary>
    Operator,
}

/// <summary>One scope: which audience it opens and how the consent page names it.</summary>
/// <param name="Name">The scope value.</param>
/// <param name="Kind">Who it is for.</param>
/// <param name="Audience">The <c>aud</c> of tokens that carry it.</param>
/// <param name="Title">For the consent page.</param>
/// <param name="Description">For the consent page: what the client will be able to do.</param>
/// <param name="ServiceId">The VAL service, for that kind.</param>
public sealed record ScopeDefinition(string Name, ScopeKind Kind, string Audience, string Title, string Description, string? ServiceId = null)
{
    /// <summary>The authentication classes that are good enough for it, the preferred one first.</summary>
    public IReadOnlyList<string> AcrValues { get; init; } = [AuthenticationClass.Password];

    /// <summary>Where the owner of the VAL service is told of failed key requests, or null.</summary>
    public string? KeyFailuresUri { get; init; }
}

/// <summary>
/// All scopes at one moment, immutable. The specification leaves SEAL's names to us (annex A.4.2.2, NOTE); a setting renames each.
/// </summary>
[Spec("TS 33.434", "5.2.2")]
public sealed class ScopeCatalogue
{
    /// <summary>Asks for an ID token.</summary>
    public const string OpenId = "openid";

    /// <summary>What the scope of a VAL service begins with.</summary>
    public const string ValPrefix = "val:";

    /// <summary>The scopes that a setting may rename.</summary>
    public static readonly IReadOnlyList<string> Renamable =
    [
        "seal:key_management", "seal:key_provisioning", "seal:configuration_management", "seal:group_management", "seal:location_management",
        "seal:identity_provisioning", "seal:user_profile", "keyreeve.admin", "keyreeve.audit.read",
    ];

    /// <summary>The scopes of SEAL servers elsewhere, whose audience is what those servers are called: a setting says it.</summary>
    public static readonly IReadOnlyList<string> Elsewhere = ["seal:configuration_management", "seal:group_management", "seal:location_management"];

    /// <summary>True for names that a renamed scope may not take.</summary>
    public static bool IsTaken(string name) =>
        Renamable.Contains(name, StringComparer.Ordinal) || name is OpenId or "profile" or "email" or "offline_access" || name.StartsWith(ValPrefix, StringComparison.Ordinal);

    private readonly FrozenDictionary<string, ScopeDefinition> _byName;

    /// <summary>The built-in scopes under their (possibly renamed) names, and one <c>val:S</c> per VAL service.</summary>
    public ScopeCatalogue(string issuer, IEnumerable<ValService> services, IReadOnlyDictionary<string, string>? renamed = null, IReadOnlyDictionary<string, string>? audiences = null)
    {
        string Audience(string builtIn, string path) => audiences is not null && audiences.TryGetValue(builtIn, out var other) ? other : issuer + path;
        string Name(string builtIn) => renamed is not null && renamed.TryGetValue(builtIn, out var other) ? other : builtIn;
        KeyManagement = Name("seal:key_management");
        KeyProvisioning = Name("seal:key_provisioning");
        IdentityProvisioning = Name("seal:identity_provisioning");
        IdentityProvisioningAudience = issuer + "/ss-ipp";
        UserProfile = Name("seal:user_profile");
        UserProfileAudience = issuer + "/ss-upr";
        Administration = Name("keyreeve.admin");
        AuditReading = Name("keyreeve.audit.read");
        UserInfoAudience = issuer + "/userinfo";
        AdministrationAudience = issuer + "/admin";
        KeyManagementAudience = issuer + "/seal/km";
        var all = new List<ScopeDefinition>
        {
            new(OpenId, ScopeKind.OpenId, UserInfoAudience, "Your identity", "Know who you are in this domain."),
            new("profile", ScopeKind.OpenId, UserInfoAudience, "Your profile", "See your name."),
            new("email", ScopeKind.OpenId, UserInfoAudience, "Your e-mail address", "See your e-mail address."),
            new("offline_access", ScopeKind.OpenId, UserInfoAudience, "Stay connected", "Keep access while you are not there."),
            new(KeyManagement, ScopeKind.Seal, KeyManagementAudience, "Key material", "Fetch the key material of your VAL services."),
            new(KeyProvisioning, ScopeKind.Seal, KeyManagementAudience, "Provision keys", "Provide key material for VAL services."),
            new(Name("seal:configuration_management"), ScopeKind.Seal, Audience("seal:configuration_management", "/seal/cm"), "Configuration", "Read the configuration of your VAL services."),
            new(Name("seal:group_management"), ScopeKind.Seal, Audience("seal:group_management", "/seal/gm"), "Groups", "See and manage your groups."),
            new(Name("seal:location_management"), ScopeKind.Seal, Audience("seal:location_management", "/seal/lm"), "Location", "Use location services for you."),
            new(IdentityProvisioning, ScopeKind.Seal, IdentityProvisioningAudience, "Identity provisioning", "Provide VAL service identities."),
            new(UserProfile, ScopeKind.Seal, UserProfileAudience, "VAL profile", "Read your VAL service profile."),
            new(Administration, ScopeKind.Operator, AdministrationAudience, "Administration", "Administer this server."),
            new(AuditReading, ScopeKind.Operator, AdministrationAudience, "Audit", "Read the audit."),
        };
        all.AddRange(services.Select(s => new ScopeDefinition(ValPrefix + s.ServiceId, ScopeKind.ValService, s.Audience, s.Name, $"Use the service {s.Name} in your name.", s.ServiceId) { AcrValues = s.AcrValues, KeyFailuresUri = s.KeyFailuresUri }));
        // A renamed scope may not hide another one.
        _byName = all.GroupBy(s => s.Name, StringComparer.Ordinal).ToFrozenDictionary(g => g.Key, g => g.First(), StringComparer.Ordinal);
        Supported = [.. all.Where(s => s.Kind is ScopeKind.OpenId or ScopeKind.Seal).Select(s => s.Name)];
    }

    /// <summary>Scope of SEAL key management (TS 33.434 5.3.1: "an access token scoped for key management services").</summary>
    public string KeyManagement { get; }

    /// <summary>Scope of SEAL key provisioning.</summary>
    public string KeyProvisioning { get; }

    /// <summary>Scope of SS_IdmParameterProvisioning (TS 29.549).</summary>
    public string IdentityProvisioning { get; }

    /// <summary>Its audience.</summary>
    public string IdentityProvisioningAudience { get; }

    /// <summary>Scope of SS_UserProfileRetrieval (TS 29.549).</summary>
    public string UserProfile { get; }

    /// <summary>Its audience.</summary>
    public string UserProfileAudience { get; }

    /// <summary>Scope of the admin API.</summary>
    public string Administration { get; }

    /// <summary>Scope of the audit in the admin API.</summary>
    public string AuditReading { get; }

    /// <summary>Audience of the admin API.</summary>
    public string AdministrationAudience { get; }

    /// <summary>Audience of the userinfo endpoint.</summary>
    public string UserInfoAudience { get; }

    /// <summary>Audience of the SKM-S.</summary>
    public string KeyManagementAudience { get; }

    /// <summary>For the metadata: scopes that do not tell which VAL services exist.</summary>
    public IReadOnlyList<string> Supported { get; }

    /// <summary>True for the audiences of this server's own endpoints, whose tokens nobody else reads.</summary>
    public bool IsOwn(string audience) => audience == UserInfoAudience || audience == KeyManagementAudience;

    /// <summary>The scope of a name, or null.</summary>
    public ScopeDefinition? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>
    /// The audiences that a set of scopes opens, in the order of the scopes. Never empty: a scope that went away meanwhile opens
    /// nothing, and a token of nothing but such scopes is for us alone.
    /// </summary>
    public IReadOnlyList<string> AudienceOf(ScopeList scopes)
    {
        var audience = new List<string>(scopes.Count);
        foreach (var scope in scopes)
            if (_byName.TryGetValue(scope, out var definition) && !audience.Contains(definition.Audience))
                audience.Add(definition.Audience);
        return audience.Count > 0 ? audience : [UserInfoAudience];
    }

    /// <summary>
    /// What a user can really grant: a VAL service scope needs the service mapped to the user, operator scopes are nobody's here.
    /// The rest is dropped and the answer states the scope granted (RFC 6749 3.3).
    /// </summary>
    [Spec("TS 33.434", "5.2.6")]
    public ScopeList GrantableTo(User user, ScopeList asked) => asked.Where(name => Find(name) is { } scope && scope.Kind switch
    {
        ScopeKind.OpenId or ScopeKind.Seal => true,
        ScopeKind.ValService => user.AllServiceIds.Contains(scope.ServiceId, StringComparer.Ordinal),
        ScopeKind.Operator => false,
    });

    /// <summary>VAL claims for tokens of a user: SEAL clients always learn them, others when they asked for a SEAL or VAL scope.</summary>
    [Spec("TS 33.434", "A.2.1.3")]
    public ValClaims? ValClaimsOf(Client client, User user, ScopeList scopes) =>
        client.Profile == ClientProfile.Seal || scopes.Any(s => Find(s)?.Kind is ScopeKind.ValService or ScopeKind.Seal)
            ? client.Sector is not null
                // Where the user has a name of the sector's own, those that are the same everywhere would undo it.
                ? new ValClaims { ValServiceIds = user.AllServiceIds }
                : new ValClaims { ValUserId = user.ValUserId, ValServiceIds = user.AllServiceIds, ValUeId = user.ValUeId }
            : null;
}
