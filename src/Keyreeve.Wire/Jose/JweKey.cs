using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// A key that opens JWEs: an EC private key, or a secret shared with the writer. It alone says which algorithms it may be used with.
/// Never printed, never written.
/// </summary>
public sealed class JweKey : IDisposable
{
    private readonly Lock oneAtATime = new();
    private readonly EcCurve? curve;
    private readonly ECDiffieHellman? ecdh;
    private readonly byte[]? secret;

    private JweKey(ECDiffieHellman ecdh, EcCurve curve, string? kid) => (this.ecdh, this.curve, Kid) = (ecdh, curve, kid);

    private JweKey(byte[] secret, string? kid) => (this.secret, Kid) = (secret, kid);

    /// <summary>The key's name, if it has one.</summary>
    public string? Kid { get; }

    /// <summary>Takes over a P-256 or P-384 key; it is disposed with this.</summary>
    /// <exception cref="ArgumentException">Another curve.</exception>
    public static JweKey FromEcdh(ECDiffieHellman key, string? kid = null)
    {
        ECParameters parameters = key.ExportParameters(includePrivateParameters: false);
        EcCurve known = EcCurve.Of(parameters.Curve) ?? throw new ArgumentException("Only P-256 and P-384 are supported.", nameof(key));
        return new JweKey(key, known, kid);
    }

    /// <summary>Copies a shared secret: 16 bytes for A128KW, 32 for A256KW.</summary>
    /// <exception cref="ArgumentException">Another length.</exception>
    [Spec("RFC 7518", "4.4")]
    public static JweKey FromSecret(ReadOnlySpan<byte> secret, string? kid = null) => secret.Length is 16 or 32
        ? new JweKey(secret.ToArray(), kid)
        : throw new ArgumentException("A key for AES Key Wrap has 16 or 32 bytes.", nameof(secret));

    /// <summary>
    /// Reads a private EC key in JWK form, for encryption: <c>use</c> "enc" or absent, <c>alg</c> one that agrees or absent.
    /// </summary>
    public static bool TryReadPrivate(ReadOnlySpan<byte> json, [NotNullWhen(true)] out JweKey? key, out JoseError error)
    {
        error = JwkMembers.ReadSecret(json, Import, out key);
        return error == JoseError.None;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (oneAtATime)
        {
            ecdh?.Dispose();
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>The kind and the name; never the key.</summary>
    public override string ToString() => $"JweKey {{ {curve?.Name ?? "oct"}, {Kid} }}";

    /// <summary>The content key of a JWE for this key; the caller clears it.</summary>
    internal bool TryContentKey(JweHeader header, ReadOnlySpan<byte> encryptedKey, out byte[] contentKey)
    {
        contentKey = [];
        JweKeyManagement management = header.KeyManagement;
        if (!management.Agrees())
        {
            return secret is not null && secret.Length == management.WrappingKeySize()
                && AesKeyWrap.TryUnwrap(secret, encryptedKey, out contentKey);
        }

        if (ecdh is null || !TryAgree(header, out byte[] agreed))
        {
            return false;
        }

        if (management == JweKeyManagement.EcdhEs)
        {
            contentKey = agreed;
            return true;
        }

        bool unwrapped = AesKeyWrap.TryUnwrap(agreed, encryptedKey, out contentKey);
        CryptographicOperations.ZeroMemory(agreed);
        return unwrapped;
    }

    /// <summary>The provider refuses a point that is not on the curve: the invalid curve attack would read our key with a few of them.</summary>
    private bool TryAgree(JweHeader header, out byte[] agreed)
    {
        agreed = [];
        JsonWebKey epk = header.EphemeralKey!;
        if (epk.Crv != curve!.Name)
        {
            return false;
        }

        try
        {
            using ECDiffieHellman theirs = EcAgreement.Import(epk);
            byte[] z;
            lock (oneAtATime)
            {
                z = ecdh!.DeriveRawSecretAgreement(theirs.PublicKey);
            }

            agreed = EcAgreement.Derive(z, header.KeyManagement, header.Content, header.PartyU.Span, header.PartyV.Span);
            return true;
        }
        catch (Exception refused) when (refused is CryptographicException or ObjectDisposedException)
        {
            return false;
        }
    }

    private static JoseError Import(in JwkMembers members, out JweKey? key)
    {
        key = null;
        JoseError error = JsonWebKey.FromPublicMembers(members, out JsonWebKey? jwk);
        if (error != JoseError.None)
        {
            return error;
        }

        if (!EcAgreement.IsFor(jwk!))
        {
            return JoseError.KeyAlgorithmMismatch;
        }

        EcCurve known = EcCurve.ByName(jwk!.Crv)!;
        if (!Base64UrlStrict.TryDecode(members.D, out byte[]? d) || d.Length != known.FieldSize)
        {
            return JoseError.BadKey;
        }

        try
        {
            ECParameters parameters = EcAgreement.ParametersOf(jwk);
            parameters.D = d;
            key = new JweKey(ECDiffieHellman.Create(parameters), known, jwk.Kid);
            return JoseError.None;
        }
        catch (CryptographicException)
        {
            return JoseError.BadKey;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(d);
        }
    }
}
