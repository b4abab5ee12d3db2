using System.Text;

namespace Keyreeve.Web.Http;

/// <summary>
/// Identifiers out of a request's path. They are read from the path as it was sent, because the framework decodes everything but
/// %2F: "a/b" and "a%2Fb" would become one client or VAL service, and the wrong one would be removed.
/// </summary>
public static class PathIds
{
    /// <summary>Those of a request.</summary>
    public static IReadOnlyList<string>? Read(Microsoft.AspNetCore.Http.HttpContext context, string pattern)
    {
        var target = context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget;
        return Read(target.StartsWith('/') ? target : context.Request.Path.Value!, pattern);
    }

    /// <summary>The identifiers of the pattern's <c>{name}</c> segments; null when the raw path is not of the pattern.</summary>
    /// <param name="rawTarget">As on the request line, with its query.</param>
    /// <param name="pattern">As <c>/admin/v1/clients/{id}/secrets/{secret}</c>.</param>
    public static IReadOnlyList<string>? Read(string rawTarget, string pattern)
    {
        var query = rawTarget.IndexOf('?', StringComparison.Ordinal);
        var segments = (query < 0 ? rawTarget : rawTarget[..query]).Split('/');
        var expected = pattern.Split('/');
        if (segments.Length != expected.Length)
            return null;
        var ids = new List<string>(2);
        for (var i = 0; i < segments.Length; i++)
        {
            if (!expected[i].StartsWith('{'))
            {
                // Written another way (dots, percent signs) it is not a path that our own tools send.
                if (!string.Equals(expected[i], segments[i], StringComparison.OrdinalIgnoreCase))
                    return null;
            }
            else if (Decode(segments[i]) is { Length: > 0 } id)
            {
                ids.Add(id);
            }
            else
            {
                return null;
            }
        }
        return ids;
    }

    /// <summary>Strict: every percent sign begins two hexadecimal digits, and the octets are UTF-8.</summary>
    private static string? Decode(string segment)
    {
        var octets = new byte[segment.Length];
        var length = 0;
        for (var i = 0; i < segment.Length; i++)
        {
            if (segment[i] > '\x7E')
                return null;
            if (segment[i] != '%')
            {
                octets[length++] = (byte)segment[i];
                continue;
            }
            if (i + 2 >= segment.Length || !char.IsAsciiHexDigit(segment[i + 1]) || !char.IsAsciiHexDigit(segment[i + 2]))
                return null;
            octets[length++] = Convert.FromHexString(segment.AsSpan(i + 1, 2))[0];
            i += 2;
        }
        return System.Text.Unicode.Utf8.IsValid(octets.AsSpan(0, length)) ? Encoding.UTF8.GetString(octets, 0, length) : null;
    }
}
