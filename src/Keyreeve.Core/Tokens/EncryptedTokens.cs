using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// Nested access tokens: signed by us, then encrypted for a resource server (RFC 7519 11.2: sign first, "to prevent attacks in which the
/// signature is stripped"). The content key is not drawn but derived of a secret of ours and the token's <c>jti</c>, which stands in the
/// protected header: so revocation and introspection open what is presented to them without a list of tokens and without the
/// resource server's key. A <c>jti</c> is 128 random bits, so a key encrypts one token, and it tells nothing of whose it is.
/// </summary>
/// <remarks>The secret is made with the first token and lies in the store, sealed; all nodes have the same.</remarks>
[Spec("RFC 7519", "11.2")]
public sealed class EncryptedTokens(ISealedStore store, Kek kek, TimeProvider clock) : IDisposable
{
    private const string SecretName = "token-encryption";

    private byte[]? _secret;

    /// <summary>A signed access token for its reader.</summary>
    public async ValueTask<string> EncryptAsync(string accessToken, string jwtId, JweRecipient reader)
    {
        var key = KeyOf(await SecretAsync(), jwtId);
        try
        {
            return reader.Encrypt(Encoding.ASCII.GetBytes(accessToken), JweKeyManagement.EcdhEsA256Kw, JweContent.A256Gcm, new JweLabels("at+jwt", "JWT", jwtId), key, RandomNumberGenerator.Fill);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>The signed token in an encrypted one that we made, to be verified like any other; null for everything else.</summary>
    public async ValueTask<string?> OpenAsync(string text, CancellationToken cancel)
    {
        if (!JweCompact.TryRead(text, out var jwe, out _) || jwe.Header is not { JwtId: { Length: > 0 } jwtId, Content: JweContent.A256Gcm }
            || (_secret ?? await FindSecretAsync(cancel)) is not { } secret)
            return null;
        var key = KeyOf(secret, jwtId);
        var opened = jwe.TryDecrypt(key, out var plaintext);
        CryptographicOperations.ZeroMemory(key);
        return opened ? Encoding.ASCII.GetString(plaintext!) : null;
    }

    /// <inheritdoc />
    public void Dispose() => CryptographicOperations.ZeroMemory(_secret);

    private static byte[] KeyOf(byte[] secret, string jwtId) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, salt: null, info: Encoding.UTF8.GetBytes("keyreeve access token " + jwtId));

    private async ValueTask<byte[]> SecretAsync()
    {
        if (_secret is { } known)
            return known;
        if (await FindSecretAsync(CancellationToken.None) is { } found)
            return found;
        var made = RandomNumberGenerator.GetBytes(32);
        var stored = await store.AddIfAbsentAsync(SecretName, kek.Seal(SecretName, made), new AuditEntry
        {
            Kind = "token_encryption.started",
            Outcome = AuditOutcome.Changed,
            At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
            Actor = "system",
            Detail = "the secret of encrypted access tokens was made",
        }, CancellationToken.None);
        CryptographicOperations.ZeroMemory(made);
        return Open(stored);
    }

    private async ValueTask<byte[]?> FindSecretAsync(CancellationToken cancel) => await store.FindAsync(SecretName, cancel) is { } stored ? Open(stored) : null;

    private byte[] Open(byte[] stored) => _secret = kek.TryOpen(SecretName, stored, out var secret)
        ? secret
        : throw new InvalidOperationException("the secret of encrypted access tokens does not open: " + kek.WhyNot(stored));
}
