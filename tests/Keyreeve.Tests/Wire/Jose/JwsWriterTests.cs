using System.Text;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class JwsWriterTests
{
    [Fact]
    [Proves("RFC 7515", "5.1")]
    public void The_header_names_algorithm_type_and_key()
    {
        using ClientSigningKey named = ClientSigningKey.FromSecret(TestTokens.Secret, "k\"1");
        Assert.Equal("""{"alg":"HS256","typ":"at+jwt","kid":"k\"1"}""", Encoding.UTF8.GetString(JwsWriter.Header(named, "at+jwt")));
        using ClientSigningKey nameless = TestTokens.NewHs256();
        Assert.Equal("""{"alg":"HS256"}""", Encoding.UTF8.GetString(JwsWriter.Header(nameless, null)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(600)]
    [InlineData(700)]
    [InlineData(9000)]
    [Proves("RFC 7515", "5.1")]
    public void What_is_written_is_read_whatever_its_length(int length)
    {
        using ClientSigningKey key = TestTokens.NewEs256();
        using JwsKey verifier = TestTokens.VerifierOf(key);
        byte[] payload = [.. Enumerable.Range(0, length).Select(i => (byte)i)];
        JwsCompact jws = TestTokens.Read(JwsWriter.Write(JwsWriter.Header(key, "JWT"), payload, key));
        Assert.True(jws.Verify(verifier));
        Assert.Equal(payload, jws.Payload.ToArray());
        Assert.Equal(key.KeyId, jws.Header.Kid);
        Assert.Equal("JWT", jws.Header.Typ);
    }

    [Fact]
    public void A_signer_that_breaks_its_promise_is_found()
    {
        var signer = new ShortSigner();
        Assert.Throws<InvalidOperationException>(() => JwsWriter.Write("{}"u8, "{}"u8, signer));
    }

    [Fact]
    public void Reading_a_token_allocates_little()
    {
        using ClientSigningKey key = TestTokens.NewEs256();
        string token = JwsWriter.Write(JwsWriter.Header(key, "at+jwt"), TestTokens.Utf8(TestTokens.Claims), key);
        Assert.InRange(Allocated(() => JwsCompact.TryRead(token, out _, out _)), 1, 1400);
    }

    [Fact]
    public void Writing_a_short_token_allocates_its_string_alone()
    {
        using ClientSigningKey key = TestTokens.NewHs256();
        byte[] header = JwsWriter.Header(key, "at+jwt");
        byte[] payload = TestTokens.Utf8(TestTokens.Claims);
        int characters = JwsWriter.Write(header, payload, key).Length;
        Assert.InRange(Allocated(() => JwsWriter.Write(header, payload, key)), 2 * characters, (2 * characters) + 40);
    }

    /// <summary>The least of several runs: what a pool or a first call adds does not come every time.</summary>
    private static long Allocated(Action action)
    {
        long least = long.MaxValue;
        for (int run = 0; run < 20; run++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }

    private sealed class ShortSigner : IJwsSigner
    {
        public JwsAlgorithm Algorithm => JwsAlgorithm.HS256;

        public string KeyId => "";

        public int SignatureSize => 32;

        public int Sign(ReadOnlySpan<byte> signingInput, Span<byte> signature) => 31;
    }
}
