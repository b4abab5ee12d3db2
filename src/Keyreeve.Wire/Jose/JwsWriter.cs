using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>Writes JWS compact serializations. Apart from the string it gives, a short token costs no allocation.</summary>
[Spec("RFC 7515", "5.1")]
public static class JwsWriter
{
    private const int OnStack = 1024;

    // Nothing here is ever put into HTML: "at+jwt" stays readable instead of "at\u002Bjwt".
    internal static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// The header of <paramref name="signer"/>'s tokens: <c>alg</c>, <c>typ</c> if given, <c>kid</c> if the signer has one. Make it once
    /// per key and type, and keep it.
    /// </summary>
    public static byte[] Header(IJwsSigner signer, string? typ)
    {
        var buffer = new ArrayBufferWriter<byte>(128);
        using (var writer = new Utf8JsonWriter(buffer, Plain))
        {
            writer.WriteStartObject();
            WriteCommon(writer, signer, typ);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Signs and gives <c>header.payload.signature</c>. The header is the caller's word: it must name the signer's algorithm.</summary>
    public static string Write(ReadOnlySpan<byte> headerJson, ReadOnlySpan<byte> payload, IJwsSigner signer)
    {
        int signatureSize = signer.SignatureSize;
        int headerLength = Base64Url.GetEncodedLength(headerJson.Length);
        int inputLength = headerLength + 1 + Base64Url.GetEncodedLength(payload.Length);
        int length = inputLength + 1 + Base64Url.GetEncodedLength(signatureSize);

        byte[]? rented = length > OnStack ? ArrayPool<byte>.Shared.Rent(length) : null;
        Span<byte> token = rented is null ? stackalloc byte[OnStack] : rented;
        token = token[..length];
        try
        {
            _ = Base64Url.EncodeToUtf8(headerJson, token);
            token[headerLength] = (byte)'.';
            _ = Base64Url.EncodeToUtf8(payload, token[(headerLength + 1)..]);
            token[inputLength] = (byte)'.';
            AppendSignature(token[..inputLength], token[(inputLength + 1)..], signatureSize, signer);
            return Encoding.ASCII.GetString(token);
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented, clearArray: true); // a token is a credential
            }
        }
    }

    internal static void WriteCommon(Utf8JsonWriter writer, IJwsSigner signer, string? typ)
    {
        writer.WriteString("alg"u8, signer.Algorithm.Name());
        if (typ is not null)
        {
            writer.WriteString("typ"u8, typ);
        }

        if (signer.KeyId.Length > 0)
        {
            writer.WriteString("kid"u8, signer.KeyId);
        }
    }

    /// <summary>Signs <paramref name="input"/> and encodes the signature into <paramref name="destination"/>.</summary>
    internal static void AppendSignature(ReadOnlySpan<byte> input, Span<byte> destination, int signatureSize, IJwsSigner signer)
    {
        Span<byte> signature = stackalloc byte[JwsAlgorithms.MaxSignatureSize];
        if (signer.Sign(input, signature[..signatureSize]) != signatureSize)
        {
            throw new InvalidOperationException("A signer wrote another number of bytes than it promised.");
        }

        _ = Base64Url.EncodeToUtf8(signature[..signatureSize], destination);
    }
}
