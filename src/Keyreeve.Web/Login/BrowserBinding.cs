using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Tokens;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login;

/// <summary>
/// Binds what waits for a person to the browser it waits in: a cookie with a random value, whose hash stands in every ticket. A
/// ticket that was fetched elsewhere, by whoever wants somebody to finish it for him, opens nothing here.
/// </summary>
[Spec("RFC 9700", "4.7")]
public static class BrowserBinding
{
    /// <summary>"__Host-": Secure, this host only, path /.</summary>
    public const string CookieName = "__Host-keyreeve-browser";

    private static readonly object Fresh = new();

    /// <summary>The hash for a ticket; a browser without the cookie gets one with this response.</summary>
    public static string Ensure(HttpContext context)
    {
        if (Find(context) is { } known)
            return known;
        var token = OpaqueToken.Generate();
        context.Response.Cookies.Append(CookieName, token.Reveal(), new() { Secure = true, HttpOnly = true, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true });
        var hash = Base64Url.EncodeToString(token.Hash);
        context.Items[Fresh] = hash;
        return hash;
    }

    /// <summary>True when a ticket with this hash was made for this browser.</summary>
    public static bool Holds(HttpContext context, string hash) => Find(context) is { } own
        && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(own), Encoding.ASCII.GetBytes(hash));

    private static string? Find(HttpContext context) =>
        context.Items[Fresh] as string
        ?? (context.Request.Cookies[CookieName] is { } cookie && OpaqueToken.TryRead(cookie, out var token) ? Base64Url.EncodeToString(token.Hash) : null);
}
