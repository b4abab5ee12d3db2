using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.Seal;
using Microsoft.Extensions.Primitives;

namespace Keyreeve.Seal;

/// <summary>
/// "the signature is valid": of a SEAL KM Request as a whole. Table 5.3.2-1 has no place for it, so it stands in a header, as a detached
/// JWS over the octets of the body as they came. Where it is and what it looks like is ours (docs/spec/choices.md).
/// <code>
/// X-JWS-Signature: BASE64URL({"alg":"ES256","kid":"...","b64":false,"crit":["b64"]}) .. BASE64URL(signature)
///                                                    signed: the first part, a dot, the body
/// </code>
/// </summary>
[Spec("TS 33.434", "5.3.2")]
[Spec("RFC 7797", "6")]
public static class RequestSignature
{
    /// <summary>Where it stands; once.</summary>
    public const string Header = KmRequest.SignatureHeader;

    /// <summary>A signature as it came: read, and not believed.</summary>
    /// <param name="Text">Header, two dots, signature.</param>
    /// <param name="KeyId">Which key the sender means, or null.</param>
    public sealed record Presented(string Text, string? KeyId);

    /// <summary>
    /// Reads the header. Only one form is taken: a body that is signed as it is (b64 false and critical, RFC 7797 section 6), by a key pair.
    /// Who encodes the body before signing has signed something else than what is checked here.
    /// </summary>
    public static Outcome<Presented> Read(StringValues sent)
    {
        if (sent is not [{ } text])
            return Refuse($"{sent.Count} headers {Header} were sent");
        if (!DetachedJws.TryReadHeader(text, out var header, out var error))
            return Refuse($"{Header} does not read: {error}");
        if (!header.UnencodedPayload)
            return Refuse($"{Header} has no b64 false: the body is signed as it is (RFC 7797)");
        // A secret signs for everybody who can check: it says nothing about who sent the request.
        return header.Algorithm is JwsAlgorithm.HS256 ? Refuse($"{Header} is made with a shared secret") : new Presented(text, header.Kid);
    }

    /// <summary>Null when one of the client's keys made it over this body. A key says for itself which algorithm it is for.</summary>
    public static Refusal? WhyNot(Presented signature, ReadOnlySpan<byte> body, JsonWebKeySet? keys, string clientId)
    {
        foreach (var jwk in keys?.Keys ?? [])
        {
            if (signature.KeyId is not null && jwk.Kid is not null && !string.Equals(signature.KeyId, jwk.Kid, StringComparison.Ordinal))
                continue;
            if (jwk.Kty == "oct" || !JwsKey.TryFromJwk(jwk, out var key, out _))
                continue;
            using (key)
                if (DetachedJws.TryVerify(signature.Text, body, key, out _))
                    return null;
        }
        return Refuse($"no registered key of client {clientId} made the signature over the body");
    }

    /// <summary>A signature that is demanded is not there.</summary>
    public static Refusal Missing(string clientId) => Refuse($"client {clientId} signs its key requests (header {Header}), and did not");

    private static Refusal Refuse(string why) => new(RefusalCode.SignatureNotAccepted, KmDecision.PeerText, why);
}
