using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Pages;

/// <summary>The response headers of every page a person sees: no framing, no caching, no referrer, nothing that is not ours.</summary>
public static class PageHeaders
{
    /// <summary>A fresh nonce for the one script we have: 128 bits as 32 hexadecimal digits, safe in a header and in an attribute.</summary>
    public static string NewNonce() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    /// <summary>
    /// Sets the headers of a page. Call it last before the result is executed: the antiforgery service writes weaker values of some.
    /// </summary>
    /// <param name="response">The response, not yet started.</param>
    /// <param name="scriptNonce">From <see cref="NewNonce"/>, for <see cref="FormPostPage"/> only; without it no script runs.</param>
    /// <param name="formTargets">
    /// CSP sources a form of this page may lead to besides ourselves, from <see cref="FormTarget"/>. Chrome checks form-action on every
    /// redirect that follows a form's POST, so the login and the consent page name the client's redirect target here.
    /// A text that is not exactly such a source is left out: the browser then refuses more, never less.
    /// </param>
    /// <exception cref="ArgumentException">The nonce has a character that is not a letter or a digit: a fault of the caller.</exception>
    [Spec("RFC 9700", "4.2.4")]
    [Spec("RFC 9700", "4.16")]
    public static void Apply(HttpResponse response, string? scriptNonce = null, IReadOnlyList<string>? formTargets = null)
    {
        if (scriptNonce is not null && (scriptNonce.Length < 16 || !scriptNonce.All(char.IsAsciiLetterOrDigit)))
            throw new ArgumentException("A nonce is at least 16 letters and digits.", nameof(scriptNonce));

        var targets = string.Concat((formTargets ?? []).Where(IsSource).Distinct(StringComparer.Ordinal).Select(target => " " + target));
        var script = scriptNonce is null ? "" : $" script-src 'nonce-{scriptNonce}';";

        var headers = response.Headers;
        headers.ContentSecurityPolicy =
            $"default-src 'none'; style-src 'self'; img-src 'self';{script} form-action 'self'{targets}; frame-ancestors 'none'; base-uri 'none'";
        headers.XFrameOptions = "DENY";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-store";
        headers.Pragma = "no-cache";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

        // The component renderer adds a header of its own for a script we do not have; it would only name our framework.
        response.OnStarting(static state =>
        {
            ((IHeaderDictionary)state).Remove("blazor-enhanced-nav");
            return Task.CompletedTask;
        }, headers);
    }

    /// <summary>
    /// The CSP source that lets a form lead to this redirect URI: <c>scheme://host:port</c> for http and https, <c>scheme:</c> for an
    /// application's own scheme. Null when it cannot be said: the browser then stops at the redirect, and the caller should not offer it.
    /// </summary>
    /// <remarks>
    /// A CSP host source cannot hold an IPv6 literal (Chromium drops it as an invalid source). For the loopback address [::1] of RFC 8252 7.3 we give the scheme source
    /// <c>http:</c> (or <c>https:</c>): wider than wished, but only on pages of a client that registered [::1], and form-action is the
    /// second wall behind encoded output. Every other IPv6 literal is null.
    /// </remarks>
    public static string? FormTarget(string redirectUri)
    {
        // What a URI may not hold at all; parsers repair such texts differently, so we do not guess what the browser would see.
        if (redirectUri.Length > MaxUriLength || redirectUri.Any(c => c <= ' ' || c is '\u007f' or '\\'))
            return null;
        var colon = redirectUri.IndexOf(':');
        if (colon <= 0 || !IsScheme(redirectUri.AsSpan(0, colon)))
            return null;

        var scheme = redirectUri[..colon].ToLowerInvariant();
        if (scheme is not ("http" or "https"))
            return BrowserSchemes.Contains(scheme) ? null : scheme + ":";

        if (!redirectUri.AsSpan(colon).StartsWith("://", StringComparison.Ordinal)
            || !Uri.TryCreate(redirectUri, UriKind.Absolute, out var uri) || uri.UserInfo.Length > 0)
            return null;
        if (uri.HostNameType == UriHostNameType.IPv6)
            return uri.IdnHost == "::1" ? scheme + ":" : null;

        var host = uri.IdnHost.ToLowerInvariant();
        return IsHost(host) && uri.Port > 0 ? $"{scheme}://{host}:{uri.Port}" : null;
    }

    private const int MaxUriLength = 2048; // our choice; registered redirect URIs are shorter

    // Schemes the browser itself acts on: none of them leads to an application, some run script in our origin.
    private static readonly HashSet<string> BrowserSchemes = new(StringComparer.Ordinal)
    {
        "about", "blob", "chrome", "data", "file", "filesystem", "ftp", "javascript", "resource", "vbscript", "view-source", "ws", "wss",
    };

    // RFC 3986 3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
    private static bool IsScheme(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text.Length > 64 || !char.IsAsciiLetter(text[0]))
            return false;
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('+' or '-' or '.'))
                return false;
        }

        return true;
    }

    // CSP 3 host-part without its wildcard: labels of letters, digits and hyphens between dots.
    private static bool IsHost(string text) =>
        text.Length is > 0 and <= 253
        && text.Split('.').All(label => label.Length is > 0 and <= 63 && label.All(c => char.IsAsciiLetterOrDigit(c) || c == '-'));

    // Exactly what FormTarget makes; no blank, quote, comma or semicolon can pass, so no second source or directive.
    private static bool IsSource(string text)
    {
        if (text.EndsWith(':'))
            return IsScheme(text.AsSpan(0, text.Length - 1)) && !BrowserSchemes.Contains(text[..^1].ToLowerInvariant());
        return text.StartsWith("http", StringComparison.Ordinal) && FormTarget(text) == text;
    }
}
