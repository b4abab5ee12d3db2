using System.Buffers;
using System.Text;

namespace Keyreeve.Wire.OAuth;

/// <summary>
/// The text coding of forms: <c>+</c> is a space, <c>%XX</c> an octet of UTF-8. Strict, because what one reader lets pass as
/// "almost UTF-8" the next one shows on a page: overlong forms, lone percent signs and control characters are errors.
/// </summary>
public static class FormText
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Decodes one name or value.</summary>
    public static ParameterError TryDecode(ReadOnlySpan<byte> text, out string value)
    {
        value = "";
        if (text.IsEmpty)
            return ParameterError.None;
        var rented = ArrayPool<byte>.Shared.Rent(text.Length);
        try
        {
            var n = 0;
            for (var i = 0; i < text.Length; i++)
            {
                var b = text[i];
                if (b == '+')
                {
                    b = (byte)' ';
                }
                else if (b == '%')
                {
                    if (i + 2 >= text.Length || !TryHex(text[i + 1], out var high) || !TryHex(text[i + 2], out var low))
                        return ParameterError.BadEncoding;
                    b = (byte)(high << 4 | low);
                    i += 2;
                }
                if (b is < 0x20 or 0x7F)
                    return ParameterError.ControlCharacter;
                rented[n++] = b;
            }
            var octets = rented.AsSpan(0, n);
            if (!System.Text.Unicode.Utf8.IsValid(octets))
                return ParameterError.BadEncoding;
            // The second set of controls, U+0080 to U+009F, is C2 80 to C2 9F: a terminal that shows a log line obeys U+009B as it does ESC [.
            for (var i = 1; i < n; i++)
                if (octets[i - 1] == 0xC2 && octets[i] < 0xA0)
                    return ParameterError.ControlCharacter;
            value = Utf8.GetString(octets);
            return ParameterError.None;
        }
        finally
        {
            // A form may carry a password or a client secret.
            ArrayPool<byte>.Shared.Return(rented, clearArray: true);
        }
    }

    private static bool TryHex(byte digit, out int value)
    {
        value = digit switch
        {
            >= (byte)'0' and <= (byte)'9' => digit - '0',
            >= (byte)'a' and <= (byte)'f' => digit - 'a' + 10,
            >= (byte)'A' and <= (byte)'F' => digit - 'A' + 10,
            _ => -1,
        };
        return value >= 0;
    }
}
