using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// base64url as JOSE means it: no padding, no white space, and one spelling per value. The decoder of the base library is kinder
/// (it skips white space, takes padding and ignores trailing bits), which would give one token many spellings and let a
/// revoked or replayed token pass as a new one.
/// </summary>
[Spec("RFC 7515", "2")]
[Spec("RFC 4648", "3.5")]
public static class Base64UrlStrict
{
    private static readonly SearchValues<byte> Alphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"u8);

    /// <summary>Decodes; false if <paramref name="text"/> is not the one spelling of some bytes. The empty text is no bytes.</summary>
    public static bool TryDecode(ReadOnlySpan<char> text, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        byte[] ascii = ArrayPool<byte>.Shared.Rent(text.Length);
        try
        {
            return Ascii.FromUtf16(text, ascii, out int written) == OperationStatus.Done && TryDecode(ascii.AsSpan(0, written), out bytes);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(ascii, clearArray: true); // may have been a secret
        }
    }

    /// <summary>As above, for text that is already bytes.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out byte[]? bytes)
    {
        if (!IsCanonical(utf8))
        {
            bytes = null;
            return false;
        }

        bytes = new byte[DecodedLength(utf8.Length)];
        return TryDecodeCanonical(utf8, bytes);
    }

    /// <summary>Encodes without padding.</summary>
    public static string Encode(ReadOnlySpan<byte> bytes) => Base64Url.EncodeToString(bytes);

    /// <summary>Bytes that <paramref name="encodedLength"/> characters stand for, if they are canonical.</summary>
    internal static int DecodedLength(int encodedLength) => (int)((long)encodedLength * 3 / 4);

    /// <summary>Only the alphabet, a possible length, and zero in the bits that stand for nothing.</summary>
    internal static bool IsCanonical(ReadOnlySpan<byte> utf8)
    {
        if (utf8.ContainsAnyExcept(Alphabet))
        {
            return false;
        }

        return (utf8.Length % 4) switch
        {
            0 => true,
            2 => (Value(utf8[^1]) & 0b1111) == 0,
            3 => (Value(utf8[^1]) & 0b11) == 0,
            _ => false,
        };
    }

    /// <summary>Decodes what <see cref="IsCanonical"/> accepted into exactly <see cref="DecodedLength"/> bytes.</summary>
    internal static bool TryDecodeCanonical(ReadOnlySpan<byte> utf8, Span<byte> destination) =>
        Base64Url.DecodeFromUtf8(utf8, destination, out int consumed, out int written) == OperationStatus.Done
        && consumed == utf8.Length
        && written == destination.Length;

    private static int Value(byte character) => character switch
    {
        >= (byte)'A' and <= (byte)'Z' => character - 'A',
        >= (byte)'a' and <= (byte)'z' => character - 'a' + 26,
        >= (byte)'0' and <= (byte)'9' => character - '0' + 52,
        (byte)'-' => 62,
        _ => 63,
    };
}
