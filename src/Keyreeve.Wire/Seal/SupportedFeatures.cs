namespace Keyreeve.Wire.Seal;

/// <summary>
/// SupportedFeatures (TS 29.571 5.2.2): a bit mask in hexadecimal, the highest feature first. What two sides have in common is what
/// both sent.
/// </summary>
[Spec("TS 29.571", "5.2.2")]
public static class SupportedFeatures
{
    /// <summary>Characters. Our choice: 256 features.</summary>
    public const int MaxLength = 64;

    /// <summary>True for a text of the pattern <c>^[A-Fa-f0-9]*$</c>.</summary>
    public static bool IsValid(string text) => text.Length <= MaxLength && text.All(char.IsAsciiHexDigit);

    /// <summary>
    /// The features of both, without leading zeros: "all features that would be represented by characters that are not present in the
    /// string are not supported".
    /// </summary>
    public static string Common(string ours, string theirs)
    {
        var digits = new char[Math.Min(ours.Length, theirs.Length)];
        for (var i = 1; i <= digits.Length; i++)
            digits[^i] = "0123456789abcdef"[ValueOf(ours[^i]) & ValueOf(theirs[^i])];
        var common = new string(digits).TrimStart('0');
        return common.Length == 0 ? "0" : common;
    }

    private static int ValueOf(char digit) => char.IsAsciiDigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10;
}
