using System.Security.Cryptography;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class DetachedJwsTests : IDisposable
{
    private readonly ClientSigningKey signer = TestTokens.NewEs256();
    private readonly JwsKey key;

    public DetachedJwsTests() => key = TestTokens.VerifierOf(signer);

    public void Dispose()
    {
        signer.Dispose();
        key.Dispose();
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(true, 100_000)]
    [InlineData(false, 0)]
    [InlineData(false, 100_000)]
    [Proves("RFC 7515", "F")]
    [Proves("RFC 7797", "3")]
    public void A_body_of_any_bytes_is_signed_beside_itself(bool unencoded, int length)
    {
        byte[] body = RandomNumberGenerator.GetBytes(length);
        string detached = DetachedJws.Write(body, signer, unencoded);
        Assert.Contains("..", detached, StringComparison.Ordinal);
        Assert.True(DetachedJws.TryVerify(detached, body, key, out JoseError error));
        Assert.Equal(JoseError.None, error);
        Assert.Equal(JoseError.BadSignature, ErrorOf(detached, [.. body, 0]));
    }

    [Fact]
    [Proves("RFC 7515", "F")]
    public void A_detached_signature_becomes_a_whole_one_when_the_body_returns()
    {
        string[] parts = DetachedJws.Write("body"u8, signer, unencoded: false).Split('.');
        Assert.True(TestTokens.Read($"{parts[0]}.{TestTokens.Encode("body")}.{parts[2]}").Verify(key));
    }

    [Fact]
    public void What_is_wrong_is_said()
    {
        string good = DetachedJws.Write("body"u8, signer);
        string[] parts = good.Split("..");
        Assert.Equal(JoseError.NotThreeParts, ErrorOf(parts[0] + "." + parts[1], "body"u8));
        Assert.Equal(JoseError.NotThreeParts, ErrorOf(parts[0] + ".Ym9keQ." + parts[1], "body"u8));
        Assert.Equal(JoseError.NotThreeParts, ErrorOf(good + ".", "body"u8));
        Assert.Equal(JoseError.BadBase64Url, ErrorOf(good + "=", "body"u8));
        Assert.Equal(JoseError.BadBase64Url, ErrorOf(parts[0] + "=.." + parts[1], "body"u8));
        Assert.Equal(JoseError.BadJson, ErrorOf(".." + parts[1], "body"u8));
        Assert.Equal(JoseError.BadSignature, ErrorOf(parts[0] + "..", "body"u8));
        Assert.Equal(JoseError.TooLarge, ErrorOf(good + new string('A', JoseLimits.MaxTokenLength), "body"u8));
        Assert.Equal(JoseError.TooLarge, ErrorOf(good, new byte[JoseLimits.MaxDetachedBodyLength + 1]));
        Assert.Throws<ArgumentException>(() => DetachedJws.Write(new byte[JoseLimits.MaxDetachedBodyLength + 1], signer));

        using JwsKey other = JwsKey.FromSecret(TestTokens.Secret, null);
        Assert.False(DetachedJws.TryVerify(good, "body"u8, other, out JoseError error));
        Assert.Equal(JoseError.KeyAlgorithmMismatch, error);
    }

    [Fact]
    [Proves("RFC 7797", "6")]
    public void Encoded_and_unencoded_are_not_taken_for_each_other()
    {
        string unencoded = DetachedJws.Write("Ym9keQ"u8, signer);
        Assert.Equal(JoseError.BadSignature, ErrorOf(unencoded, "body"u8));
        string encoded = DetachedJws.Write("body"u8, signer, unencoded: false);
        Assert.Equal(JoseError.BadSignature, ErrorOf(encoded, "Ym9keQ"u8));
    }

    private JoseError ErrorOf(string detached, ReadOnlySpan<byte> body)
    {
        Assert.False(DetachedJws.TryVerify(detached, body, key, out JoseError error));
        return error;
    }
}
