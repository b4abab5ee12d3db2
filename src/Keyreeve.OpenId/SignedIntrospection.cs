using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Keyreeve.OpenId;

/// <summary>The answer of the introspection endpoint as a signed JWT, for a resource server that must prove later what it was told.</summary>
[Spec("RFC 9701", "5")]
internal static class SignedIntrospection
{
    /// <summary>The media type that asks for it.</summary>
    public const string MediaType = "application/token-introspection+jwt";

    /// <summary>
    /// "A resource server requests a JWT introspection response by sending an introspection request with an Accept HTTP header field set
    /// to application/token-introspection+jwt." It must be named: a wildcard means the plain answer, and so does everything that is preferred to it.
    /// </summary>
    [Spec("RFC 9701", "4")]
    public static bool IsAskedFor(HttpRequest request)
    {
        double? signed = null;
        var plain = (Quality: 0.0, Precision: -1);
        foreach (var range in request.GetTypedHeaders().Accept)
        {
            var quality = range.Quality ?? 1;
            if (range.MediaType.Equals(MediaType, StringComparison.OrdinalIgnoreCase))
                signed = Math.Max(signed ?? 0, quality);
            else if (PrecisionOf(range) is var precision && precision > plain.Precision)
                plain = (quality, precision);
        }
        return signed > 0 && signed >= plain.Quality;
    }

    /// <summary>The JWT around an answer; <paramref name="answer"/> is a JSON object.</summary>
    public static Outcome<string> Write(OpenIdContext openId, Client caller, ReadOnlySpan<byte> answer)
    {
        var now = openId.Now;
        return openId.State.Keys.Current(caller.IdTokenAlgorithm, now) is { } key
            ? openId.Minter.MintIntrospection(caller.ClientId, answer, now, key)
            : new Refusal(RefusalCode.Unavailable, "the server cannot sign at this moment", $"there is no active {caller.IdTokenAlgorithm} signing key");
    }

    /// <summary>How exactly a range names application/json; -1 when it does not.</summary>
    private static int PrecisionOf(MediaTypeHeaderValue range) =>
        range.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) ? 2
        : range.MediaType.Equals("application/*", StringComparison.OrdinalIgnoreCase) ? 1
        : range.MatchesAllTypes ? 0
        : -1;
}
