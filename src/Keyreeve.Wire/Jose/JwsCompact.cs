using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// A JWS in compact serialization, read but <em>not</em> verified: until <see cref="Verify"/> said true, everything here is what a
/// stranger wrote. One array holds the signing input and the three decoded parts, so that reading a token costs three
/// allocations and the strings of its header.
/// </summary>
[Spec("RFC 7515", "3.1")]
[Spec("RFC 7515", "5.2")]
[Spec("RFC 7515", "7.1")]
public sealed class JwsCompact
{
    private readonly byte[] bytes;
    private readonly int inputLength;
    private readonly int headerLength;
    private readonly int payloadLength;

    private JwsCompact(JwsHeader header, byte[] bytes, int inputLength, int headerLength, int payloadLength)
    {
        Header = header;
        this.bytes = bytes;
        this.inputLength = inputLength;
        this.headerLength = headerLength;
        this.payloadLength = payloadLength;
    }

    /// <summary>The protected header.</summary>
    public JwsHeader Header { get; }

    /// <summary>The decoded payload.</summary>
    public ReadOnlyMemory<byte> Payload => bytes.AsMemory(inputLength + headerLength, payloadLength);

    /// <summary>The decoded header, as the sender wrote it.</summary>
    public ReadOnlyMemory<byte> HeaderJson => bytes.AsMemory(inputLength, headerLength);

    /// <summary>What was signed: the two encoded parts with the dot between them.</summary>
    public ReadOnlySpan<byte> SigningInput => bytes.AsSpan(0, inputLength);

    /// <summary>The decoded signature.</summary>
    public ReadOnlySpan<byte> Signature => bytes.AsSpan(inputLength + headerLength + payloadLength);

    /// <summary>
    /// Reads a token. The length is looked at first, then the dots, so that a megabyte of junk costs nothing; an unencoded payload
    /// (RFC 7797) is refused, because JWTs must not have one.
    /// </summary>
    [Spec("RFC 7797", "7")]
    public static bool TryRead(ReadOnlySpan<char> token, [NotNullWhen(true)] out JwsCompact? jws, out JoseError error)
    {
        jws = null;
        error = JoseError.None;
        if (token.Length > JoseLimits.MaxTokenLength)
        {
            error = JoseError.TooLarge;
            return false;
        }

        if (!CompactParts.TrySplit(token, out int firstDot, out int secondDot))
        {
            error = JoseError.NotThreeParts;
            return false;
        }

        int headerBytes = Base64UrlStrict.DecodedLength(firstDot);
        int payloadBytes = Base64UrlStrict.DecodedLength(secondDot - firstDot - 1);
        int signatureText = token.Length - secondDot - 1;
        int signatureBytes = Base64UrlStrict.DecodedLength(signatureText);
        if (headerBytes > JoseLimits.MaxHeaderLength || signatureBytes > JwsAlgorithms.MaxSignatureSize)
        {
            error = JoseError.TooLarge;
            return false;
        }

        byte[] whole = new byte[secondDot + headerBytes + payloadBytes + signatureBytes];
        Span<byte> input = whole.AsSpan(0, secondDot);
        if (Ascii.FromUtf16(token[..secondDot], input, out _) != OperationStatus.Done
            || !TryDecode(input[..firstDot], whole.AsSpan(secondDot, headerBytes)))
        {
            error = JoseError.BadBase64Url;
            return false;
        }

        if (!JwsHeader.TryRead(whole.AsMemory(secondDot, headerBytes), out JwsHeader? header, out error))
        {
            return false;
        }

        if (header.UnencodedPayload)
        {
            error = JoseError.UnencodedPayloadNotAllowed;
            return false;
        }

        Span<byte> signature = stackalloc byte[signatureText];
        if (Ascii.FromUtf16(token[(secondDot + 1)..], signature, out _) != OperationStatus.Done
            || !TryDecode(signature, whole.AsSpan(secondDot + headerBytes + payloadBytes))
            || !TryDecode(input[(firstDot + 1)..], whole.AsSpan(secondDot + headerBytes, payloadBytes)))
        {
            error = JoseError.BadBase64Url;
            return false;
        }

        jws = new JwsCompact(header, whole, secondDot, headerBytes, payloadBytes);
        return true;
    }

    /// <summary>True if <paramref name="key"/> may be used with the header's algorithm and the signature is its.</summary>
    public bool Verify(JwsKey key) => key.Verify(Header.Algorithm, SigningInput, Signature);

    /// <summary>
    /// The public key in the header's <c>jwk</c>, for the profile that binds it otherwise (DPoP: by its thumbprint). It proves
    /// possession of itself and nothing else. A private or secret member refuses the whole.
    /// </summary>
    [Spec("RFC 7515", "4.1.3")]
    public bool TryReadHeaderKey([NotNullWhen(true)] out JsonWebKey? key, out JoseError error)
    {
        key = null;
        if (!StrictJson.TryParseObject(HeaderJson, JoseLimits.MaxHeaderLength, out JsonDocument? document, out error))
        {
            return false;
        }

        using (document)
        {
            if (document.RootElement.TryGetProperty("jwk"u8, out JsonElement jwk))
            {
                return JsonWebKey.TryRead(jwk, out key, out error);
            }
        }

        error = JoseError.BadHeader;
        return false;
    }

    private static bool TryDecode(ReadOnlySpan<byte> text, Span<byte> destination) =>
        Base64UrlStrict.IsCanonical(text) && Base64UrlStrict.TryDecodeCanonical(text, destination);
}
