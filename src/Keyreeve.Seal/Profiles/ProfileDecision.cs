using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>
/// Whose profiles a token opens: a VAL server's those of the VAL services it owns, a user's its own and its VAL UE's within its VAL
/// services. It is decided before anything is looked up, so that who may not ask does not learn what there is.
/// </summary>
[Spec("TS 33.434", "4.1")]
public static class ProfileDecision
{
    /// <summary>The VAL services whose profiles may be given out: the one that was asked for, or all that the token has.</summary>
    public static Outcome<List<string>> Decide(VerifiedToken token, string? serviceId, KmIdentity target)
    {
        if (!token.IsClients && !IsOwn(token, target))
            return Refuse($"{token.Subject} asked for the profile of another {target.Kind}");
        if (serviceId is null)
            return token.ValServiceIds.ToList();
        return token.ValServiceIds.Contains(serviceId, StringComparer.Ordinal) ? new List<string> { serviceId } : Refuse($"{token.Subject} may not read profiles of VAL service {serviceId}");
    }

    private static bool IsOwn(VerifiedToken token, KmIdentity target) =>
        string.Equals(target.Value, target.Kind == KmIdentityKind.User ? token.ValUserId : token.ValUeId, StringComparison.Ordinal);

    private static Refusal Refuse(string why) => new(RefusalCode.NotOwner, "this profile is not for you", why);
}
