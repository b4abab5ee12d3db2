using System.Security.Cryptography;
using System.Text;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

/// <summary>Keys and tokens, well and badly made, for the tests of this folder.</summary>
internal static class TestTokens
{
    internal const string Claims = """{"iss":"https://as.example","sub":"alice","aud":"https://rs.example","exp":1900000000}""";

    internal static readonly byte[] Secret = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();

    internal static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    internal static string Encode(string text) => Base64UrlStrict.Encode(Utf8(text));

    internal static ClientSigningKey NewEs256() => ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    internal static ClientSigningKey NewHs256() => ClientSigningKey.FromSecret(Secret);

    internal static JwsKey VerifierOf(ClientSigningKey key)
    {
        Assert.True(JwsKey.TryFromJwk(key.PublicJwk!, out JwsKey? verifier, out _));
        return verifier;
    }

    /// <summary>A token with the header as given, signed well by <paramref name="key"/> whatever the header says.</summary>
    internal static string Signed(string headerJson, ClientSigningKey key, string payload = Claims) =>
        JwsWriter.Write(Utf8(headerJson), Utf8(payload), key);

    /// <summary>A token of HS256 with these further header members, under <see cref="Secret"/>.</summary>
    internal static string WithHeader(string members)
    {
        using ClientSigningKey key = NewHs256();
        return Signed($$"""{"alg":"HS256",{{members}}}""", key);
    }

    internal static JoseError ErrorOf(string token)
    {
        bool read = JwsCompact.TryRead(token, out JwsCompact? jws, out JoseError error);
        Assert.Equal(read, jws is not null);
        Assert.Equal(read, error == JoseError.None);
        return error;
    }

    internal static JwsCompact Read(string token)
    {
        Assert.True(JwsCompact.TryRead(token, out JwsCompact? jws, out JoseError error), error.ToString());
        return jws;
    }
}
