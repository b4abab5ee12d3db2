using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;

namespace Keyreeve.Wire.Seal;

/// <summary>
/// ValKeyInfo of TS 29.549, what SS_KeyInfoRetrieval answers with.
/// <code>
/// { "userUri": "https://...", "skmsId": "...", "valService": "...",
///   "valTgtUe": { "valUserId" | "valUeId": "..." },      as asked; absent for the record of the service alone
///   "keyInfo": "..." }                                   base64url of the payload's octets, or a JWE of them: that has four dots (docs/spec/choices.md)
/// </code>
/// </summary>
/// <param name="UserUri">Whom the answer is for.</param>
/// <param name="SKmsId">The SKM-S.</param>
/// <param name="ServiceId">VAL service ID.</param>
/// <param name="Target">Whose key material, or null.</param>
[Spec("TS 29.549", "SS_KeyInfoRetrieval")]
public sealed record ValKeyInfo(string UserUri, string SKmsId, string ServiceId, KmIdentity? Target)
{
    /// <summary>Writes the object; the key material is given here only, so that no record holds it.</summary>
    public void Write(IBufferWriter<byte> output, ReadOnlySpan<byte> payload)
    {
        var text = new byte[Base64Url.GetEncodedLength(payload.Length)];
        Base64Url.EncodeToUtf8(payload, text);
        WriteText(output, text);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(text);
    }

    /// <summary>Writes the object around key material that is encrypted for its receiver.</summary>
    public void Write(IBufferWriter<byte> output, string jwe) => WriteText(output, System.Text.Encoding.ASCII.GetBytes(jwe));

    private void WriteText(IBufferWriter<byte> output, ReadOnlySpan<byte> keyInfo)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteString("userUri"u8, UserUri);
        json.WriteString("skmsId"u8, SKmsId);
        json.WriteString("valService"u8, ServiceId);
        if (Target is { } target)
        {
            json.WritePropertyName("valTgtUe"u8);
            ValTargetUe.Write(json, target);
        }
        json.WriteString("keyInfo"u8, keyInfo);
        json.WriteEndObject();
    }
}
