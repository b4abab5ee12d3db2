using System.CommandLine;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve token decode</c></summary>
internal static class TokenCommand
{
    private static readonly JsonSerializerOptions Pretty = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var token = new Argument<string?>("token") { Description = "the token; - or nothing reads standard input", Arity = ArgumentArity.ZeroOrOne };
        var jwks = new Option<string?>("--jwks") { Description = "a JWKS file to check the signature with" };
        var decrypt = new Option<string?>("--decrypt") { Description = "a file with the private key (JWK) that an encrypted token is for" };
        var decode = new Command("decode", "Show what a JWT says; with --jwks, whether its signature holds; with --decrypt, what is in an encrypted one.") { token, jwks, decrypt };
        decode.SetAction(parse => Decode(parse.GetValue(token), parse.GetValue(jwks), parse.GetValue(decrypt)));
        return new Command("token", "Look into tokens.") { decode };
    }

    private static int Decode(string? argument, string? jwksFile, string? keyFile)
    {
        var text = (argument is null or "-" ? Console.In.ReadToEnd() : argument).Trim();
        if (JweCompact.HasItsForm(text))
        {
            if (keyFile is null)
                return Fail("this is an encrypted token (JWE): give the key it is for with --decrypt FILE");
            if (Decrypt(text, keyFile, out var problem) is not { } inner)
                return Fail(problem);
            text = inner;
        }
        if (!JwsCompact.TryRead(text, out var jws, out var error))
            return Fail($"this is no JWT in JWS compact form: {error}");
        Console.WriteLine("header");
        Console.WriteLine(Indent(jws.HeaderJson));
        Console.WriteLine("claims");
        Console.WriteLine(Indent(jws.Payload));
        if (JwtClaims.TryRead(jws.Payload, out var claims, out error))
        {
            var now = TimeProvider.System.GetUtcNow();
            Tell("issued", claims.IssuedAt, now);
            Tell("expires", claims.ExpiresAt, now);
        }
        else
        {
            Console.WriteLine($"the claims are not a strict JWT claims set: {error}");
        }
        return jwksFile is null ? Say("signature not checked (give --jwks FILE)") : Verify(jws, jwksFile);
    }

    private static string? Decrypt(string text, string keyFile, out string problem)
    {
        if (!JweCompact.TryRead(text, out var jwe, out var error))
        {
            problem = $"this is no JWE that is read here: {error}";
            return null;
        }
        if (!File.Exists(keyFile) || !JweKey.TryReadPrivate(File.ReadAllBytes(keyFile), out var key, out error))
        {
            problem = $"{keyFile} is not a private EC key in JWK form";
            return null;
        }
        using (key)
        {
            problem = $"the key of {keyFile} does not open it (it is for key {jwe.Header.Kid})";
            if (!jwe.TryDecrypt(key, out var plaintext))
                return null;
            Console.WriteLine($"encrypted: {jwe.Header.KeyManagement.Name()}, {jwe.Header.Content.Name()}, for key {jwe.Header.Kid}; inside:");
            return Encoding.ASCII.GetString(plaintext);
        }
    }

    private static int Verify(JwsCompact jws, string jwksFile)
    {
        if (!File.Exists(jwksFile) || !JsonWebKeySet.TryRead(File.ReadAllBytes(jwksFile), out var set, out var error))
            return Fail($"{jwksFile} is not a JWKS file");
        foreach (var jwk in set.Keys.Where(k => jws.Header.Kid is null || k.Kid == jws.Header.Kid))
        {
            if (!JwsKey.TryFromJwk(jwk, out var key, out _))
                continue;
            using (key)
                if (jws.Verify(key))
                    return Say($"signature holds: {jws.Header.Algorithm.Name()} by key {jwk.Kid}");
        }
        return Fail("SIGNATURE DOES NOT HOLD: no key of the set verifies it");
    }

    private static void Tell(string what, long? seconds, DateTimeOffset now)
    {
        if (seconds is not { } s)
            return;
        var at = DateTimeOffset.FromUnixTimeSeconds(s);
        var away = at - now;
        Console.WriteLine($"{what,-8} {at:u}  ({(away < TimeSpan.Zero ? $"{-away:d\\.hh\\:mm\\:ss} ago" : $"in {away:d\\.hh\\:mm\\:ss}")})");
    }

    private static string Indent(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return JsonSerializer.Serialize(document.RootElement, Pretty);
        }
        catch (JsonException)
        {
            return Convert.ToHexStringLower(json.Span) + "  (not JSON)";
        }
    }

    private static int Say(string line)
    {
        Console.WriteLine(line);
        return 0;
    }

    private static int Fail(string line)
    {
        Console.Error.WriteLine("keyreeve: " + line);
        return 1;
    }
}
