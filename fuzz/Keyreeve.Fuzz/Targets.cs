using System.Text;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Fuzz;

/// <summary>A target takes any octets and must not throw; what it accepts it checks again by a slower rule.</summary>
public interface IFuzzTarget
{
    static abstract string Name { get; }

    static abstract IReadOnlyList<string> Seeds { get; }

    static abstract void Fuzz(ReadOnlySpan<byte> input);
}

public sealed class FormTarget : IFuzzTarget
{
    public static string Name => "form";

    public static IReadOnlyList<string> Seeds => ["grant_type=authorization_code&code=abc&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb", "a=1&a=2", "%C3%A4=%E2%82%AC&=&&x", "a=%00%0d%0a+%zz"];

    public static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!ParameterList.TryRead(input, out var list, out _))
            return;
        // Written again and read again it must be the same.
        var again = string.Join('&', list.Pairs.Select(p => Uri.EscapeDataString(p.Key) + "=" + Uri.EscapeDataString(p.Value)));
        if (Encoding.UTF8.GetByteCount(again) > OAuthLimits.MaxBody)
            return;
        if (!ParameterList.TryRead(Encoding.UTF8.GetBytes(again), out var second, out var error) || !second.Pairs.SequenceEqual(list.Pairs))
            throw new InvalidOperationException($"not the same after a round trip: {error}");
    }
}

public sealed class JwsTarget : IFuzzTarget
{
    public static string Name => "jws";

    public static IReadOnlyList<string> Seeds =>
    [
        "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImEifQ.eyJpc3MiOiJhIiwic3ViIjoiYiIsImV4cCI6MX0.AAAA",
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "eyJhbGciOiJFUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..AAAA",
    ];

    public static void Fuzz(ReadOnlySpan<byte> input)
    {
        var text = Encoding.Latin1.GetString(input);
        if (JwsCompact.TryRead(text, out var jws, out _))
        {
            JwtClaims.TryRead(jws.Payload, out _, out _);
            jws.TryReadHeaderKey(out _, out _);
        }
        JwtClaims.TryRead(input.ToArray(), out _, out _);
    }
}

public sealed class JweTarget : IFuzzTarget
{
    private static readonly JweKey Key = JweKey.FromEcdh(System.Security.Cryptography.ECDiffieHellman.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256));
    private static readonly JweKey Shared = JweKey.FromSecret(new byte[32]);

    public static string Name => "jwe";

    public static IReadOnlyList<string> Seeds =>
    [
        "eyJhbGciOiJBMTI4S1ciLCJraWQiOiI4MWIyMDk2NS04MzMyLTQzZDktYTQ2OC04MjE2MGFkOTFhYzgiLCJlbmMiOiJBMTI4R0NNIn0.CBI6oDw8MydIx1IBntf_lQcw2MmJKIQx.Qx0pmsDa8KnJc9Jo.AwliP-KmWgsZ37BvzCefNen6VTbR.ER7MWJZ1FBI_NKvn7Zb1Lw",
        "{\"alg\":\"ECDH-ES\",\"enc\":\"A128GCM\",\"apu\":\"QWxpY2U\",\"epk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\",\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps\"}}",
        "{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"crit\":[\"x\"],\"zip\":\"DEF\"}",
    ];

    /// <summary>The input is a token, and again the header of one.</summary>
    public static void Fuzz(ReadOnlySpan<byte> input)
    {
        Open(Encoding.Latin1.GetString(input));
        var header = Base64UrlStrict.Encode(input);
        Open(header + "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA");
        Open(header + "." + Base64UrlStrict.Encode(new byte[40]) + ".AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA");
        JweKey.TryReadPrivate(input, out _, out _);
    }

    private static void Open(string text)
    {
        if (JweCompact.TryRead(text, out var jwe, out _) && (jwe.TryDecrypt(Key, out _) || jwe.TryDecrypt(Shared, out _)))
            throw new InvalidOperationException("a token opened that nobody wrote for this key");
    }
}

public sealed class JwkTarget : IFuzzTarget
{
    public static string Name => "jwk";

    public static IReadOnlyList<string> Seeds =>
    [
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"use\":\"sig\"}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"},{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
    ];

    public static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (JsonWebKey.TryRead(input, out var key, out _) && JwsKey.TryFromJwk(key, out var verifying, out _))
            using (verifying)
                verifying.Verify(JwsAlgorithm.ES256, input, new byte[64]);
        JsonWebKeySet.TryRead(input, out _, out _);
    }
}

