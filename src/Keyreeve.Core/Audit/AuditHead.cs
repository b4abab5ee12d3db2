using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Keyreeve.Core.Audit;

/// <summary>A place in a node's chain and its hash: whoever keeps one elsewhere can tell later that nothing up to it was changed or cut off.</summary>
/// <param name="Node">The node.</param>
/// <param name="Sequence">The line, from 1.</param>
/// <param name="Hash">The chain's hash after it, 32 octets in lower-case hexadecimal.</param>
public sealed record AuditHead(string Node, long Sequence, string Hash)
{
    /// <summary>Reads NODE:SEQ:HASH; the node's name may hold colons.</summary>
    public static bool TryRead(string text, [NotNullWhen(true)] out AuditHead? head)
    {
        head = null;
        var second = text.LastIndexOf(':');
        var first = second <= 0 ? -1 : text.LastIndexOf(':', second - 1);
        if (first <= 0 || !long.TryParse(text.AsSpan(first + 1, second - first - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) || sequence < 1)
            return false;
        var hash = text[(second + 1)..];
        if (hash.Length != 64 || !hash.All(char.IsAsciiHexDigit))
            return false;
        head = new(text[..first], sequence, hash.ToLowerInvariant());
        return true;
    }

    /// <summary>NODE:SEQ:HASH</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Node}:{Sequence}:{Hash}");
}
