using System.Security.Cryptography;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class JweAttackTests : IDisposable
{
    private static readonly JweLabels Labels = new("at+jwt", "JWT", "name");

    private readonly ECDiffieHellman _private = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
    private readonly JweKey _reader;
    private readonly JweRecipient _recipient;

    public JweAttackTests()
    {
        _recipient = RecipientOf(_private);
        _reader = JweKey.FromEcdh(_private);
    }

    public void Dispose() => _reader.Dispose();

    [Theory]
    [InlineData("P-256", JweKeyManagement.EcdhEs, JweContent.A128Gcm)]
    [InlineData("P-256", JweKeyManagement.EcdhEs, JweContent.A256Gcm)]
    [InlineData("P-256", JweKeyManagement.EcdhEsA256Kw, JweContent.A256Gcm)]
    [InlineData("P-384", JweKeyManagement.EcdhEsA256Kw, JweContent.A128Gcm)]
    [InlineData("P-384", JweKeyManagement.EcdhEsA128Kw, JweContent.A256Gcm)]
    [Proves("RFC 7516", "5.1")]
    public void What_is_written_is_read_by_its_reader_alone(string curve, JweKeyManagement management, JweContent content)
    {
        ECCurve named = curve == "P-256" ? ECCurve.NamedCurves.nistP256 : ECCurve.NamedCurves.nistP384;
        ECDiffieHellman own = ECDiffieHellman.Create(named);
        string token = RecipientOf(own).Encrypt("secret"u8, management, content, Labels, RandomNumberGenerator.Fill);
        JweCompact jwe = JweVectorTests.Read(token);
        Assert.Equal((management, content, "at+jwt", "JWT", "name", "k"),
            (jwe.Header.KeyManagement, jwe.Header.Content, jwe.Header.Typ, jwe.Header.Cty, jwe.Header.JwtId, jwe.Header.Kid));
        using JweKey reader = JweKey.FromEcdh(own), other = JweKey.FromEcdh(ECDiffieHellman.Create(named));
        Assert.True(jwe.TryDecrypt(reader, out byte[]? plaintext));
        Assert.Equal("secret", Encoding.UTF8.GetString(plaintext));
        Assert.False(jwe.TryDecrypt(other, out _));
        Assert.NotEqual(token, RecipientOf(own).Encrypt("secret"u8, management, content, Labels, RandomNumberGenerator.Fill));
    }

    [Theory]
    [InlineData(16, JweKeyManagement.A128Kw, JweKeyManagement.A256Kw)]
    [InlineData(32, JweKeyManagement.A256Kw, JweKeyManagement.A128Kw)]
    [Proves("RFC 7518", "4.4")]
    public void A_shared_key_wraps_with_its_own_length_alone(int length, JweKeyManagement fits, JweKeyManagement doesNot)
    {
        byte[] secret = RandomNumberGenerator.GetBytes(length);
        JweRecipient recipient = JweRecipient.FromSecret(secret);
        using JweKey reader = JweKey.FromSecret(secret);
        Assert.True(JweVectorTests.Read(recipient.Encrypt("x"u8, fits, JweContent.A256Gcm, Labels, RandomNumberGenerator.Fill)).TryDecrypt(reader, out _));
        Assert.Throws<ArgumentException>(() => recipient.Encrypt("x"u8, doesNot, JweContent.A256Gcm, Labels, RandomNumberGenerator.Fill));
        Assert.Throws<ArgumentException>(() => recipient.Encrypt("x"u8, JweKeyManagement.EcdhEs, JweContent.A256Gcm, Labels, RandomNumberGenerator.Fill));
    }

    [Theory]
    [InlineData("zip", "\"DEF\"", JoseError.CompressionNotAllowed)]
    [InlineData("crit", "[\"exp\"]", JoseError.BadCritical)]
    [InlineData("crit", "[]", JoseError.BadCritical)]
    [InlineData("crit", "[\"alg\"]", JoseError.BadCritical)]
    [InlineData("crit", "[\"x\"],\"x\":1", JoseError.UnsupportedCritical)]
    [InlineData("crit", "[\"b64\"],\"b64\":false", JoseError.UnsupportedCritical)]
    [InlineData("kid", "7", JoseError.BadHeader)]
    [InlineData("apu", "\"A\"", JoseError.BadHeader)]
    [InlineData("apu", "7", JoseError.BadHeader)]
    [InlineData("alg", "\"RSA1_5\"", JoseError.DuplicateMember)]
    [Proves("RFC 7516", "4.1")]
    public void A_header_that_says_what_is_not_done_here_is_refused(string name, string value, JoseError expected) =>
        Assert.Equal(expected, ErrorOf(WithHeader($$"""{"alg":"A256KW","enc":"A256GCM","{{name}}":{{value}}}""")));

    [Theory]
    [InlineData("""{"alg":"none","enc":"A256GCM"}""", JoseError.UnsupportedAlgorithm)]
    [InlineData("""{"alg":"dir","enc":"A256GCM"}""", JoseError.UnsupportedAlgorithm)]
    [InlineData("""{"alg":"RSA1_5","enc":"A256GCM"}""", JoseError.UnsupportedAlgorithm)]
    [InlineData("""{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483647,"p2s":"AA"}""", JoseError.UnsupportedAlgorithm)]
    [InlineData("""{"alg":"A256KW","enc":"none"}""", JoseError.UnsupportedAlgorithm)]
    [InlineData("""{"alg":"a256kw","enc":"A256GCM"}""", JoseError.UnsupportedAlgorithm)]
    [InlineData("""{"enc":"A256GCM"}""", JoseError.BadHeader)]
    [InlineData("""{"alg":"A256KW"}""", JoseError.BadHeader)]
    [InlineData("""{"alg":"ECDH-ES","enc":"A256GCM"}""", JoseError.BadHeader)]
    [InlineData("""{"alg":"A256KW","enc":"A256GCM","epk":{"kty":"EC"}}""", JoseError.BadHeader)]
    [InlineData("""{"alg":"ECDH-ES","enc":"A256GCM","epk":7}""", JoseError.BadJson)]
    [InlineData("""{"alg":"ECDH-ES","enc":"A256GCM","epk":{"kty":"OKP","crv":"X25519","x":"AA"}}""", JoseError.UnsupportedKey)]
    [InlineData("[]", JoseError.BadJson)]
    [Proves("RFC 7518", "4.1")]
    public void An_algorithm_that_is_not_named_exactly_is_refused(string header, JoseError expected) => Assert.Equal(expected, ErrorOf(WithHeader(header)));

    [Fact]
    [Proves("RFC 7516", "7.1")]
    public void Parts_of_wrong_number_or_length_are_refused()
    {
        string token = Token();
        string[] parts = token.Split('.');
        Assert.Equal(JoseError.NotFiveParts, ErrorOf(string.Join('.', parts[..4])));
        Assert.Equal(JoseError.NotFiveParts, ErrorOf(token + "."));
        Assert.Equal(JoseError.NotFiveParts, ErrorOf(""));
        Assert.Equal(JoseError.TooLarge, ErrorOf(new string('A', JoseLimits.MaxTokenLength + 1)));
        Assert.Equal(JoseError.BadEncryption, ErrorOf(With(parts, 1, "")));
        Assert.Equal(JoseError.BadEncryption, ErrorOf(With(parts, 2, "AAAA")));
        // A tag of 4 bytes is forged in 2^32 tries.
        Assert.Equal(JoseError.BadEncryption, ErrorOf(With(parts, 4, Base64UrlStrict.Encode(new byte[4]))));
        Assert.Equal(JoseError.BadBase64Url, ErrorOf(With(parts, 3, parts[3] + "=")));
        Assert.Equal(JoseError.NotThreeParts, TestTokens.ErrorOf(token));
    }

    [Fact]
    [Proves("RFC 7518", "4.6")]
    public void A_point_that_is_not_on_the_curve_agrees_on_nothing()
    {
        JsonWebKey epk = JsonWebKey.FromEcdh(_private);
        Assert.True(Base64UrlStrict.TryDecode(epk.Y, out byte[]? y));
        y[^1] ^= 1;
        foreach (string point in (string[])[$"\"x\":\"{epk.X}\",\"y\":\"{Base64UrlStrict.Encode(y)}\"", $"\"x\":\"{Base64UrlStrict.Encode(new byte[32])}\",\"y\":\"{Base64UrlStrict.Encode(new byte[32])}\""])
        {
            string header = $$"""{"alg":"ECDH-ES","enc":"A256GCM","epk":{"kty":"EC","crv":"P-256",{{point}} } }""";
            JweCompact jwe = JweVectorTests.Read(With(WithHeader(header).Split('.'), 1, ""));
            Assert.False(jwe.TryDecrypt(_reader, out byte[]? plaintext));
            Assert.Null(plaintext);
        }
    }

    [Fact]
    [Proves("RFC 7518", "4.6")]
    public void An_ephemeral_key_of_another_curve_or_with_its_private_half_is_refused()
    {
        using ECDiffieHellman p384 = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP384);
        JsonWebKey epk = JsonWebKey.FromEcdh(p384);
        string Header(string more) => $$"""{"alg":"ECDH-ES","enc":"A256GCM","epk":{"kty":"EC","crv":"P-384","x":"{{epk.X}}","y":"{{epk.Y}}"{{more}} } }""";
        Assert.False(JweVectorTests.Read(With(WithHeader(Header("")).Split('.'), 1, "")).TryDecrypt(_reader, out _));
        Assert.Equal(JoseError.PrivateKeyNotAllowed, ErrorOf(With(WithHeader(Header(",\"d\":\"AA\"")).Split('.'), 1, "")));
    }

    [Theory]
    [InlineData("sig", null, null)]
    [InlineData(null, null, null)]
    [InlineData("enc", "ES256", null)]
    [InlineData("enc", "RSA-OAEP", null)]
    [InlineData("enc", null, "sign")]
    [Proves("RFC 7517", "4.2")]
    public void A_key_that_is_not_for_encryption_is_nobody_to_write_to(string? use, string? alg, string? operation)
    {
        JsonWebKey epk = JsonWebKey.FromEcdh(_private);
        string Member(string name, string? value) => value is null ? "" : $",\"{name}\":{value}";
        string json = $$"""{"kty":"EC","crv":"P-256","x":"{{epk.X}}","y":"{{epk.Y}}"{{Member("use", use is null ? null : $"\"{use}\"")}}{{Member("alg", alg is null ? null : $"\"{alg}\"")}}{{Member("key_ops", operation is null ? null : $"[\"{operation}\"]")}}}""";
        Assert.True(JsonWebKey.TryRead(TestTokens.Utf8(json), out JsonWebKey? jwk, out _));
        Assert.False(JweRecipient.TryFromJwk(jwk, out _, out JoseError error));
        Assert.Equal(JoseError.KeyAlgorithmMismatch, error);
    }

    [Fact]
    public void Keys_for_encryption_and_for_signatures_are_not_mistaken_for_each_other()
    {
        JsonWebKey enc = JsonWebKey.FromEcdh(_private, "k");
        Assert.False(JwsKey.TryFromJwk(enc, out _, out JoseError error));
        Assert.Equal(JoseError.KeyAlgorithmMismatch, error);
        Assert.Equal("JweRecipient { P-256, k }", _recipient.ToString());
        Assert.Equal("JweKey { P-256,  }", _reader.ToString());
    }

    [Fact]
    [Proves("RFC 7516", "5.2")]
    public void A_token_with_anything_changed_does_not_open_and_nothing_throws()
    {
        string token = Token();
        Gen<string> changed =
            from position in Gen.Choose(0, token.Length - 1)
            from character in Gen.Elements("ABCabc012-_.= \n\0é\ud800".ToCharArray())
            from kind in Gen.Choose(0, 3)
            from count in Gen.Choose(1, 8)
            select kind switch
            {
                0 => token[..position] + character + token[(position + 1)..],
                1 => token.Insert(position, character.ToString()),
                2 => token.Remove(position, Math.Min(count, token.Length - position)),
                _ => token[..position],
            };
        Check(changed, text => text == token || !Opens(text));
        Check(ArbMap.Default.GeneratorFor<string>().Select(text => text ?? ""), text => !Opens(text));
        Check(ArbMap.Default.GeneratorFor<string>().Select(text => $"{TestTokens.Encode(text ?? "")}...."), text => !Opens(text));
        Check(ArbMap.Default.GeneratorFor<byte[]>(), bytes =>
        {
            bool read = JweKey.TryReadPrivate(bytes ?? [], out JweKey? key, out JoseError error);
            return read == (error == JoseError.None) && read == key is not null;
        });
    }

    [Fact]
    public void Who_made_the_content_key_opens_the_token_and_no_other_key_does()
    {
        byte[] key = RandomNumberGenerator.GetBytes(32);
        JweCompact jwe = JweVectorTests.Read(_recipient.Encrypt("x"u8, JweKeyManagement.EcdhEsA256Kw, JweContent.A256Gcm, Labels, key, RandomNumberGenerator.Fill));
        Assert.True(jwe.TryDecrypt(key, out _));
        Assert.True(jwe.TryDecrypt(_reader, out _));
        Assert.False(jwe.TryDecrypt(new byte[32], out _));
        Assert.False(jwe.TryDecrypt(new byte[16], out _));
        Assert.Throws<ArgumentException>(() => _recipient.Encrypt("x"u8, JweKeyManagement.EcdhEs, JweContent.A256Gcm, Labels, key, RandomNumberGenerator.Fill));
    }

    private bool Opens(string text)
    {
        bool read = JweCompact.TryRead(text, out JweCompact? jwe, out JoseError error);
        Assert.Equal((read, read), (error == JoseError.None, jwe is not null));
        return read && jwe!.TryDecrypt(_reader, out _);
    }

    private string Token() => _recipient.Encrypt("secret"u8, JweKeyManagement.EcdhEsA256Kw, JweContent.A256Gcm, Labels, RandomNumberGenerator.Fill);

    private static JweRecipient RecipientOf(ECDiffieHellman key)
    {
        Assert.True(JweRecipient.TryFromJwk(JsonWebKey.FromEcdh(key, "k"), out JweRecipient? recipient, out JoseError error), error.ToString());
        return recipient;
    }

    private static string WithHeader(string header) => string.Join('.',
        TestTokens.Encode(header), Base64UrlStrict.Encode(new byte[40]), Base64UrlStrict.Encode(new byte[12]), "AAAA", Base64UrlStrict.Encode(new byte[16]));

    private static string With(string[] parts, int index, string text) => string.Join('.', [.. parts[..index], text, .. parts[(index + 1)..]]);

    private static JoseError ErrorOf(string token)
    {
        bool read = JweCompact.TryRead(token, out JweCompact? jwe, out JoseError error);
        Assert.Equal(read, jwe is not null);
        return error;
    }

    private static void Check<T>(Gen<T> inputs, Func<T, bool> holds) =>
        Prop.ForAll(inputs.ToArbitrary(), holds).Check(Config.QuickThrowOnFailure.WithMaxTest(1500));
}
