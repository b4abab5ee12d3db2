using System.Numerics;
using System.Security.Cryptography;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class JwsKeyTests
{
    [Fact]
    [Proves("RFC 7518", "3.1")]
    public void Every_algorithm_has_its_name_and_size()
    {
        Assert.Equal(Enum.GetValues<JwsAlgorithm>(), JwsAlgorithms.All);
        foreach (JwsAlgorithm algorithm in JwsAlgorithms.All)
        {
            Assert.Equal(algorithm.ToString(), algorithm.Name());
            Assert.True(JwsAlgorithms.TryParse(algorithm.Name(), out JwsAlgorithm parsed) && parsed == algorithm);
            Assert.True(JwsAlgorithms.TryParse(TestTokens.Utf8(algorithm.Name()), out parsed) && parsed == algorithm);
        }

        Assert.Equal([64, 96, 256, 384, 32], [JwsAlgorithm.ES256.SignatureSize(), JwsAlgorithm.ES384.SignatureSize(),
            JwsAlgorithm.RS256.SignatureSize(256), JwsAlgorithm.PS256.SignatureSize(384), JwsAlgorithm.HS256.SignatureSize()]);
        Assert.False(JwsAlgorithms.TryParse((string?)null, out _));
    }

    [Fact]
    [Proves("RFC 7518", "3.3")]
    [Proves("RFC 7518", "3.5")]
    [Proves("RFC 7518", "3.4")]
    public void Every_algorithm_signs_and_verifies_and_notices_a_changed_bit()
    {
        foreach (ClientSigningKey signer in (ClientSigningKey[])[TestTokens.NewEs256(), ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP384)),
            ClientSigningKey.FromRsa(RSA.Create(2048), JwsAlgorithm.RS256), ClientSigningKey.FromRsa(RSA.Create(2048), JwsAlgorithm.PS256), TestTokens.NewHs256()])
        {
            using JwsKey verifier = signer.PublicJwk is null ? JwsKey.FromSecret(TestTokens.Secret, "s") : TestTokens.VerifierOf(signer);
            byte[] signature = new byte[signer.SignatureSize];
            Assert.Equal(signature.Length, signer.Sign("input"u8, signature));
            Assert.Equal([signer.Algorithm], verifier.Algorithms);
            Assert.True(verifier.Verify(signer.Algorithm, "input"u8, signature));
            Assert.False(verifier.Verify(signer.Algorithm, "inpuT"u8, signature));
            Assert.False(verifier.Verify(signer.Algorithm, "input"u8, signature.AsSpan(1)));
            signature[^1] ^= 1;
            Assert.False(verifier.Verify(signer.Algorithm, "input"u8, signature));
            foreach (JwsAlgorithm other in JwsAlgorithms.All.Where(a => a != signer.Algorithm))
            {
                signature[^1] ^= 1;
                Assert.False(verifier.Verify(other, "input"u8, signature));
            }

            signer.Dispose();
        }
    }

    [Fact]
    [Proves("RFC 7518", "3.5")]
    public void A_pss_signature_with_a_salt_of_another_length_is_refused()
    {
        using var rsa = RSA.Create(2048);
        using JwsKey key = JwsKey.FromRsa(rsa, null, JwsAlgorithm.PS256);
        RSAParameters parameters = rsa.ExportParameters(true);
        byte[] input = TestTokens.Utf8("input");

        Assert.True(key.Verify(JwsAlgorithm.PS256, input, Pss(parameters, input, saltLength: 32)));
        foreach (int other in (int[])[0, 20, 31, 33, 64, 222])
        {
            Assert.False(key.Verify(JwsAlgorithm.PS256, input, Pss(parameters, input, other)));
        }
    }

    [Fact]
    [Proves("RFC 7518", "3.2")]
    public void An_hmac_secret_shorter_than_the_hash_is_refused()
    {
        Assert.Throws<ArgumentException>(() => JwsKey.FromSecret(new byte[31], null));
        Assert.Throws<ArgumentException>(() => JwsKey.FromSecret(new byte[JoseLimits.MaxSecretLength + 1], null));
        Assert.Throws<ArgumentException>(() => ClientSigningKey.FromSecret(new byte[31]));
        JwsKey.FromSecret(new byte[32], null).Dispose();
    }

    [Fact]
    public void Another_curve_is_refused()
    {
        using var p521 = ECDsa.Create(ECCurve.NamedCurves.nistP521);
        Assert.Throws<ArgumentException>(() => JwsKey.FromEcdsa(p521, null));
        Assert.Throws<ArgumentException>(() => JsonWebKey.FromEcdsa(p521));
        using var rsa = RSA.Create(2048);
        Assert.Throws<ArgumentException>(() => JwsKey.FromRsa(rsa, null, JwsAlgorithm.ES256));
    }

    [Fact]
    public void A_key_verifies_for_many_threads_at_once()
    {
        using ClientSigningKey signer = TestTokens.NewEs256();
        using JwsKey verifier = TestTokens.VerifierOf(signer);
        int right = 0;
        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            byte[] input = BitConverter.GetBytes(i);
            byte[] signature = new byte[64];
            signer.Sign(input, signature);
            bool good = verifier.Verify(JwsAlgorithm.ES256, input, signature);
            signature[10] ^= 4;
            bool bad = verifier.Verify(JwsAlgorithm.ES256, input, signature);
            Interlocked.Add(ref right, good && !bad ? 1 : 0);
        });
        Assert.Equal(400, right);
    }

    [Fact]
    public void A_disposed_key_verifies_nothing()
    {
        using ClientSigningKey signer = TestTokens.NewEs256();
        JwsKey verifier = TestTokens.VerifierOf(signer);
        byte[] signature = new byte[64];
        signer.Sign("input"u8, signature);
        Assert.True(verifier.Verify(JwsAlgorithm.ES256, "input"u8, signature));
        verifier.Dispose();
        verifier.Dispose();
        Assert.False(verifier.Verify(JwsAlgorithm.ES256, "input"u8, signature));

        JwsKey secret = JwsKey.FromSecret(TestTokens.Secret, null);
        secret.Dispose();
        Assert.False(secret.Verify(JwsAlgorithm.HS256, "input"u8, HMACSHA256.HashData(new byte[32], "input"u8)));
    }

    [Fact]
    public void A_key_outlives_the_provider_it_was_made_from()
    {
        var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] signature = ecdsa.SignData(TestTokens.Utf8("input"), HashAlgorithmName.SHA256);
        using JwsKey key = JwsKey.FromEcdsa(ecdsa, "k");
        ecdsa.Dispose();
        Assert.True(key.Verify(JwsAlgorithm.ES256, "input"u8, signature));
        Assert.Equal("k", key.Kid);
    }

    /// <summary>EMSA-PSS of RFC 8017, 9.1.1, with SHA-256 and a salt of zeros of any length.</summary>
    private static byte[] Pss(RSAParameters key, byte[] message, int saltLength)
    {
        int length = key.Modulus!.Length;
        byte[] salt = new byte[saltLength];
        byte[] hash = SHA256.HashData((byte[])[.. new byte[8], .. SHA256.HashData(message), .. salt]);
        byte[] block = [.. new byte[length - saltLength - hash.Length - 2], 1, .. salt];
        byte[] mask = [];
        for (byte counter = 0; mask.Length < block.Length; counter++)
        {
            mask = [.. mask, .. SHA256.HashData((byte[])[.. hash, 0, 0, 0, counter])];
        }

        byte[] encoded = [.. block.Select((b, i) => (byte)(b ^ mask[i])), .. hash, 0xbc];
        encoded[0] &= 0x7f;
        BigInteger Number(byte[] bytes) => new(bytes, isUnsigned: true, isBigEndian: true);
        byte[] power = BigInteger.ModPow(Number(encoded), Number(key.D!), Number(key.Modulus)).ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[length - power.Length], .. power];
    }
}
