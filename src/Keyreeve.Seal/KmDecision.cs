using System.Buffers;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>
/// The checks of a SEAL KM Request that need no store, in the one order that tells an outsider nothing: token and signature (before
/// this), SKmsUri, Date/Time, replay, ownership; only then the record is looked up. What fails after the token has one and the same text.
/// </summary>
[Spec("TS 33.434", "5.3.2")]
public static class KmDecision
{
    /// <summary>What the peer is told of every refusal after the token: which check it was helps only who guesses.</summary>
    internal const string PeerText = "the request could not be validated";

    /// <summary>unreserved, gen-delims, sub-delims and the percent sign (RFC 3986 2): nothing else stands in a URI.</summary>
    internal static readonly SearchValues<char> UriCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%");

    /// <summary>Null when the record may be looked up. <paramref name="firstUse"/> is asked only when everything before holds.</summary>
    public static async ValueTask<Refusal?> DecideAsync(KmRequest request, VerifiedToken token, SealSettings settings, Func<ValueTask<bool>> firstUse, DateTimeOffset now)
    {
        // "the SKmsUri is the SKM-S URI of the target SEAL KMS where the key information is stored"
        if (!settings.SKmsUris.Any(ours => SameUri(ours, request.SKmsUri)))
            return Refuse(RefusalCode.WrongSKmsUri, $"sKmsUri is not one of ours: {string.Join(", ", settings.SKmsUris)}");
        // "the Date/Time is within a recent time window (e.g. 5 seconds)"; the same for a clock that runs ahead
        var skew = now.ToUnixTimeSeconds() - request.DateTime;
        if (Math.Abs(skew) > (long)settings.Window.TotalSeconds)
            return Refuse(RefusalCode.OutsideTimeWindow, $"dateTime is {skew} s off: check the client's clock (NTP)");
        if (!await firstUse())
            return Refuse(RefusalCode.Replayed, "the same request was seen before, or more were accepted within the window than can be remembered");
        return Owns(token, request.ServiceId, request.Identity) ? null : NotOwner(token, request.ServiceId, request.Identity);
    }

    /// <summary>What is asked for is not the caller's.</summary>
    public static Refusal NotOwner(VerifiedToken token, string serviceId, KmIdentity identity) =>
        Refuse(RefusalCode.NotOwner, $"{token.Subject} may not ask for {identity.Kind} of service {serviceId}");

    /// <summary>
    /// A user's token opens the user's own records and those of its client and device, within its VAL services; a VAL server's token
    /// opens every record of the services it owns.
    /// </summary>
    public static bool Owns(VerifiedToken token, string serviceId, KmIdentity identity)
    {
        if (!token.ValServiceIds.Contains(serviceId, StringComparer.Ordinal))
            return false;
        if (token.IsClients)
            return true;
        return identity.Kind switch
        {
            KmIdentityKind.Service => true,
            KmIdentityKind.Client => string.Equals(identity.Value, token.ClientId, StringComparison.Ordinal),
            KmIdentityKind.Device => string.Equals(identity.Value, token.ValUeId, StringComparison.Ordinal),
            KmIdentityKind.User => string.Equals(identity.Value, token.ValUserId, StringComparison.Ordinal) || string.Equals(identity.Value, token.Subject, StringComparison.Ordinal),
        };
    }

    /// <summary>
    /// RFC 3986 syntax-based normalisation (6.2.2): scheme and host without case, default port and empty path alike, dot segments
    /// and needless percent-encoding undone; the path exactly.
    /// </summary>
    public static bool SameUri(string ours, string asked)
    {
        if (string.Equals(ours, asked, StringComparison.Ordinal))
            return true;
        // System.Uri also reads what is no URI: it trims spaces, takes a backslash for a slash and drops an empty user name.
        if (asked.AsSpan().ContainsAnyExcept(UriCharacters) || AuthorityOf(asked).Contains('@'))
            return false;
        if (!Uri.TryCreate(ours, UriKind.Absolute, out var a) || !Uri.TryCreate(asked, UriKind.Absolute, out var b) || b.UserInfo.Length > 0 || b.Fragment.Length > 0)
            return false;
        return a.Scheme == b.Scheme && a.IdnHost == b.IdnHost && a.Port == b.Port && string.Equals(a.PathAndQuery, b.PathAndQuery, StringComparison.Ordinal);
    }

    private static ReadOnlySpan<char> AuthorityOf(string uri)
    {
        var start = uri.IndexOf("//", StringComparison.Ordinal);
        var rest = start < 0 ? default : uri.AsSpan(start + 2);
        var end = rest.IndexOfAny("/?#");
        return end < 0 ? rest : rest[..end];
    }

    private static Refusal Refuse(RefusalCode code, string why) => new(code, PeerText, why);
}
