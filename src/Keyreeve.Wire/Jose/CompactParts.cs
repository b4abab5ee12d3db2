namespace Keyreeve.Wire.Jose;

/// <summary>Where the three parts of a compact serialization begin and end.</summary>
internal static class CompactParts
{
    /// <summary>The two dots; false if there are fewer or more. (Five parts would be a JWE.)</summary>
    internal static bool TrySplit(ReadOnlySpan<char> token, out int firstDot, out int secondDot)
    {
        secondDot = -1;
        firstDot = token.IndexOf('.');
        if (firstDot < 0)
        {
            return false;
        }

        int afterFirst = firstDot + 1;
        int rest = token[afterFirst..].IndexOf('.');
        if (rest < 0)
        {
            return false;
        }

        secondDot = afterFirst + rest;
        return !token[(secondDot + 1)..].Contains('.');
    }
}
