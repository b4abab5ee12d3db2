using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

/// <summary>The published examples in <c>vectors/jwe-vectors.json</c>.</summary>
public sealed class JweVectorTests
{
    private static readonly IReadOnlyList<JsonElement> All = Load();

    public static TheoryData<string> Compact => Ids("jwe-compact");

    public static TheoryData<string> Refused => Ids("jwe-refused");

    public static TheoryData<string> Wraps => Ids("aes-key-wrap");

    [Theory]
    [MemberData(nameof(Compact))]
    [Proves("RFC 7516", "3.1")]
    [Proves("RFC 7516", "5.2")]
    [Proves("RFC 7516", "7.1")]
    [Proves("RFC 7518", "4.6")]
    [Proves("RFC 7518", "4.4")]
    public void A_published_token_opens_with_its_key_and_no_other(string id)
    {
        JsonElement vector = Get(id);
        JweCompact jwe = Read(Text(vector, "compact"));
        Assert.Equal(Text(vector, "alg"), jwe.Header.KeyManagement.Name());
        Assert.Equal(Text(vector, "enc"), jwe.Header.Content.Name());

        using JweKey own = KeyOf(vector.GetProperty("key"));
        Assert.True(jwe.TryDecrypt(own, out byte[]? plaintext));
        Assert.Equal(Text(vector, "plaintext"), Encoding.UTF8.GetString(plaintext));
        Assert.True(jwe.TryDecrypt(Decode(Text(vector, "cek")), out byte[]? again));
        Assert.Equal(plaintext, again);

        using JweKey stranger = JweKey.FromEcdh(ECDiffieHellman.Create(ECCurve.NamedCurves.nistP384));
        using JweKey secret = JweKey.FromSecret(new byte[16]);
        Assert.False(jwe.TryDecrypt(stranger, out _));
        Assert.False(jwe.TryDecrypt(secret, out _));
    }

    [Theory]
    [MemberData(nameof(Refused))]
    [Proves("RFC 7516", "4.1")]
    public void A_published_token_of_an_algorithm_that_does_not_exist_here_is_refused(string id)
    {
        JsonElement vector = Get(id);
        Assert.False(JweCompact.TryRead(Text(vector, "compact"), out _, out JoseError error));
        Assert.Equal(Text(vector, "refused"), error.ToString());
    }

    [Theory]
    [MemberData(nameof(Wraps))]
    [Proves("RFC 3394", "2.2.1")]
    [Proves("RFC 3394", "2.2.2")]
    [Proves("RFC 3394", "2.2")]
    public void A_published_key_wraps_and_unwraps(string id)
    {
        JsonElement vector = Get(id);
        byte[] kek = Convert.FromHexString(Text(vector, "kek_hex")), key = Convert.FromHexString(Text(vector, "key_hex"));
        byte[] wrapped = AesKeyWrap.Wrap(kek, key);
        Assert.Equal(Text(vector, "wrapped_hex"), Convert.ToHexString(wrapped));
        Assert.True(AesKeyWrap.TryUnwrap(kek, wrapped, out byte[] back));
        Assert.Equal(key, back);
        for (int at = 0; at < wrapped.Length; at++)
        {
            byte[] changed = [.. wrapped];
            changed[at] ^= 1;
            Assert.False(AesKeyWrap.TryUnwrap(kek, changed, out byte[] nothing));
            Assert.Empty(nothing);
        }

        Assert.False(AesKeyWrap.TryUnwrap(kek, wrapped.AsSpan(0, 16), out _));
        Assert.False(AesKeyWrap.TryUnwrap(kek, [], out _));
    }

    [Fact]
    [Proves("RFC 7518", "4.6.2")]
    public void The_published_key_is_agreed_and_derived()
    {
        JsonElement vector = Get("rfc7518-C");
        byte[] z = [.. vector.GetProperty("z").EnumerateArray().Select(n => n.GetByte())];
        byte[] derived = ConcatKdf.Derive(z, Text(vector, "enc"), Decode(Text(vector, "apu")), Decode(Text(vector, "apv")), 16);
        Assert.Equal(Text(vector, "derived"), Base64UrlStrict.Encode(derived));

        // The same by the reader of tokens: content under the published key opens with Bob's.
        JsonElement epk = vector.GetProperty("epk");
        string header = TestTokens.Encode($$"""
            {"alg":"ECDH-ES","enc":"A128GCM","apu":"QWxpY2U","apv":"Qm9i","epk":{"kty":"EC","crv":"P-256","x":"{{Text(epk, "x")}}","y":"{{Text(epk, "y")}}"} }
            """);
        byte[] iv = new byte[12], tag = new byte[16], ciphertext = new byte[5];
        using (var aes = new AesGcm(derived, 16))
        {
            aes.Encrypt(iv, "hello"u8, ciphertext, tag, TestTokens.Utf8(header));
        }

        JweCompact jwe = Read($"{header}..{Base64UrlStrict.Encode(iv)}.{Base64UrlStrict.Encode(ciphertext)}.{Base64UrlStrict.Encode(tag)}");
        using JweKey bob = KeyOf(vector.GetProperty("key"));
        Assert.True(jwe.TryDecrypt(bob, out byte[]? plaintext));
        Assert.Equal("hello", Encoding.UTF8.GetString(plaintext));
    }

    internal static JweCompact Read(string token)
    {
        Assert.True(JweCompact.TryRead(token, out JweCompact? jwe, out JoseError error), error.ToString());
        return jwe;
    }

    private static JweKey KeyOf(JsonElement key)
    {
        if (Text(key, "kty") == "oct")
        {
            return JweKey.FromSecret(Decode(Text(key, "k")));
        }

        Assert.True(JweKey.TryReadPrivate(TestTokens.Utf8(key.GetRawText()), out JweKey? made, out JoseError error), error.ToString());
        return made;
    }

    private static byte[] Decode(string text)
    {
        Assert.True(Base64UrlStrict.TryDecode(text, out byte[]? bytes));
        return bytes;
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private static JsonElement Get(string id) => All.Single(vector => Text(vector, "id") == id);

    private static TheoryData<string> Ids(string kind) => [.. All.Where(vector => Text(vector, "kind") == kind).Select(vector => Text(vector, "id"))];

    private static JsonElement[] Load()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "vectors", "jwe-vectors.json")));
        return [.. document.RootElement.GetProperty("vectors").Clone().EnumerateArray()];
    }
}
