using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Keyreeve.Engines.Outbound;

/// <summary>
/// An address somebody registered, read strictly: absolute, https (or http, where the operator allowed it), no credentials, no
/// fragment, and a host in the one spelling that every reader understands alike.
/// </summary>
public sealed class OutboundTarget
{
    /// <summary>Characters. Our choice; what is longer is no address that a person registered.</summary>
    public const int MaxLength = 2048;

    private OutboundTarget(Uri uri) => Uri = uri;

    /// <summary>The address.</summary>
    public Uri Uri { get; }

    /// <summary>Reads it; the reason is for the operator who set it or the peer who registered it.</summary>
    public static bool TryRead(string text, bool allowHttp, [NotNullWhen(true)] out OutboundTarget? target, out string reason)
    {
        target = null;
        reason = "";
        if (text.Length is 0 or > MaxLength)
            reason = $"an address has 1 to {MaxLength} characters";
        // A backslash is a slash to some readers, a space ends the address for others.
        else if (text.Any(c => c is <= ' ' or >= '\x7f' or '\\'))
            reason = "an address is printable ASCII without spaces and backslashes; international names in their xn-- form";
        else if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("https" or "http"))
            reason = "an address begins with https://";
        else if (uri.Scheme == "http" && !allowHttp)
            reason = "http is not allowed; use https";
        else if (uri.UserInfo.Length > 0 || Authority(text).Contains('@', StringComparison.Ordinal))
            reason = "an address holds no credentials";
        else if (text.Contains('#', StringComparison.Ordinal))
            reason = "an address has no fragment";
        else if (!IsPlainHost(Authority(text), uri))
            reason = "the host is a DNS name, an IPv4 address in dotted decimal or an IPv6 address in brackets";
        else
            target = new(uri);
        return target is not null;
    }

    /// <inheritdoc />
    public override string ToString() => Uri.AbsoluteUri;

    private static string Authority(string text)
    {
        var start = text.IndexOf("//", StringComparison.Ordinal) + 2;
        var end = text.AsSpan(start).IndexOfAny('/', '?', '#');
        return end < 0 ? text[start..] : text[start..(start + end)];
    }

    /// <summary>
    /// "2130706433", "0x7f.1" and "0177.0.0.1" are 127.0.0.1 to some readers and names to others; "%6c" is a letter to some. The
    /// address check would find them anyway; refusing them here means that nobody has to be right about it.
    /// </summary>
    private static bool IsPlainHost(string authority, Uri uri)
    {
        if (uri.HostNameType == UriHostNameType.IPv6)
            return authority.StartsWith('[') && !authority.Contains('%', StringComparison.Ordinal);
        var colon = authority.LastIndexOf(':');
        var host = colon < 0 ? authority : authority[..colon];
        if (!string.Equals(host, uri.Host, StringComparison.OrdinalIgnoreCase))
            return false;
        if (uri.HostNameType == UriHostNameType.IPv4)
            return IPAddress.TryParse(host, out var address) && address.ToString() == host;
        // A last label that begins with a digit is no top-level domain, but the inet_aton of some resolver may see a number.
        return uri.HostNameType == UriHostNameType.Dns && !char.IsAsciiDigit(host.TrimEnd('.').Split('.')[^1].FirstOrDefault('0'));
    }
}
