using System.Globalization;
using System.Security.Claims;
using Keyreeve.Client;

namespace Keyreeve.AspNetCore;

/// <summary>
/// The identity that a checked access token gives: the token itself, and its claims under their own names (<c>sub</c>, <c>client_id</c>,
/// <c>acr</c>, <c>val_user_id</c>, ...; one claim for each value of <c>scope</c>, <c>amr</c> and <c>val_service_ids</c>).
/// Demands look at the token and never at claims: another scheme, or a transformation, can add claims.
/// </summary>
public sealed class AccessTokenIdentity : ClaimsIdentity
{
    private static readonly string[] Texts = ["iss", "jti", "grant_id", "acr", "val_user_id", "val_ue_id"];

    internal AccessTokenIdentity(CheckedAccessToken token)
        : base(ClaimsOf(token), KeyreeveTokens.Scheme, nameType: "sub", roleType: "") => Token = token;

    private AccessTokenIdentity(AccessTokenIdentity other)
        : base(other) => Token = other.Token;

    /// <summary>The token, checked.</summary>
    public CheckedAccessToken Token { get; }

    /// <inheritdoc />
    public override ClaimsIdentity Clone() => new AccessTokenIdentity(this);

    private static IEnumerable<Claim> ClaimsOf(CheckedAccessToken token)
    {
        var issuer = token.Claims.Issuer!;
        Claim Text(string type, string value) => new(type, value, ClaimValueTypes.String, issuer);
        Claim Number(string type, long value) => new(type, value.ToString(CultureInfo.InvariantCulture), ClaimValueTypes.Integer64, issuer);
        yield return Text("sub", token.Subject);
        yield return Text("client_id", token.ClientId);
        foreach (var scope in token.Scope)
            yield return Text("scope", scope);
        foreach (var name in Texts)
            if (token.Claims.GetString(name) is { } value)
                yield return Text(name, value);
        foreach (var name in (string[])["amr", "val_service_ids"])
            foreach (var value in token.Claims.GetStrings(name))
                yield return Text(name, value);
        yield return Number("exp", token.Claims.ExpiresAt!.Value);
        if (token.AuthenticatedAt is { } at)
            yield return Number("auth_time", at);
    }
}