public sealed class KmRequestTarget : IFuzzTarget
{
    public static string Name => "km-request";

    public static IReadOnlyList<string> Seeds =>
    [
        "{\"version\":\"1.0.0\",\"sKmsUri\":\"https://localhost/seal/km\",\"serviceId\":\"s\",\"userId\":\"sip:a@b\",\"dateTime\":1795239571,\"requestId\":\"1\"}",
        "{\"version\":\"1.0.0\",\"sKmsUri\":\"x\",\"serviceId\":\"\\ud800\",\"dateTime\":1e3}",
    ];

    public static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (KmRequest.TryRead(input.ToArray(), out var request, out _) && (request.ServiceId.Length == 0 || request.DateTime < 0 || request.Identity.Value is null))
            throw new InvalidOperationException("a request that may not exist was read");
        // An escape means the same and is read the long way.
        var escaped = System.Text.Encoding.Latin1.GetBytes(System.Text.Encoding.Latin1.GetString(input).Replace("\"version\"", "\"\\u0076ersion\"", StringComparison.Ordinal));
        KmRequest.TryRead(escaped, out var strict, out _);
        if (escaped.Length <= KmRequest.MaxLength && strict != request)
            throw new InvalidOperationException("two ways to read a request differ");
        KmResponse.TryRead(input.ToArray(), out _, out _);
    }
}

public sealed class KpRequestTarget : IFuzzTarget
{
    public static string Name => "kp-request";

    public static IReadOnlyList<string> Seeds =>
    [
        "{\"version\":\"1.0.0\",\"sKmsUri\":\"https://localhost/seal/km\",\"serviceId\":\"s\",\"userId\":\"sip:a@b\",\"dateTime\":1795239571,\"operation\":\"set\",\"payload\":\"a\\nb\",\"expiresAt\":1895239571}",
        "{\"serviceId\":\"s\",\"deviceId\":\"ue\",\"payload\":\"\\ud83d\\udd11\",\"activatesAt\":\"2026-12-01T00:00:00Z\"}",
        "{\"payload\":\"p\",\"expiresAt\":null}",
    ];

    public static void Fuzz(ReadOnlySpan<byte> input)
    {
        var octets = input.ToArray();
        if (KpRequest.TryRead(octets, out var request, out _))
            Look(request.Material, request.Operation == KpOperation.Set, request.Asked.ServiceId);
        if (KeyRecordLine.TryRead(octets, out var line, out _))
        {
            Look(line.Material, true, line.ServiceId);
            // It is read in one pass; a reader of documents has to see the same.
            using var document = System.Text.Json.JsonDocument.Parse(octets, new() { AllowDuplicateProperties = false });
            if (document.RootElement.GetProperty("serviceId").GetString() != line.ServiceId
                || document.RootElement.GetProperty("payload").GetString() != Encoding.UTF8.GetString(line.Material.Payload))
                throw new InvalidOperationException("a line means two things");
        }
        if (KeyMaterial.TryRead(octets, out var material, out _))
            Look(material, true, "s");
        KpResponse.TryRead(octets, out _, out _);
    }

    private static void Look(KeyMaterial? material, bool wanted, string service)
    {
        if (service.Length == 0 || material is not null != wanted
            || material is not null && (material.Payload.Length is 0 or > KeyMaterial.MaxPayload || !System.Text.Unicode.Utf8.IsValid(material.Payload)
                || material.ExpiresAt != 0 && material.ExpiresAt <= (material.ActivatesAt ?? 0)))
            throw new InvalidOperationException("key material that may not exist was read");
    }
}

public sealed class SmallTextTarget : IFuzzTarget
{
    public static string Name => "small-texts";

    public static IReadOnlyList<string> Seeds => ["http://127.0.0.1:8400/callback", "https://a.example/cb?x=1", "com.example.app:/cb", "Basic dXNlcjpwYXNz", "openid val:a", "0123456789012345678901.0123456789012345678901234567890123456789012"];

    public static void Fuzz(ReadOnlySpan<byte> input)
    {
        var text = Encoding.UTF8.GetString(input);
        RedirectUri.WhyNotRegistrable(text);
        RedirectUri.Matches("http://127.0.0.1/cb", text);
        BasicCredentials.TryRead(text, out _, out _);
        ScopeList.TryRead(text, out _);
        PkceChallenge.TryRead(text, out _);
        RefreshToken.TryRead(text, out _);
        OpaqueToken.TryRead(text, out _);
    }
}
