namespace Keyreeve.Core.Keys;

/// <summary>
/// The field of 256 elements of AES (x^8 + x^4 + x^3 + x + 1). Neither a branch nor an address depends on an operand, so that time and
/// cache tell nothing of them.
/// </summary>
public static class Gf256
{
    /// <summary>The product.</summary>
    public static byte Multiply(byte a, byte b)
    {
        uint product = 0, x = a, y = b;
        for (var bit = 0; bit < 8; bit++)
        {
            product ^= x & (0u - (y & 1));
            x = (x << 1) ^ (0x11Bu & (0u - (x >> 7)));
            y >>= 1;
        }
        return (byte)product;
    }

    /// <summary>The inverse, which is the 254th power; of 0 it is 0.</summary>
    public static byte Inverse(byte a)
    {
        // 254 = 2 + 4 + 8 + 16 + 32 + 64 + 128
        var (power, result) = (a, (byte)1);
        for (var i = 0; i < 7; i++)
        {
            power = Multiply(power, power);
            result = Multiply(result, power);
        }
        return result;
    }
}
