using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// A signature beside the body it protects: <c>header..signature</c>, the body travelling as it is (RFC 7515, appendix F), by
/// default signed without encoding it (RFC 7797). Not for JWTs, which must be encoded.
/// </summary>
[Spec("RFC 7515", "F")]
[Spec("RFC 7797", "3")]
[Spec("RFC 7797", "6")]
public static class DetachedJws
{
    /// <summary>Signs <paramref name="body"/>; unless told otherwise with <c>b64</c> false and critical.</summary>
    /// <exception cref="ArgumentException">The body is longer than <see cref="JoseLimits.MaxDetachedBodyLength"/>.</exception>
    public static string Write(ReadOnlySpan<byte> body, IJwsSigner signer, bool unencoded = true)
    {
        if (body.Length > JoseLimits.MaxDetachedBodyLength)
        {
            throw new ArgumentException("The body is too long to be signed.", nameof(body));
        }

        byte[] headerJson = unencoded ? UnencodedHeader(signer) : JwsWriter.Header(signer, typ: null);
        byte[] header = Encoding.ASCII.GetBytes(Base64UrlStrict.Encode(headerJson));
        byte[] rented = RentInput(header, body, unencoded, out int length);
        try
        {
            int size = signer.SignatureSize;
            Span<byte> signature = stackalloc byte[Base64Url.GetEncodedLength(JwsAlgorithms.MaxSignatureSize)];
            signature = signature[..Base64Url.GetEncodedLength(size)];
            JwsWriter.AppendSignature(rented.AsSpan(0, length), signature, size, signer);
            return string.Concat(Encoding.ASCII.GetString(header), "..", Encoding.ASCII.GetString(signature));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented, clearArray: true);
        }
    }

    /// <summary>The header alone, for whoever has to find the key. Nothing of it is believed yet.</summary>
    public static bool TryReadHeader(ReadOnlySpan<char> detached, [NotNullWhen(true)] out JwsHeader? header, out JoseError error)
    {
        error = Split(detached, out header, out _, out _);
        return error == JoseError.None && header is not null;
    }

    /// <summary>True if <paramref name="detached"/> is <paramref name="key"/>'s signature of <paramref name="body"/>.</summary>
    public static bool TryVerify(ReadOnlySpan<char> detached, ReadOnlySpan<byte> body, JwsKey key, out JoseError error)
    {
        error = Verify(detached, body, key);
        return error == JoseError.None;
    }

    private static JoseError Verify(ReadOnlySpan<char> detached, ReadOnlySpan<byte> body, JwsKey key)
    {
        if (body.Length > JoseLimits.MaxDetachedBodyLength)
        {
            return JoseError.TooLarge;
        }

        JoseError refused = Split(detached, out JwsHeader? header, out int firstDot, out byte[] signature);
        if (refused != JoseError.None)
        {
            return refused;
        }

        if (!key.Algorithms.Contains(header!.Algorithm))
        {
            return JoseError.KeyAlgorithmMismatch;
        }

        byte[] encodedHeader = Encoding.ASCII.GetBytes(detached[..firstDot].ToString());
        byte[] rented = RentInput(encodedHeader, body, header.UnencodedPayload, out int length);
        try
        {
            return key.Verify(header.Algorithm, rented.AsSpan(0, length), signature) ? JoseError.None : JoseError.BadSignature;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented, clearArray: true);
        }
    }

    private static JoseError Split(ReadOnlySpan<char> detached, out JwsHeader? header, out int firstDot, out byte[] signature)
    {
        (header, firstDot, signature) = (null, 0, []);
        if (detached.Length > JoseLimits.MaxTokenLength)
        {
            return JoseError.TooLarge;
        }

        if (!CompactParts.TrySplit(detached, out firstDot, out int secondDot) || secondDot != firstDot + 1)
        {
            return JoseError.NotThreeParts;
        }

        if (!Base64UrlStrict.TryDecode(detached[..firstDot], out byte[]? headerJson)
            || !Base64UrlStrict.TryDecode(detached[(secondDot + 1)..], out byte[]? decoded))
        {
            return JoseError.BadBase64Url;
        }

        signature = decoded;
        if (!JwsHeader.TryRead(headerJson, out header, out JoseError error))
        {
            return error;
        }

        return header.UnencodedPayload && header.HasTyp("JWT") ? JoseError.UnencodedPayloadNotAllowed : JoseError.None;
    }

    /// <summary>The signing input in a rented array: header, dot, and the body as it is or encoded.</summary>
    private static byte[] RentInput(ReadOnlySpan<byte> encodedHeader, ReadOnlySpan<byte> body, bool unencoded, out int length)
    {
        length = encodedHeader.Length + 1 + (unencoded ? body.Length : Base64Url.GetEncodedLength(body.Length));
        byte[] rented = ArrayPool<byte>.Shared.Rent(length);
        encodedHeader.CopyTo(rented);
        rented[encodedHeader.Length] = (byte)'.';
        Span<byte> rest = rented.AsSpan(encodedHeader.Length + 1);
        if (unencoded)
        {
            body.CopyTo(rest);
        }
        else
        {
            _ = Base64Url.EncodeToUtf8(body, rest);
        }

        return rented;
    }

    private static byte[] UnencodedHeader(IJwsSigner signer)
    {
        var buffer = new ArrayBufferWriter<byte>(128);
        using (var writer = new Utf8JsonWriter(buffer, JwsWriter.Plain))
        {
            writer.WriteStartObject();
            JwsWriter.WriteCommon(writer, signer, typ: null);
            writer.WriteBoolean("b64"u8, false);
            writer.WriteStartArray("crit"u8);
            writer.WriteStringValue("b64"u8);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
