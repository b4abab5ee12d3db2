using System.Text.Json;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// An access token that passed every check. Only <see cref="TokenVerifier"/> can make one: a method that takes it cannot be
/// called with a token nobody looked at.
/// </summary>
public sealed class VerifiedToken
{
    internal VerifiedToken(JwtClaims claims, string subject, string clientId, ScopeList scope, IReadOnlyList<TokenAncestor> derivedFrom)
    {
        DerivedFrom = derivedFrom;
        Claims = claims;
        Subject = subject;
        ClientId = clientId;
        Scope = scope;
        GrantId = claims.GetString("grant_id");
        ValUserId = claims.GetString("val_user_id");
        ValUeId = claims.GetString("val_ue_id");
        ValServiceIds = claims.GetStrings("val_service_ids");
        MayProvisionKeys = claims.TryGetRaw("SKeyProv", out var provisioning) && provisioning.ValueKind == JsonValueKind.True;
        IsBound = claims.TryGetRaw("cnf", out var confirmation);
        // What is bound in a way that is not understood here is bound all the same, and then to nothing that anybody can show.
        BoundTo = IsBound && confirmation.ValueKind == JsonValueKind.Object && confirmation.EnumerateObject().Count() == 1
            && confirmation.TryGetProperty("x5t#S256"u8, out var thumbprint) && thumbprint.ValueKind == JsonValueKind.String ? thumbprint.GetString() : null;
    }

    /// <summary>All claims as signed.</summary>
    public JwtClaims Claims { get; }

    /// <summary>Whose it is: <c>sub</c>, or the user whose name that is in <see cref="Sector"/>.</summary>
    public string Subject { get; }

    /// <summary><c>sector</c>: where <c>sub</c> is the user's name (<see cref="PairwiseSubjects"/>), or null.</summary>
    public string? Sector => Claims.GetString("sector");

    /// <summary><c>client_id</c></summary>
    public string ClientId { get; }

    /// <summary><c>scope</c></summary>
    public ScopeList Scope { get; }

    /// <summary><c>grant_id</c>, or null.</summary>
    public string? GrantId { get; }

    /// <summary><c>val_user_id</c>, or null.</summary>
    public string? ValUserId { get; }

    /// <summary><c>val_ue_id</c>, or null.</summary>
    public string? ValUeId { get; }

    /// <summary><c>val_service_ids</c>, or none.</summary>
    public IReadOnlyList<string> ValServiceIds { get; }

    /// <summary><c>SKeyProv</c> is true (TS 33.434 V18 A.2.2.3): the client may provision keys.</summary>
    public bool MayProvisionKeys { get; }

    /// <summary>True when <c>cnf</c> is there: whoever uses the token shows a key with it.</summary>
    public bool IsBound { get; }

    /// <summary><c>x5t#S256</c> of <c>cnf</c>, or null.</summary>
    public string? BoundTo { get; }

    /// <summary><c>derived_from</c>: the tokens this one was made of, or none.</summary>
    public IReadOnlyList<TokenAncestor> DerivedFrom { get; }

    /// <summary>How the user authenticated, or null when the token does not say.</summary>
    public Authentication? Authentication => Claims.GetInteger("auth_time") is { } at && Claims.GetString("acr") is { } acr
        ? new(at * 1000, acr, string.Join(' ', Claims.GetStrings("amr")))
        : null;

    /// <summary><c>exp</c>, Unix seconds.</summary>
    public long ExpiresAt => Claims.ExpiresAt!.Value;

    /// <summary><c>iat</c>, Unix seconds.</summary>
    public long IssuedAt => Claims.IssuedAt!.Value;

    /// <summary>True when no user takes part: the client speaks for itself.</summary>
    public bool IsClients => string.Equals(Subject, ClientId, StringComparison.Ordinal);
}
