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
    /// What may be registered: https; http on 127.0.0.1, [::1] or <c>localhost</c>; a private-use scheme in reverse-domain form
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
        // Scheme and authority are read from the text itself, for it is the text that is compared later and sent to the browser.
        // The URI class is asked last: on Unix it takes "//evil.example:443/x" for a file and any 127.x or "loopback" for a loopback.
        if (!TryReadScheme(uri, out var scheme) || !Uri.TryCreate(uri, UriKind.Absolute, out var parsed))
            return "a redirect URI is absolute";
        if (AuthorityOf(uri.AsSpan(scheme.Length + 1)).Contains('@'))
            return "a redirect URI has no user information";
        return scheme switch
        {
            "https" => uri.StartsWith("https://", StringComparison.Ordinal) && parsed.Host.Length > 0 ? null : "a redirect URI has a host",
            "http" => IsLoopback(uri) ? null : "http is for 127.0.0.1, [::1] and localhost only; use https",
            "javascript" or "data" or "vbscript" or "file" or "blob" or "about" => "this scheme is never a redirect URI",
            _ => scheme.Contains('.', StringComparison.Ordinal) ? null : "a private-use scheme is a reversed domain name, as com.example.app (RFC 8252 7.1)",
        };
    }

    /// <summary>scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) (RFC 3986 3.1)</summary>
    private static bool TryReadScheme(string uri, out string scheme)
    {
        scheme = "";
        var colon = uri.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || !char.IsAsciiLetter(uri[0]))
            return false;
        foreach (var c in uri.AsSpan(0, colon))
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('+' or '-' or '.'))
                return false;
        scheme = uri[..colon];
        return true;
    }

    /// <summary>What stands between "//" and the path, or nothing.</summary>
    private static ReadOnlySpan<char> AuthorityOf(ReadOnlySpan<char> afterScheme)
    {
        if (!afterScheme.StartsWith("//", StringComparison.Ordinal))
            return default;
        var authority = afterScheme[2..];
        var end = authority.IndexOfAny('/', '?');
        return end < 0 ? authority : authority[..end];
    }

    private static bool IsLoopback(string uri) =>
        TrySplit(uri, "http://localhost", out _) || Array.Exists(LoopbackPrefixes, prefix => TrySplit(uri, prefix, out _));

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
