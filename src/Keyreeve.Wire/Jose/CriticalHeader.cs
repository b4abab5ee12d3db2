using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>The rules of <c>crit</c>: a sender's list of extensions that must be understood, or the JWS refused.</summary>
[Spec("RFC 7515", "4.1.11")]
internal static class CriticalHeader
{
    /// <summary>Names that RFC 7515, 7516 and 7518 define themselves: to list one in <c>crit</c> is forbidden.</summary>
    private static readonly HashSet<string> Standard = new(StringComparer.Ordinal)
    {
        "alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit",
        "enc", "zip", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c",
    };

    /// <summary>None if every name is understood (which is <c>b64</c> alone), distinct and present in <paramref name="header"/>.</summary>
    internal static JoseError Check(JsonElement critical, JsonElement header)
    {
        if (critical.ValueKind != JsonValueKind.Array || critical.GetArrayLength() == 0)
        {
            return JoseError.BadCritical;
        }

        bool onlyUnderstood = true;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (JsonElement entry in critical.EnumerateArray())
        {
            if (!StrictJson.TryGetText(entry, out string? name) || Standard.Contains(name) || !seen.Add(name)
                || !header.TryGetProperty(name, out _))
            {
                return JoseError.BadCritical;
            }

            onlyUnderstood &= name == "b64";
        }

        return onlyUnderstood ? JoseError.None : JoseError.UnsupportedCritical;
    }
}
