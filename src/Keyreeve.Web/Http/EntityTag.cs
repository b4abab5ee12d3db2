using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Http;

/// <summary>Row versions as entity tags (RFC 9110 8.8.3): <c>"7"</c>.</summary>
public static class EntityTag
{
    /// <summary>The version in If-Match; null when the header is not there. A text that is no version of ours matches nothing: -1.</summary>
    public static long? IfMatch(HttpRequest request)
    {
        var header = request.Headers.IfMatch;
        if (header.Count == 0)
            return null;
        return header is [{ Length: > 2 } tag] && tag[0] == '"' && tag[^1] == '"'
            && long.TryParse(tag.AsSpan(1, tag.Length - 2), NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : -1;
    }

    /// <summary>The tag of a version.</summary>
    public static void Write(HttpResponse response, long version) => response.Headers.ETag = string.Create(CultureInfo.InvariantCulture, $"\"{version}\"");
}
