using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Keyreeve.Web.Http;

/// <summary>Row versions as entity tags (RFC 9110 8.8.3): <c>"7"</c>.</summary>
public static class EntityTag
{
    /// <summary>
    /// The version in If-Match, where it is one tag; null when the header is not there. A text that is no version of ours matches nothing: -1. For several
    /// tags, or *, it takes the version of the moment: see the other one.
    /// </summary>
    public static long? IfMatch(HttpRequest request)
    {
        var header = request.Headers.IfMatch;
        if (header.Count == 0)
            return null;
        return header is [{ Length: > 2 } tag] && tag[0] == '"' && tag[^1] == '"'
            && long.TryParse(tag.AsSpan(1, tag.Length - 2), NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : -1;
    }

    /// <summary>
    /// The version that a change must find: null when there is no If-Match; the version of the moment when it is among the tags, of one header or of several,
    /// or for *; else -1. What cannot be read matches nothing.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="current">The version of the moment, or null when there is nothing.</param>
    [Spec("RFC 9110", "13.1.1")]
    public static long? IfMatch(HttpRequest request, long? current) =>
        request.Headers.IfMatch.Count == 0 ? null
        : current is { } version && Names(request.Headers.IfMatch, version, strongly: true) ? version : -1;

    /// <summary>True when If-Match is there and takes the version of the moment to be judged.</summary>
    public static bool IsOfSeveral(HttpRequest request) => request.Headers.IfMatch.Count > 0 && IfMatch(request) == -1;

    /// <summary>True when the caller has this version already (If-None-Match of a GET): then 304 says all. Weak tags count.</summary>
    [Spec("RFC 9110", "13.1.2")]
    public static bool IsKnown(HttpRequest request, long current) => Names(request.Headers.IfNoneMatch, current, strongly: false);

    /// <summary>The tag of a version.</summary>
    public static void Write(HttpResponse response, long version) => response.Headers.ETag = Of(version);

    private static string Of(long version) => string.Create(CultureInfo.InvariantCulture, $"\"{version}\"");

    private static bool Names(StringValues header, long version, bool strongly)
    {
        if (header.Count == 0 || !EntityTagHeaderValue.TryParseStrictList(header, out var tags))
            return false;
        var ours = new EntityTagHeaderValue(Of(version));
        return tags.Any(tag => tag.Equals(EntityTagHeaderValue.Any) || tag.Compare(ours, strongly));
    }
}
