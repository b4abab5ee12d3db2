using System.Text.Json;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class JoseVectorTests
{
    private const string JsonOnly = "exists in JSON serialization only, which nothing here speaks";
    private const string KeyForEncryption = "a key for encryption; that it is refused is tested by name";

    /// <summary>Compact JWS: where the key, the token and (if it can be made again) the deterministic signature are.</summary>
    public static TheoryData<string> Compact { get; } =
        ["rfc7515-A.1", "rfc7515-A.2", "rfc7515-A.3", "rfc7797-4.1-control", "rfc7520-4_1.rsa_v15_signature",
         "rfc7520-4_4.hmac-sha2_integrity_protection", "rfc7520-6-nested"];

    /// <summary>Compact JWS of algorithms that do not exist here.</summary>
    public static TheoryData<string> UnknownAlgorithm { get; } =
        ["rfc7515-A.4", "rfc7520-4_2.rsa-pss_signature", "rfc7520-4_3.ecdsa_signature", "curve25519-jws"];

    private static readonly string[] Detached =
        ["rfc7797-4.2-detached", "rfc7797-extra-compact-b64false", "cookbook-rfc7797-4.2-STALE", "rfc7520-4_5.signature_with_detached_content"];

    private static readonly string[] Keys =
        ["rfc7520-jwk-3_1.ec_public_key", "rfc7520-jwk-3_2.ec_private_key", "rfc7520-jwk-3_3.rsa_public_key", "rfc7520-jwk-3_4.rsa_private_key",
         "rfc7520-jwk-3_5.symmetric_key_mac_computation", "rfc7520-jwk-3_6.symmetric_key_encryption", "rfc7638-3.1"];

    private static readonly Dictionary<string, string> DoNotApply = new()
    {
        ["rfc7520-4_6.protecting_specific_header_fields"] = JsonOnly,
        ["rfc7520-4_7.protecting_content_only"] = JsonOnly,
        ["rfc7520-4_8.multiple_signatures"] = JsonOnly,
    };

    [Fact]
    public void Every_published_example_is_run_or_says_why_not()
    {
        IEnumerable<string> named = Compact.Select(row => row.Data).Concat(UnknownAlgorithm.Select(row => row.Data))
            .Concat(Detached).Concat(Keys).Concat(DoNotApply.Keys);
        Assert.Equal(JoseVectors.All.Select(JoseVectors.Id).Order(), named.Order());
        Assert.All(DoNotApply.Values, reason => Assert.Equal(JsonOnly, reason));
    }

    [Theory]
    [MemberData(nameof(Compact))]
    [Proves("RFC 7515", "5.2")]
    [Proves("RFC 7515", "3.1")]
    public void A_published_token_verifies_under_its_key_and_no_other(string id)
    {
        (JsonElement key, string token, JwsAlgorithm algorithm) = Parts(id);
        JwsCompact jws = TestTokens.Read(token);
        Assert.Equal(algorithm, jws.Header.Algorithm);

        using JwsKey own = Verifier(key);
        Assert.True(jws.Verify(own));
        Assert.Equal(token[..token.LastIndexOf('.')], System.Text.Encoding.ASCII.GetString(jws.SigningInput));

        using ClientSigningKey other = TestTokens.NewEs256();
        using JwsKey stranger = TestTokens.VerifierOf(other);
        using JwsKey sameKind = JwsKey.FromSecret(TestTokens.Secret, null);
        Assert.False(jws.Verify(stranger));
        Assert.False(jws.Verify(sameKind));
    }

    [Theory]
    [MemberData(nameof(Compact))]
    [Proves("RFC 7515", "5.1")]
    [Proves("RFC 7518", "3.2")]
    [Proves("RFC 7518", "3.3")]
    public void A_published_token_is_written_again(string id)
    {
        (JsonElement key, string token, JwsAlgorithm algorithm) = Parts(id);
        JwsCompact published = TestTokens.Read(token);
        using ClientSigningKey signer = Signer(key, algorithm);

        string written = JwsWriter.Write(published.HeaderJson.Span, published.Payload.Span, signer);

        if (algorithm is JwsAlgorithm.HS256 or JwsAlgorithm.RS256)
        {
            Assert.Equal(token, written);
        }
        else
        {
            Assert.Equal(token[..token.LastIndexOf('.')], written[..written.LastIndexOf('.')]);
            using JwsKey verifier = Verifier(key);
            Assert.True(TestTokens.Read(written).Verify(verifier));
        }
    }

    [Theory]
    [MemberData(nameof(UnknownAlgorithm))]
    [Proves("RFC 7518", "3.1")]
    public void A_published_token_of_an_algorithm_that_does_not_exist_here_is_refused(string id)
    {
        JsonElement vector = JoseVectors.Get(id);
        string token = vector.TryGetProperty("compact", out JsonElement compact)
            ? compact.GetString()!
            : JoseVectors.At(vector.TryGetProperty("data", out JsonElement data) ? data : vector, "output", "compact").GetString()!;
        Assert.Equal(JoseError.UnsupportedAlgorithm, TestTokens.ErrorOf(token));
    }

    [Fact]
    [Proves("RFC 7797", "3")]
    [Proves("RFC 7797", "6")]
    public void The_unencoded_detached_examples_verify_and_are_written_again()
    {
        JsonElement detached = JoseVectors.Get("rfc7797-4.2-detached");
        AssertDetached(
            JoseVectors.Text(detached, "compact"), JoseVectors.Text(detached, "payload_text"), detached.GetProperty("key"), unencoded: true);

        JsonElement extra = JoseVectors.Get("rfc7797-extra-compact-b64false");
        AssertDetached(
            JoseVectors.Text(extra, "protected_b64u") + ".." + JoseVectors.Text(extra, "signature"),
            JoseVectors.Text(extra, "payload_text"), extra.GetProperty("key"), unencoded: true);
    }

    [Fact]
    [Proves("RFC 7515", "F")]
    public void The_encoded_detached_example_verifies_and_is_written_again()
    {
        JsonElement vector = JoseVectors.Get("rfc7520-4_5.signature_with_detached_content");
        AssertDetached(
            JoseVectors.At(vector, "output", "compact").GetString()!, JoseVectors.At(vector, "input", "payload").GetString()!,
            JoseVectors.At(vector, "input", "key"), unencoded: false);
    }

    [Fact]
    public void An_unencoded_payload_between_the_dots_is_refused()
    {
        JsonElement extra = JoseVectors.Get("rfc7797-extra-compact-b64false");
        string token = $"{JoseVectors.Text(extra, "protected_b64u")}.{JoseVectors.Text(extra, "payload_text")}.{JoseVectors.Text(extra, "signature")}";
        Assert.Equal(JoseError.UnencodedPayloadNotAllowed, TestTokens.ErrorOf(token));
    }

    [Fact]
    [Proves("RFC 7797", "6")]
    public void B64_false_without_crit_is_refused_as_in_the_stale_cookbook_example()
    {
        JsonElement stale = JoseVectors.Get("cookbook-rfc7797-4.2-STALE");
        string header = JoseVectors.Text(stale, "protected_b64u");
        string signature = JoseVectors.Text(stale, "signature");
        using JwsKey key = Verifier(stale.GetProperty("key"));

        Assert.False(DetachedJws.TryVerify($"{header}..{signature}", TestTokens.Utf8("$.02"), key, out JoseError error));
        Assert.Equal(JoseError.BadHeader, error);
        Assert.Equal(JoseError.BadHeader, TestTokens.ErrorOf($"{header}.{TestTokens.Encode("$.02")}.{signature}"));
    }

    [Fact]
    [Proves("RFC 7517", "4")]
    public void The_published_keys_are_read_as_what_they_are()
    {
        Assert.Equal(JoseError.UnsupportedKey, PublicError("rfc7520-jwk-3_1.ec_public_key")); // P-521
        Assert.Equal(JoseError.PrivateKeyNotAllowed, PublicError("rfc7520-jwk-3_2.ec_private_key"));
        Assert.Equal(JoseError.None, PublicError("rfc7520-jwk-3_3.rsa_public_key"));
        Assert.Equal(JoseError.PrivateKeyNotAllowed, PublicError("rfc7520-jwk-3_4.rsa_private_key"));
        Assert.Equal(JoseError.PrivateKeyNotAllowed, PublicError("rfc7520-jwk-3_5.symmetric_key_mac_computation"));
        Assert.Equal(JoseError.PrivateKeyNotAllowed, PublicError("rfc7520-jwk-3_6.symmetric_key_encryption"));

        Assert.False(ClientSigningKey.TryReadPrivate(Jwk("rfc7520-jwk-3_2.ec_private_key"), out _, out JoseError error));
        Assert.Equal(JoseError.UnsupportedKey, error);
        Assert.True(ClientSigningKey.TryReadPrivate(Jwk("rfc7520-jwk-3_4.rsa_private_key"), out ClientSigningKey? rsa, out _, JwsAlgorithm.PS256));
        rsa.Dispose();
    }

    [Fact]
    [Proves("RFC 7518", "6.4")]
    public void The_published_secret_for_signatures_is_taken_and_the_one_for_encryption_is_not()
    {
        Assert.True(JsonWebKey.TryReadSecret(Jwk("rfc7520-jwk-3_5.symmetric_key_mac_computation"), out JsonWebKey? mac, out _));
        Assert.True(JwsKey.TryFromJwk(mac, out JwsKey? key, out _));
        key.Dispose();

        Assert.True(JsonWebKey.TryReadSecret(Jwk("rfc7520-jwk-3_6.symmetric_key_encryption"), out JsonWebKey? enc, out _));
        Assert.False(JwsKey.TryFromJwk(enc, out _, out JoseError error), KeyForEncryption);
        Assert.Equal(JoseError.KeyAlgorithmMismatch, error);
    }

    [Fact]
    [Proves("RFC 7638", "3")]
    public void The_published_thumbprint_is_computed()
    {
        JsonElement vector = JoseVectors.Get("rfc7638-3.1");
        Assert.True(JsonWebKey.TryRead(vector.GetProperty("jwk"), out JsonWebKey? key, out _));
        Assert.Equal(JoseVectors.Text(vector, "thumbprint"), key.Thumbprint());
    }

    private static void AssertDetached(string detached, string body, JsonElement jwk, bool unencoded)
    {
        byte[] bytes = TestTokens.Utf8(body);
        using JwsKey key = Verifier(jwk);
        Assert.True(DetachedJws.TryVerify(detached, bytes, key, out JoseError error), error.ToString());
        Assert.False(DetachedJws.TryVerify(detached, TestTokens.Utf8(body + " "), key, out error));
        Assert.Equal(JoseError.BadSignature, error);

        using ClientSigningKey signer = Signer(jwk, JwsAlgorithm.HS256);
        Assert.Equal(detached, DetachedJws.Write(bytes, signer, unencoded));
    }

    private static JoseError PublicError(string id)
    {
        _ = JsonWebKey.TryRead(Jwk(id), out _, out JoseError error);
        return error;
    }

    private static byte[] Jwk(string id) => JoseVectors.Raw(JoseVectors.Get(id).GetProperty("jwk"));

    private static (JsonElement Key, string Token, JwsAlgorithm Algorithm) Parts(string id)
    {
        JsonElement vector = JoseVectors.Get(id);
        if (vector.TryGetProperty("compact", out JsonElement compact))
        {
            return (vector.GetProperty("key"), compact.GetString()!, Algorithm(vector.GetProperty("alg")));
        }

        JsonElement example = vector.TryGetProperty("data", out JsonElement nested) ? nested.GetProperty("sign") : vector;
        return (JoseVectors.At(example, "input", "key"), JoseVectors.At(example, "output", "compact").GetString()!,
            Algorithm(JoseVectors.At(example, "input", "alg")));
    }

    private static JwsAlgorithm Algorithm(JsonElement name)
    {
        Assert.True(JwsAlgorithms.TryParse(name.GetString(), out JwsAlgorithm algorithm));
        return algorithm;
    }

    private static ClientSigningKey Signer(JsonElement jwk, JwsAlgorithm algorithm)
    {
        if (JoseVectors.Text(jwk, "kty") == "oct")
        {
            Assert.True(Base64UrlStrict.TryDecode(JoseVectors.Text(jwk, "k"), out byte[]? secret));
            return ClientSigningKey.FromSecret(secret, jwk.TryGetProperty("kid", out JsonElement kid) ? kid.GetString() : null);
        }

        JwsAlgorithm? rsa = algorithm is JwsAlgorithm.RS256 or JwsAlgorithm.PS256 ? algorithm : null;
        Assert.True(ClientSigningKey.TryReadPrivate(JoseVectors.Raw(jwk), out ClientSigningKey? key, out JoseError error, rsa), error.ToString());
        return key;
    }

    private static JwsKey Verifier(JsonElement jwk)
    {
        JwsKey? key;
        if (JoseVectors.Text(jwk, "kty") == "oct")
        {
            Assert.True(JsonWebKey.TryReadSecret(JoseVectors.Raw(jwk), out JsonWebKey? secret, out _));
            Assert.True(JwsKey.TryFromJwk(secret, out key, out _));
            return key;
        }

        var members = jwk.EnumerateObject().Where(member => member.Name is not ("d" or "p" or "q" or "dp" or "dq" or "qi"));
        string publicJson = "{" + string.Join(",", members.Select(member => $"\"{member.Name}\":{member.Value.GetRawText()}")) + "}";
        Assert.True(JsonWebKey.TryRead(TestTokens.Utf8(publicJson), out JsonWebKey? read, out _));
        Assert.True(JwsKey.TryFromJwk(read, out key, out _));
        return key;
    }
}
