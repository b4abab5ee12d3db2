using Microsoft.AspNetCore.Http;

namespace Keyreeve.AspNetCore;

/// <summary>Where a token came from, or how it must not come.</summary>
internal abstract record BearerHeader
{
    private BearerHeader()
    {
    }

    /// <summary>None was sent in the Authorization header. One in the body is not looked at.</summary>
    internal sealed record None : BearerHeader;

    /// <summary>More than one way at once, or no token where the scheme promises one: invalid_request.</summary>
    internal sealed record Malformed(string Why) : BearerHeader;

    /// <summary>As sent.</summary>
    internal sealed record Token(string Text) : BearerHeader;

    /// <summary>"The access token shall be sent in the Authorization header" (TS 33.434 A.6), and nowhere else.</summary>
    [Spec("TS 33.434", "A.6")]
    [Spec("RFC 6750", "2.1")]
    internal static BearerHeader Read(HttpRequest request)
    {
        // A token in the query stands in logs and histories by now: refused even when it would be good.
        if (request.Query.ContainsKey("access_token"))
            return new Malformed("the access token belongs into the Authorization header");
        var header = request.Headers.Authorization;
        if (header.Count == 0)
            return new None();
        // Two readers that take different ones of two headers is how a check is passed by.
        if (header.Count > 1)
            return new Malformed("one Authorization header is enough");
        var value = header[0] ?? "";
        var space = value.IndexOf(' ', StringComparison.Ordinal);
        if (!(space < 0 ? value : value.AsSpan(0, space)).Equals("Bearer", StringComparison.OrdinalIgnoreCase))
            return new None(); // another scheme's business
        var token = space < 0 ? "" : value[space..].Trim(' ');
        return IsToken(token) ? new Token(token) : new Malformed("the Authorization header has no access token");
    }

    /// <summary>b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="</summary>
    private static bool IsToken(string text)
    {
        var body = text.AsSpan().TrimEnd('=');
        foreach (var c in body)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '.' or '_' or '~' or '+' or '/'))
                return false;
        return body.Length > 0;
    }
}
