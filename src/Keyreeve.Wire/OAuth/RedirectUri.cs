namespace Keyreeve.Wire.OAuth;

/// <summary>
/// Redirect URIs are compared as strings, never as parsed URIs: a normalising parser (case, dots, percent-encoding) is how
/// redirectors are opened. The one exception is the port of a loopback IP literal (RFC 8252 section 7.3).
/// </summary>
[Spec("RFC 9700", "4.1.3")]
public static class RedirectUri
{
    private static readonly string[] LoopbackPrefixes = ["http://127.0.0.1", "http://[::1]"];

    /// <summary>True when the URI asked for is the registered one.</summary>
    public static bool Matches(string registered, string asked) =>
        string.Equals(registered, asked, StringComparison.Ordinal) || MatchesLoopback(registered, asked);

    /// <summary>
    /// What may be registered: https; http on a loopback literal or <c>localhost</c>; a private-use scheme in reverse-domain form
    /// (RFC 8252 7.1). Never a fragment, user information, wildcard or control character. Returns what is wrong, or null.
    /// </summary>
    [Spec("RFC 8252", "7.1")]
    public static string? WhyNotRegistrable(string uri)
    {
        if (uri.Length is 0 or > 2000)
            return "a redirect URI has 1 to 2000 characters";
        foreach (var c in uri)
            if (c is <= ' ' or >= '\x7F' or '"' or '<' or '>' or '\\' or '^' or '`' or '{' or '|' or '}')
                return "a redirect URI is ASCII without spaces, quotes and brackets";
        if (uri.Contains('#', StringComparison.Ordinal))
            return "a redirect URI has no fragment (RFC 6749 3.1.2)";
        if (uri.Contains('*', StringComparison.Ordinal))
            return "wildcards are not supported: register each redirect URI";
        // A leading slash is "absolute" to the platform (a file); a scheme is what makes it so for us.
        var colon = uri.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || !Uri.TryCreate(uri, UriKind.Absolute, out var parsed))
            return "a redirect URI is absolute";
        if (parsed.UserInfo.Length > 0)
            return "a redirect URI has no user information";
        // The scheme is read from the text itself: it is the text that is compared later.
        var scheme = uri[..colon];
        return scheme switch
        {
            "https" => parsed.Host.Length == 0 ? "a redirect URI has a host" : null,
            "http" => parsed.IsLoopback ? null : "http is for loopback addresses only; use https",
            "javascript" or "data" or "vbscript" or "file" or "blob" or "about" => "this scheme is never a redirect URI",
            _ => scheme.Contains('.', StringComparison.Ordinal) ? null : "a private-use scheme is a reversed domain name, as com.example.app (RFC 8252 7.1)",
        };
    }

    [Spec("RFC 8252", "7.3")]
    private static bool MatchesLoopback(string registered, string asked)
    {
        foreach (var prefix in LoopbackPrefixes)
        {
            if (TrySplit(registered, prefix, out var registeredRest) && TrySplit(asked, prefix, out var askedRest))
                return registeredRest.SequenceEqual(askedRest);
        }
        return false;
    }

    /// <summary>Cuts "http://127.0.0.1[:port]" off; what remains starts at the path (or is empty).</summary>
    private static bool TrySplit(string uri, string prefix, out ReadOnlySpan<char> rest)
    {
        rest = default;
        if (!uri.StartsWith(prefix, StringComparison.Ordinal))
            return false;
        rest = uri.AsSpan(prefix.Length);
        if (rest.IsEmpty || rest[0] == '/' || rest[0] == '?')
            return true;
        if (rest[0] != ':')
            return false;
        var digits = 1;
        while (digits < rest.Length && char.IsAsciiDigit(rest[digits]))
            digits++;
        if (digits is 1 or > 6 || !ushort.TryParse(rest[1..digits], out var port) || port == 0)
            return false;
        rest = rest[digits..];
        return rest.IsEmpty || rest[0] == '/' || rest[0] == '?';
    }
}
