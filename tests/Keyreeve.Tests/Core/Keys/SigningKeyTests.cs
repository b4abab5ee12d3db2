using System.Text;
using System.Text.Json;
using Keyreeve.Core.Keys;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Core.Keys;

public sealed class SigningKeyTests
{
    [Theory]
    [InlineData(JwsAlgorithm.ES256)]
    [InlineData(JwsAlgorithm.ES384)]
    [InlineData(JwsAlgorithm.RS256)]
    [InlineData(JwsAlgorithm.PS256)]
    public void What_a_stored_key_signs_verifies_by_its_public_half(JwsAlgorithm algorithm)
    {
        using var kek = Samples.NewKek();
        var (row, made) = SigningKey.Generate(algorithm, 3, Samples.Now, Samples.Now.AddDays(1), kek);
        using (made)
        using (var opened = SigningKey.Open(row, kek))
        {
            Assert.NotNull(opened);
            Assert.Equal((made.KeyId, algorithm, 3), (opened.KeyId, opened.Algorithm, opened.Row.Generation));
            Assert.Equal((Samples.Now.ToUnixTimeSeconds(), Samples.Now.AddDays(1).ToUnixTimeSeconds()), (row.CreatedAt, row.ActivatesAt));
            Assert.Equal(made.PublicKey.Thumbprint(), opened.KeyId);
            foreach (var key in new[] { made, opened })
            {
                Assert.True(JwsCompact.TryRead(JwsWriter.Write(key.HeaderAccessToken, "{}"u8, key), out var jws, out _));
                Assert.Equal((algorithm, made.KeyId), (jws.Header.Algorithm, jws.Header.Kid));
                Assert.True(jws.Header.HasTyp("at+jwt"));
                Assert.True(JwsKey.TryFromJwk(made.PublicKey, out var verifier, out _));
                using (verifier)
                    Assert.True(jws.Verify(verifier));
            }
        }
    }

    [Fact]
    public void The_wrong_kek_or_a_row_under_another_name_opens_nothing()
    {
        using var kek = Samples.NewKek();
        using var other = Samples.NewKek(8);
        using var key = Samples.NewKey(kek);
        Assert.Null(SigningKey.Open(key.Row, other));
        Assert.Null(SigningKey.Open(key.Row with { KeyId = "another" }, kek));
        Assert.Null(SigningKey.Open(key.Row with { SealedPrivateKey = [] }, kek));
        Assert.Null(SigningKey.Open(key.Row with { SealedPrivateKey = key.Row.SealedPrivateKey[..^1] }, kek));
    }

    [Fact]
    public void A_shared_secret_is_never_a_signing_key()
    {
        using var kek = Samples.NewKek();
        Assert.Throws<ArgumentOutOfRangeException>(() => SigningKey.Generate(JwsAlgorithm.HS256, 1, Samples.Now, Samples.Now, kek));
    }

    [Fact]
    public void It_prints_as_its_name_and_tells_the_public_half_only()
    {
        using var kek = Samples.NewKek();
        using var key = Samples.NewKey(kek, algorithm: JwsAlgorithm.RS256);
        Assert.Equal("RS256 " + key.KeyId, key.ToString());
        AssertPublic(Written(key.PublicKey));
    }

    [Fact]
    public void Many_threads_sign_at_once()
    {
        using var kek = Samples.NewKek();
        using var key = Samples.NewKey(kek);
        Assert.True(JwsKey.TryFromJwk(key.PublicKey, out var verifier, out _));
        using (verifier)
            Parallel.For(0, 400, i =>
            {
                if (!JwsCompact.TryRead(JwsWriter.Write(key.HeaderAccessToken, Encoding.ASCII.GetBytes($"{{\"n\":{i}}}"), key), out var jws, out _) || !jws.Verify(verifier))
                    throw new InvalidOperationException($"token {i} does not verify");
            });
    }

    internal static void AssertPublic(JsonElement jwk)
    {
        var names = jwk.EnumerateObject().Select(m => m.Name).ToList();
        Assert.All(names, name => Assert.Contains(name, new[] { "kty", "crv", "x", "y", "n", "e", "kid", "use", "alg" }));
        Assert.Equal(names.Count, names.Distinct().Count());
        Assert.Contains("kid", names);
        Assert.Contains("alg", names);
        Assert.Equal("sig", jwk.GetProperty("use").GetString());
    }

    private static JsonElement Written(JsonWebKey key)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
            key.WritePublic(json);
        return JsonDocument.Parse(stream.ToArray()).RootElement;
    }
}
