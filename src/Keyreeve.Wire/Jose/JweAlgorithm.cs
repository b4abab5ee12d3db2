namespace Keyreeve.Wire.Jose;

/// <summary>How the content key of a JWE reaches its reader (RFC 7518, 4.1). RSA and passwords do not exist here, nor does <c>dir</c>.</summary>
public enum JweKeyManagement
{
    /// <summary><c>ECDH-ES</c>: the agreed key encrypts the content.</summary>
    EcdhEs,

    /// <summary><c>ECDH-ES+A128KW</c>: the agreed key wraps the content key.</summary>
    EcdhEsA128Kw,

    /// <summary><c>ECDH-ES+A256KW</c></summary>
    EcdhEsA256Kw,

    /// <summary><c>A128KW</c>: a shared key wraps the content key.</summary>
    A128Kw,

    /// <summary><c>A256KW</c></summary>
    A256Kw,
}

/// <summary>What encrypts the content (RFC 7518, 5.1).</summary>
public enum JweContent
{
    /// <summary><c>A128GCM</c></summary>
    A128Gcm,

    /// <summary><c>A256GCM</c></summary>
    A256Gcm,
}

/// <summary>Names and sizes. Names are compared byte for byte.</summary>
[Spec("RFC 7518", "4.1")]
public static class JweAlgorithms
{
    /// <summary>Bytes of an initialization vector (RFC 7518, 5.3: "96 bits is REQUIRED").</summary>
    internal const int IvSize = 12;

    /// <summary>Bytes of an authentication tag (RFC 7518, 5.3).</summary>
    internal const int TagSize = 16;

    /// <summary>The registered name.</summary>
    public static string Name(this JweKeyManagement algorithm) => algorithm switch
    {
        JweKeyManagement.EcdhEs => "ECDH-ES",
        JweKeyManagement.EcdhEsA128Kw => "ECDH-ES+A128KW",
        JweKeyManagement.EcdhEsA256Kw => "ECDH-ES+A256KW",
        JweKeyManagement.A128Kw => "A128KW",
        JweKeyManagement.A256Kw => "A256KW",
    };

    /// <summary>The registered name.</summary>
    public static string Name(this JweContent content) => content switch
    {
        JweContent.A128Gcm => "A128GCM",
        JweContent.A256Gcm => "A256GCM",
    };

    /// <summary>The algorithm of that name; false for every other.</summary>
    public static bool TryParse(string? name, out JweKeyManagement algorithm)
    {
        (bool known, algorithm) = name switch
        {
            "ECDH-ES" => (true, JweKeyManagement.EcdhEs),
            "ECDH-ES+A128KW" => (true, JweKeyManagement.EcdhEsA128Kw),
            "ECDH-ES+A256KW" => (true, JweKeyManagement.EcdhEsA256Kw),
            "A128KW" => (true, JweKeyManagement.A128Kw),
            "A256KW" => (true, JweKeyManagement.A256Kw),
            _ => (false, default),
        };
        return known;
    }

    /// <summary>The algorithm of that name; false for every other.</summary>
    public static bool TryParse(string? name, out JweContent content)
    {
        (bool known, content) = name switch
        {
            "A128GCM" => (true, JweContent.A128Gcm),
            "A256GCM" => (true, JweContent.A256Gcm),
            _ => (false, default),
        };
        return known;
    }

    /// <summary>True if an ephemeral key (<c>epk</c>) takes part.</summary>
    public static bool Agrees(this JweKeyManagement algorithm) =>
        algorithm is JweKeyManagement.EcdhEs or JweKeyManagement.EcdhEsA128Kw or JweKeyManagement.EcdhEsA256Kw;

    /// <summary>Bytes of the key that wraps; 0 if none does.</summary>
    internal static int WrappingKeySize(this JweKeyManagement algorithm) => algorithm switch
    {
        JweKeyManagement.EcdhEs => 0,
        JweKeyManagement.EcdhEsA128Kw or JweKeyManagement.A128Kw => 16,
        JweKeyManagement.EcdhEsA256Kw or JweKeyManagement.A256Kw => 32,
    };

    /// <summary>Bytes of the content key.</summary>
    public static int KeySize(this JweContent content) => content switch
    {
        JweContent.A128Gcm => 16,
        JweContent.A256Gcm => 32,
    };
}
