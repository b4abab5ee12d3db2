using System.Security.Cryptography;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Clients;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.Seal;
using Microsoft.Extensions.Primitives;

namespace Keyreeve.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// What protects key management between SKM-C and SKM-S themselves, whoever ends TLS between them: "all client related material
/// transferred between the KM server and KM client should be end-to-end protected". A demand stands in the client's registration or in
/// the settings; each of them adds and none takes away. What is demanded and cannot be had is refused.
/// </summary>
[Spec("TS 33.434", "5.1.1.4")]
public sealed class EndToEnd(SnapshotState state, RemoteKeys remoteKeys, SealSettings settings)
{
    /// <summary>The client that a token was issued to, as it is registered now.</summary>
    public async ValueTask<Outcome<Client>> ClientOfAsync(VerifiedToken token, CancellationToken cancel) =>
        await state.FindClientAsync(token.ClientId, cancel) is { Disabled: false } client
            ? client
            : new Refusal(RefusalCode.NotOwner, KmDecision.PeerText, $"client {token.ClientId} is switched off or removed");

    /// <summary>Null when the body is signed as it must be. A signature that nobody demanded is checked all the same.</summary>
    public async ValueTask<Refusal?> WhyNotSignedAsync(Client client, StringValues sent, ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        if (sent.Count == 0)
            return IsSigning(client) ? RequestSignature.Missing(client.ClientId) : null;
        if (!RequestSignature.Read(sent).Succeeded(out var signature, out var refusal))
            return refusal;
        var keys = client.KeysUri is null ? client.Keys : await remoteKeys.FindAsync(client, set => RemoteKeys.Names(set, signature.KeyId), cancel);
        return client.KeysUri is not null && keys is null ? KeysAway(client) : RequestSignature.WhyNot(signature, body.Span, keys, client.ClientId);
    }

    /// <summary>
    /// For a door that takes no signature: null when nothing is demanded, or when the token is good only with a certificate that is the
    /// client's own, whose key then answers for the request as the signing key would.
    /// </summary>
    public Refusal? WhyNotProved(Client client, VerifiedToken token) => !IsSigning(client) || (token.IsBound && IsKnownByKey(client))
        ? null
        : new Refusal(RefusalCode.SignatureNotAccepted, KmDecision.PeerText,
            $"client {client.ClientId} signs its key requests, and this API takes no signature: it asks by the SEAL KM Request or KP Request, or with a token that is bound to its certificate (boundTokens), once it has requireCertificate or no secret to authenticate by");

    /// <summary>The key material for the client alone, as a compact JWE; neither that nor a refusal when it is not to be encrypted.</summary>
    [Spec("TS 33.434", "5.3.3")]
    public async ValueTask<(string? Jwe, Refusal? Refusal)> EncryptAsync(Client client, ReadOnlyMemory<byte> payload, CancellationToken cancel)
    {
        if (!client.EncryptedKeyMaterial && !settings.EncryptsAll)
            return (null, null);
        var keys = client.KeysUri is null ? client.Keys : await remoteKeys.FindAsync(client, HasReader, cancel);
        if (client.KeysUri is not null && keys is null)
            return (null, KeysAway(client));
        return TokenEncryption.KeyOf(client with { Keys = keys }) is { } reader
            ? (reader.Encrypt(payload.Span, JweKeyManagement.EcdhEsA256Kw, JweContent.A256Gcm, new JweLabels(KmResponse.EncryptedPayloadType, null, null), RandomNumberGenerator.Fill), null)
            : (null, new Refusal(RefusalCode.Unavailable, "the server could not complete the request",
                $"key material for client {client.ClientId} is encrypted, and it has no key for that: register an EC key of use enc (alg ECDH-ES+A256KW) in its jwks"));
    }

    private static bool HasReader(JsonWebKeySet keys) => keys.Keys.Any(TokenEncryption.IsReader);

    private bool IsSigning(Client client) => client.SignedKeyRequests || settings.AllSign;

    /// <summary>
    /// Whether only the client itself can have its token bound to a certificate, or use it. With a secret any certificate binds a token, one
    /// that a thief of the secret has made too; so every way to get a token needs a key that is registered, or every call the certificate.
    /// </summary>
    private static bool IsKnownByKey(Client client) => client.RequireCertificate
        || client.AuthMethods.All(method => method is ClientAuthMethod.PrivateKeyJwt or ClientAuthMethod.TlsClientAuth or ClientAuthMethod.SelfSignedTls);

    private static Refusal KeysAway(Client client) =>
        new(RefusalCode.Busy, "please try again", $"the keys of client {client.ClientId} cannot be fetched from its jwks_uri: the log of RemoteKeys says why");
}
