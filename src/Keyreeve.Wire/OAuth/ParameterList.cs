using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Wire.OAuth;

/// <summary>Limits on what a peer may send as OAuth parameters.</summary>
public static class OAuthLimits
{
    /// <summary>Octets of one form body. Our choice: a client assertion of 16 KiB fits with room to spare.</summary>
    public const int MaxBody = 64 * 1024;

    /// <summary>Octets of one query. Our choice; as a login ticket, base64url and all, it still fits the request line of 24 KiB.</summary>
    public const int MaxQuery = 12 * 1024;

    /// <summary>Parameters in one request. Our choice.</summary>
    public const int MaxParameters = 64;

    /// <summary>Characters of a name. Our choice.</summary>
    public const int MaxName = 128;

    /// <summary>Characters of <c>state</c>, which we give back verbatim. Our choice.</summary>
    public const int MaxState = 2048;

    /// <summary>Characters of <c>nonce</c>. Our choice; the FAPI suite asks for 384.</summary>
    public const int MaxNonce = 1024;

    /// <summary>Characters of <c>scope</c>. Our choice.</summary>
    public const int MaxScope = 4096;

    /// <summary>Characters of a <c>client_id</c> or an identity. TS 33.434 table A.2.1.2-1 gives 255 octets for <c>sub</c>.</summary>
    public const int MaxIdentity = 255;
}

/// <summary>Why a body or query is not a list of parameters.</summary>
public enum ParameterError
{
    /// <summary>It is one.</summary>
    None,

    /// <summary>Longer than <see cref="OAuthLimits"/> allows, or too many parameters.</summary>
    TooLarge,

    /// <summary>A percent sign without two hexadecimal digits, or octets that are not UTF-8.</summary>
    BadEncoding,

    /// <summary>A control character (NUL, CR, LF...) in a name or value.</summary>
    ControlCharacter,
}

/// <summary>
/// The parameters of one request, in the order sent. A parameter sent without a value is treated as omitted, and one that is
/// sent twice is an error, not a choice (RFC 6749 section 3.1).
/// </summary>
[Spec("RFC 6749", "3.1")]
public sealed class ParameterList
{
    private readonly List<KeyValuePair<string, string>> _pairs;

    private ParameterList(List<KeyValuePair<string, string>> pairs) => _pairs = pairs;

    /// <summary>No parameters at all.</summary>
    public static ParameterList Empty { get; } = new([]);

    /// <summary>All pairs in the order sent, empty values included.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Pairs => _pairs;

    /// <summary>Reads <c>application/x-www-form-urlencoded</c> text, as a body or a query without its question mark.</summary>
    public static bool TryRead(ReadOnlySpan<byte> form, [NotNullWhen(true)] out ParameterList? list, out ParameterError error)
    {
        list = null;
        error = ParameterError.None;
        if (form.Length > OAuthLimits.MaxBody)
        {
            error = ParameterError.TooLarge;
            return false;
        }
        var pairs = new List<KeyValuePair<string, string>>();
        while (!form.IsEmpty)
        {
            var end = form.IndexOf((byte)'&');
            var pair = end < 0 ? form : form[..end];
            form = end < 0 ? default : form[(end + 1)..];
            if (pair.IsEmpty)
                continue;
            if (pairs.Count == OAuthLimits.MaxParameters)
            {
                error = ParameterError.TooLarge;
                return false;
            }
            var equals = pair.IndexOf((byte)'=');
            error = FormText.TryDecode(equals < 0 ? pair : pair[..equals], out var name);
            if (error != ParameterError.None)
                return false;
            error = FormText.TryDecode(equals < 0 ? default : pair[(equals + 1)..], out var value);
            if (error != ParameterError.None)
                return false;
            if (name.Length > OAuthLimits.MaxName)
            {
                error = ParameterError.TooLarge;
                return false;
            }
            pairs.Add(new(name, value));
        }
        list = new(pairs);
        return true;
    }

    /// <summary>
    /// The one value of a parameter. False when it was sent more than once; true with null when it was not sent or was empty.
    /// </summary>
    public bool TrySingle(string name, out string? value)
    {
        value = null;
        var seen = false;
        foreach (var pair in _pairs)
        {
            if (!string.Equals(pair.Key, name, StringComparison.Ordinal))
                continue;
            // "Request and response parameters MUST NOT be included more than once." (RFC 6749 3.1)
            // Neither value is given out: a caller that does not look at the answer finds the parameter missing.
            if (seen)
            {
                value = null;
                return false;
            }
            seen = true;
            value = pair.Value.Length == 0 ? null : pair.Value;
        }
        return true;
    }

    /// <summary>
    /// The first parameter that was sent more than once, or null. Those that may be repeated are named here and not by comparing
    /// the answer: a permitted repeat at the front would hide a forbidden one behind it.
    /// </summary>
    public string? FirstRepeated(params ReadOnlySpan<string> repeatable)
    {
        for (var i = 1; i < _pairs.Count; i++)
            for (var j = 0; j < i; j++)
                if (string.Equals(_pairs[i].Key, _pairs[j].Key, StringComparison.Ordinal) && !repeatable.Contains(_pairs[i].Key))
                    return _pairs[i].Key;
        return null;
    }

    /// <summary>True when the parameter was sent with a value.</summary>
    public bool Has(string name) => _pairs.Exists(p => p.Value.Length > 0 && string.Equals(p.Key, name, StringComparison.Ordinal));
}
