using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Keyreeve.Wire.OAuth;

/// <summary>
/// Client credentials of an <c>Authorization: Basic</c> header. Identifier and secret are form-encoded before they are joined
/// (RFC 6749 section 2.3.1), so a colon or a plus in either survives.
/// </summary>
[Spec("RFC 6749", "2.3.1")]
public static class BasicCredentials
{
    /// <summary>Reads the header's value after the scheme name.</summary>
    public static bool TryRead(ReadOnlySpan<char> encoded, [NotNullWhen(true)] out string? clientId, [NotNullWhen(true)] out string? secret)
    {
        clientId = secret = null;
        encoded = encoded.Trim(' ');
        if (encoded.Length is 0 or > 8192)
            return false;
        var octets = new byte[encoded.Length];
        if (!Convert.TryFromBase64Chars(encoded, octets, out var written))
            return false;
        var text = octets.AsSpan(0, written);
        var colon = text.IndexOf((byte)':');
        if (colon <= 0)
            return false;
        return FormText.TryDecode(text[..colon], out clientId) == ParameterError.None
            && FormText.TryDecode(text[(colon + 1)..], out secret) == ParameterError.None
            && clientId.Length <= OAuthLimits.MaxIdentity;
    }

    /// <summary>Writes the header's value, scheme included.</summary>
    public static string Write(string clientId, string secret) =>
        "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes(Uri.EscapeDataString(clientId) + ":" + Uri.EscapeDataString(secret)));
}
