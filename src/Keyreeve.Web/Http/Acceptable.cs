using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Keyreeve.Web.Http;

/// <summary>Whether a caller accepts an answer in JSON (RFC 9110 12.5.1), for interfaces that promise 406.</summary>
[Spec("RFC 9110", "12.5.1")]
public static class Acceptable
{
    /// <summary>Null when application/json may be sent, else why not. What cannot be read is nothing that is accepted.</summary>
    public static Refusal? WhyNotJson(HttpRequest request)
    {
        var header = request.Headers.Accept;
        if (header.Count == 0)
            return null;
        var (quality, precision) = (0d, -1);
        if (MediaTypeHeaderValue.TryParseList(header, out var ranges))
            foreach (var range in ranges)
            {
                var here = range.MatchesAllTypes ? 0 : range.MatchesAllSubTypes && Same(range.Type, "application") ? 1 : Same(range.MediaType, "application/json") ? 2 : -1;
                if (here > precision)
                    (quality, precision) = (range.Quality ?? 1, here);
            }
        return quality > 0 ? null : Refusal.Of(RefusalCode.NotAcceptable, "the answer is application/json, which is not accepted");
    }

    private static bool Same(Microsoft.Extensions.Primitives.StringSegment a, string b) => a.Equals(b, StringComparison.OrdinalIgnoreCase);
}
