namespace Keyreeve.Wire.Jose;

/// <summary>
/// What a peer can make grow, and how far. All are our own choices: the RFCs name none but the smallest RSA and HMAC keys.
/// </summary>
public static class JoseLimits
{
    /// <summary>Characters of one compact JWS. Checked before anything is decoded; HTTP headers larger than this do not arrive anyway.</summary>
    public const int MaxTokenLength = 16 * 1024;

    /// <summary>Bytes of a decoded JWS header: room for a certificate chain we ignore, no more.</summary>
    public const int MaxHeaderLength = 8 * 1024;

    /// <summary>Nested arrays and objects in a header, a claims set or a key.</summary>
    public const int MaxJsonDepth = 32;

    /// <summary>Bytes of one JSON Web Key.</summary>
    public const int MaxKeyLength = 32 * 1024;

    /// <summary>Bytes of one JSON Web Key Set.</summary>
    public const int MaxKeySetLength = 256 * 1024;

    /// <summary>Keys in one set; a set with more is refused as a whole.</summary>
    public const int MaxKeysInSet = 64;

    /// <summary>Certificates in one <c>x5c</c>.</summary>
    public const int MaxCertificatesInChain = 10;

    /// <summary>Bits of the smallest RSA modulus (RFC 7518, 3.3 and 3.5).</summary>
    public const int MinRsaBits = 2048;

    /// <summary>Bits of the largest RSA modulus: verification time grows with its square.</summary>
    public const int MaxRsaBits = 8192;

    /// <summary>Bytes of the smallest HS256 secret: the length of the hash (RFC 7518, 3.2).</summary>
    public const int MinSecretLength = 32;

    /// <summary>Bytes of the largest HS256 secret.</summary>
    public const int MaxSecretLength = 1024;

    /// <summary>Bytes of a body that a detached JWS protects.</summary>
    public const int MaxDetachedBodyLength = 4 * 1024 * 1024;

    /// <summary>The last NumericDate taken: 9999-12-31T23:59:59Z, the last second .NET can name.</summary>
    public const long MaxNumericDate = 253_402_300_799;
}
