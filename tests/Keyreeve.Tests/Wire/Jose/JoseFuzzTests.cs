using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

/// <summary>No input makes a reader throw, and nothing but the token itself verifies.</summary>
public sealed class JoseFuzzTests
{
    private const int Runs = 3000;

    /// <summary>Pieces that JSON and compact serializations are made of, so that random joins get far into the readers.</summary>
    private static readonly string[] Pieces =
        ["{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "\\u0061", "\"alg\"", "\"HS256\"", "\"crit\"", "\"b64\"", "false", "true", "null", "1e999",
         "-0", "0.5", "\"exp\":", "\"aud\":", "\"kty\":", "\"EC\"", "\"crv\":\"P-256\"", "\"keys\":[", "\"x\":\"AA\"", "{\"alg\":\"HS256\",", "\ud800", "é", " ", "\0", "."];

    private static readonly Gen<string> Joined = Gen.Elements(Pieces).ArrayOf().Select(string.Concat);

    [Fact]
    [Proves("RFC 7515", "5.2")]
    public void No_bytes_make_a_json_reader_throw()
    {
        Check(ArbMap.Default.GeneratorFor<byte[]>(), bytes => Survives(bytes));
        Check(Joined, text => Survives(Encoding.UTF8.GetBytes(text)));
        Check(Joined, text => Survives(Encoding.UTF8.GetBytes("{" + text + "}")));
    }

    [Fact]
    [Proves("RFC 7515", "5.2")]
    public void No_text_makes_a_token_reader_throw_or_verifies()
    {
        using JwsKey key = JwsKey.FromSecret(TestTokens.Secret, null);
        Check(ArbMap.Default.GeneratorFor<string>().Select(text => text ?? ""), text => !Accepts(text, key));
        Check(Joined, text => !Accepts(text, key));
        Check(Joined.Three(), parts => !Accepts(
            $"{TestTokens.Encode(parts.Item1)}.{TestTokens.Encode(parts.Item2)}.{TestTokens.Encode(parts.Item3)}", key));
        Check(Joined, header => !Accepts($"{TestTokens.Encode("{\"alg\":\"HS256\"" + header + "}")}..AAAA", key));
    }

    [Fact]
    [Proves("RFC 7515", "5.2")]
    public void A_token_with_anything_changed_does_not_verify()
    {
        using ClientSigningKey hmac = TestTokens.NewHs256();
        using ClientSigningKey es256 = TestTokens.NewEs256();
        using JwsKey hmacKey = JwsKey.FromSecret(TestTokens.Secret, null);
        using JwsKey es256Key = TestTokens.VerifierOf(es256);
        foreach ((string token, JwsKey key) in ((string, JwsKey)[])[
            (TestTokens.Signed("""{"alg":"HS256","typ":"JWT"}""", hmac), hmacKey), (TestTokens.Signed("""{"alg":"ES256","typ":"JWT"}""", es256), es256Key)])
        {
            Assert.True(Accepts(token, key));
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
            Check(changed, text => text == token || !Accepts(text, key));
        }
    }

    [Fact]
    [Proves("RFC 7519", "7.2")]
    public void Any_claims_that_are_written_are_read_back()
    {
        Gen<(string, long)> claims =
            from text in ArbMap.Default.GeneratorFor<string>()
            from seconds in Gen.Choose(0, int.MaxValue)
            select (Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text ?? "")), (long)seconds);
        Check(claims, claim =>
        {
            (string text, long seconds) = claim;
            using var stream = new MemoryStream();
            using (var writer = new System.Text.Json.Utf8JsonWriter(stream))
            {
                writer.WriteStartObject();
                writer.WriteString("sub", text);
                writer.WriteNumber("exp", seconds);
                writer.WriteString("other", text);
                writer.WriteEndObject();
            }

            return JwtClaims.TryRead(stream.ToArray(), out JwtClaims? read, out _)
                && read.Subject == text && read.ExpiresAt == seconds && read.GetString("other") == text;
        });
    }

    private static bool Accepts(string text, JwsKey key)
    {
        bool detached = DetachedJws.TryVerify(text, "body"u8, key, out JoseError detachedError);
        bool read = JwsCompact.TryRead(text, out JwsCompact? jws, out JoseError error);
        bool consistent = read == (error == JoseError.None) && read == jws is not null && detached == (detachedError == JoseError.None);
        return !consistent || detached || (read && jws!.Verify(key));
    }

    private static bool Survives(byte[] json)
    {
        bool claims = JwtClaims.TryRead(json, out JwtClaims? read, out JoseError claimsError);
        if (claims)
        {
            _ = (read!.GetString("x"), read.GetStrings("aud"), read.GetInteger("exp"), read.TryGetRaw("", out _));
        }

        bool key = JsonWebKey.TryRead(json, out JsonWebKey? jwk, out JoseError keyError);
        if (key && JwsKey.TryFromJwk(jwk!, out JwsKey? verifier, out _))
        {
            verifier.Dispose();
        }

        bool set = JsonWebKeySet.TryRead(json, out _, out JoseError setError);
        _ = JsonWebKey.TryReadSecret(json, out _, out _);
        _ = ClientSigningKey.TryReadPrivate(json, out _, out _, JwsAlgorithm.RS256);
        _ = Base64UrlStrict.TryDecode(json, out _);
        return claims == (claimsError == JoseError.None) && key == (keyError == JoseError.None) && set == (setError == JoseError.None);
    }

    private static void Check<T>(Gen<T> inputs, Func<T, bool> holds) =>
        Prop.ForAll(inputs.ToArbitrary(), holds).Check(Config.QuickThrowOnFailure.WithMaxTest(Runs));
}
