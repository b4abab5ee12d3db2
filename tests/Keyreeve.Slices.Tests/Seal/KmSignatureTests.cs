using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>"the signature is valid" (5.3.2): what is one, and everything that would like to be.</summary>
[Proves("TS 33.434", "5.3.2")]
[Proves("RFC 7797", "6")]
public sealed class KmSignatureTests(SigningCaller caller) : IClassFixture<SigningCaller>
{
    [Fact]
    public async Task A_request_that_is_signed_with_a_registered_key_is_answered()
    {
        var body = caller.Body();
        (await caller.SendAsync(body, caller.Sign(body))).Granted(caller.Payload);
        body = caller.Body();
        (await caller.SendAsync(body, SigningCaller.Sign(SigningCaller.Header("ES256", null), body, i => caller.P256.SignData(i, HashAlgorithmName.SHA256)))).Granted(caller.Payload);
        body = caller.Body();
        (await caller.SendAsync(body, SigningCaller.Sign(SigningCaller.Header("ES384", "p384"), body, i => caller.P384.SignData(i, HashAlgorithmName.SHA384)))).Granted(caller.Payload);
        body = caller.Body();
        (await caller.SendAsync(body, SigningCaller.Sign(SigningCaller.Header("RS256", "rs"), body, i => caller.Rsa.SignData(i, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)))).Granted(caller.Payload);
        body = caller.Body();
        (await caller.SendAsync(body, SigningCaller.Sign(SigningCaller.Header("PS256", "ps"), body, i => caller.Rsa.SignData(i, HashAlgorithmName.SHA256, RSASignaturePadding.Pss)))).Granted(caller.Payload);
    }

    [Fact]
    public async Task The_library_signs_what_the_server_takes()
    {
        using var signer = ClientSigningKey.FromEcdsa(ECDsa.Create(caller.P256.ExportParameters(includePrivateParameters: true)), "p256");
        var body = caller.Body();
        (await caller.SendAsync(body, DetachedJws.Write(Encoding.UTF8.GetBytes(body), signer))).Granted(caller.Payload);
        body = caller.Body();
        await caller.RefusedAsync(body, DetachedJws.Write(Encoding.UTF8.GetBytes(body), signer, unencoded: false));
    }

    [Fact]
    public async Task Without_a_signature_or_with_two_it_is_not_validated()
    {
        var body = caller.Body();
        await caller.RefusedAsync(body);
        await caller.RefusedAsync(body, "");
        await caller.RefusedAsync(body, caller.Sign(body), caller.Sign(body));
        await caller.RefusedAsync(body, caller.Sign(body) + ", " + caller.Sign(body));
        // None of the attempts has used the request up.
        (await caller.SendAsync(body, caller.Sign(body))).Granted(caller.Payload);
    }

    [Fact]
    public async Task A_signature_over_other_octets_does_not_hold()
    {
        var body = caller.Body();
        await caller.RefusedAsync(body, caller.Sign(caller.Body()));
        await caller.RefusedAsync(body + " ", caller.Sign(body));
        await caller.RefusedAsync(body.Replace(KmDoor.Alice, KmDoor.Bob, StringComparison.Ordinal), caller.Sign(body));
        await caller.RefusedAsync(body, caller.Sign(""));
        (await caller.SendAsync(body, caller.Sign(body))).Granted(caller.Payload);
    }

    /// <summary>Headers with a good signature of the registered key under them: it is the header that is wrong.</summary>
    [Theory]
    [InlineData("""{"alg":"ES256","kid":"p256"}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":true}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":true,"crit":["b64"]}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":false}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":"false","crit":["b64"]}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":false,"crit":[]}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":false,"crit":"b64"}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":false,"crit":["b64","b64"]}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":false,"exp":1,"crit":["b64","exp"]}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":false,"crit":["alg","b64"]}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","b64":false,"crit":["exp"]}""")]
    [InlineData("""{"alg":"ES256","kid":"p384","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"ES256","kid":"enc","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"ES256","kid":"unknown","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"ES256","kid":7,"b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"es256","kid":"p256","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"ES384","kid":"p256","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"RS256","kid":"p256","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"HS256","kid":"p256","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"none","kid":"p256","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"kid":"p256","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"ES256","alg":"ES256","kid":"p256","b64":false,"crit":["b64"]}""")]
    [InlineData("""{"alg":"ES256","kid":"p256","typ":"JWT","b64":false,"crit":["b64"]}""")]
    [InlineData("[]")]
    [InlineData("not JSON")]
    [InlineData("")]
    public async Task Another_header_is_refused_whoever_signed_under_it(string header)
    {
        var body = caller.Body();
        await caller.RefusedAsync(body, SigningCaller.Sign(header, body, i => caller.P256.SignData(i, HashAlgorithmName.SHA256)));
    }

    [Fact]
    public async Task A_body_that_was_encoded_before_it_was_signed_is_another_body()
    {
        var body = caller.Body();
        var encoded = SigningCaller.Text(Encoding.UTF8.GetBytes(body));
        // The form of RFC 7515 appendix F, whole; the same under a header that says b64 false; and with the payload in its place.
        var detached = SigningCaller.Sign("""{"alg":"ES256","kid":"p256"}""", encoded, i => caller.P256.SignData(i, HashAlgorithmName.SHA256));
        await caller.RefusedAsync(body, detached);
        await caller.RefusedAsync(body, SigningCaller.Sign(SigningCaller.Header("ES256", "p256"), encoded, i => caller.P256.SignData(i, HashAlgorithmName.SHA256)));
        await caller.RefusedAsync(body, detached.Replace("..", "." + encoded + ".", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_MAC_with_something_public_for_a_secret_is_no_signature()
    {
        var body = caller.Body();
        byte[][] known =
        [
            caller.P256.ExportSubjectPublicKeyInfo(), caller.Rsa.ExportSubjectPublicKeyInfo(), caller.Rsa.ExportRSAPublicKey(), Encoding.ASCII.GetBytes(caller.Rsa.ExportSubjectPublicKeyInfoPem()),
            Encoding.ASCII.GetBytes(caller.Rsa.ExportSubjectPublicKeyInfoPem() + "\n"), caller.Rsa.ExportParameters(false).Modulus!, new byte[32], [],
            Encoding.UTF8.GetBytes((string)caller.Host.Server.Client(SigningCaller.Signing)["clientSecret"]!),
        ];
        foreach (var secret in known)
            foreach (var kid in (string?[])["p256", "rs", null])
                await caller.RefusedAsync(body, SigningCaller.Sign(SigningCaller.Header("HS256", kid), body, i => HMACSHA256.HashData(secret, i)));
    }

    [Fact]
    public async Task A_key_that_the_header_brings_along_is_not_believed()
    {
        var body = caller.Body();
        var (x, y) = (caller.Stranger.ExportParameters(false).Q.X!, caller.Stranger.ExportParameters(false).Q.Y!);
        var jwk = $$"""{"kty":"EC","crv":"P-256","x":"{{SigningCaller.Text(x)}}","y":"{{SigningCaller.Text(y)}}"}""";
        foreach (var more in (string[])["", $"\"jwk\":{jwk},", "\"jku\":\"https://attacker.example/jwks\",", "\"x5u\":\"https://attacker.example/x\","])
            foreach (var kid in (string[])["\"kid\":\"p256\",", ""])
                await caller.RefusedAsync(body, SigningCaller.Sign($$"""{"alg":"ES256",{{kid}}{{more}}"b64":false,"crit":["b64"]}""", body, i => caller.Stranger.SignData(i, HashAlgorithmName.SHA256)));
    }

    [Fact]
    public async Task A_key_for_encryption_does_not_sign()
    {
        var body = caller.Body();
        await caller.RefusedAsync(body, caller.Sign(body, caller.Reader, "enc"));
        await caller.RefusedAsync(body, SigningCaller.Sign(SigningCaller.Header("ES256", null), body, i => caller.Reader.SignData(i, HashAlgorithmName.SHA256)));
    }

    [Fact]
    public async Task A_signature_of_the_wrong_shape_does_not_reach_the_arithmetic()
    {
        var body = caller.Body();
        byte[] Good(byte[] input) => caller.P256.SignData(input, HashAlgorithmName.SHA256);
        foreach (var shape in (Func<byte[], byte[]>[])[_ => [], _ => new byte[64], i => Good(i)[..63], i => [.. Good(i), 0],
            i => caller.P256.SignData(i, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence), i => caller.P384.SignData(i, HashAlgorithmName.SHA384)])
            await caller.RefusedAsync(body, SigningCaller.Sign(SigningCaller.Header("ES256", "p256"), body, shape));
        var good = caller.Sign(body);
        foreach (var text in (string[])[good + "=", good.Replace("..", ".", StringComparison.Ordinal), good.Replace("..", "...", StringComparison.Ordinal), "." + good, good + ".", new string('A', 20_000)])
            await caller.RefusedAsync(body, text);
        (await caller.SendAsync(body, good)).Granted(caller.Payload);
    }

    [Fact]
    public async Task The_signature_of_another_client_with_its_own_key_is_not_this_clients()
    {
        await caller.Host.AddClientAsync(SigningCaller.ValServer("another-signer") with { Keys = JsonWebKeySet.Of([JsonWebKey.FromEcdsa(caller.Stranger, "p256")]), SignedKeyRequests = true });
        var theirs = await caller.Door.ClientTokenAsync("another-signer", "seal:key_management");
        var body = caller.Body();
        await caller.RefusedAsync(body, caller.Sign(body, caller.Stranger));
        (await caller.SendAsAsync(theirs, body, caller.Sign(body))).Refused("04", 403);
        (await caller.SendAsAsync(theirs, body, caller.Sign(body, caller.Stranger))).Granted(caller.Payload);
    }

    [Fact]
    public async Task Nobody_has_to_sign_who_is_not_registered_so_but_a_signature_that_is_there_holds()
    {
        await caller.Host.AddClientAsync(SigningCaller.ValServer("free-signer") with { Keys = caller.Keys });
        await caller.Host.AddClientAsync(SigningCaller.ValServer("keyless"));
        var (free, keyless) = (await caller.Door.ClientTokenAsync("free-signer", "seal:key_management"), await caller.Door.ClientTokenAsync("keyless", "seal:key_management"));
        (await caller.SendAsAsync(free, caller.Body())).Granted(caller.Payload);
        (await caller.SendAsAsync(keyless, caller.Body())).Granted(caller.Payload);
        var body = caller.Body();
        (await caller.SendAsAsync(free, body, caller.Sign(caller.Body()))).Refused("04", 403);
        Assert.Equal("SignatureNotAccepted", caller.Door.Log.LastRefusal);
        (await caller.SendAsAsync(keyless, body, caller.Sign(body))).Refused("04", 403);
        Assert.Equal("SignatureNotAccepted", caller.Door.Log.LastRefusal);
        (await caller.SendAsAsync(free, body, caller.Sign(body))).Granted(caller.Payload);
    }

    [Fact]
    [Proves("TS 29.549", "SS_KeyInfoRetrieval")]
    public async Task At_the_door_that_takes_no_signature_a_bound_token_answers_for_the_request()
    {
        using var certificate = OutsideAuthority.SelfSigned("CN=bound-signer");
        await caller.Host.AddClientAsync(SigningCaller.ValServer("bound-signer") with
        {
            AuthMethods = [ClientAuthMethod.SelfSignedTls],
            CertificateThumbprints = [CertificateWorld.ThumbprintOf(certificate)],
            Keys = caller.Keys,
            SignedKeyRequests = true,
        });
        using var mtls = caller.Host.Server.NewClient("mtls", certificate);
        using var asked = await mtls.PostAsync("/token", new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", "bound-signer")]), TestContext.Current.CancellationToken);
        var token = (string)JsonNode.Parse(await asked.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["access_token"]!;
        var path = $"{SealCaller.KeyRecords}?val-service-id=pump-control";
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "Authorization", "Bearer " + token } } };
        using var answer = await mtls.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        // Without the certificate it is no token; a token that is not bound is the same client's, and refused; a header says nothing here.
        Assert.Equal(HttpStatusCode.Unauthorized, (await caller.Host.GetAsync(path, token)).Status);
        var unbound = await caller.Host.GetAsync(path, caller.Token);
        Assert.Equal((HttpStatusCode.Forbidden, "04", "REQUEST_NOT_VALIDATED"), (unbound.Status, (string?)unbound.Json["errorCode"], (string?)unbound.Json["cause"]));
        var pretending = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "Authorization", "Bearer " + caller.Token }, { "X-JWS-Signature", caller.Sign("") } } };
        Assert.Equal(HttpStatusCode.Forbidden, (await caller.Host.SendAsync(pretending)).Status);
    }

    /// <summary>A stolen secret and a certificate that the thief has made: the token is bound to it, and that proves nothing of the client.</summary>
    [Theory]
    [InlineData("by a secret alone", HttpStatusCode.Forbidden)]
    [InlineData("by a secret beside its certificate", HttpStatusCode.Forbidden)]
    [InlineData("by its certificate", HttpStatusCode.OK)]
    [InlineData("by a key", HttpStatusCode.OK)]
    [Proves("TS 29.549", "SS_KeyInfoRetrieval")]
    public async Task A_token_that_is_bound_to_any_certificate_does_not_stand_for_a_signature(string how, HttpStatusCode status)
    {
        using var certificate = OutsideAuthority.SelfSigned("CN=shown");
        using var registered = OutsideAuthority.SelfSigned("CN=registered");
        var id = "signer-" + how.Replace(' ', '-');
        var client = SigningCaller.ValServer(id) with { Scopes = ScopeList.Of(["seal:key_management", "seal:key_provisioning"]), Keys = caller.Keys, SignedKeyRequests = true, BoundTokens = true };
        await caller.Host.AddClientAsync(how switch
        {
            "by a secret alone" => client,
            "by a secret beside its certificate" => client with { AuthMethods = [ClientAuthMethod.SelfSignedTls, ClientAuthMethod.SecretBasic], CertificateThumbprints = [CertificateWorld.ThumbprintOf(registered)] },
            "by its certificate" => client with { AuthMethods = [ClientAuthMethod.SelfSignedTls], CertificateThumbprints = [CertificateWorld.ThumbprintOf(certificate)] },
            _ => client with { AuthMethods = [ClientAuthMethod.PrivateKeyJwt] },
        });
        using var mtls = caller.Host.Server.NewClient("mtls", certificate);
        foreach (var (scope, path) in new[] { ("seal:key_management", $"{SealCaller.KeyRecords}?val-service-id=pump-control"), ("seal:key_provisioning", "/seal/km/v1/services/pump-control/records") })
        {
            using var ask = new HttpRequestMessage(HttpMethod.Post, "/token");
            var form = new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["scope"] = scope };
            if (how.Contains("secret", StringComparison.Ordinal))
                ask.Headers.Authorization = caller.Host.Server.Basic(id);
            else if (how == "by its certificate")
                form["client_id"] = id;
            else
                (form["client_assertion_type"], form["client_assertion"]) = ("urn:ietf:params:oauth:client-assertion-type:jwt-bearer", caller.Assertion(id, scope));
            ask.Content = new FormUrlEncodedContent(form);
            using var asked = await mtls.SendAsync(ask, TestContext.Current.CancellationToken);
            var token = (string)JsonNode.Parse(await asked.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["access_token"]!;
            Assert.Equal(CertificateWorld.ConfirmationOf(certificate), (string)OpenIdServer.ClaimsOf(token)["cnf"]!["x5t#S256"]!);
            using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "Authorization", "Bearer " + token } } };
            using var answer = await mtls.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal((path, status), (path, answer.StatusCode));
        }
    }

    /// <summary>Token, signature, message, SKmsUri, Date/Time, replay, ownership, look-up: the earliest fault decides, and all say the same.</summary>
    [Fact]
    public async Task The_signature_comes_after_the_token_and_before_everything_else()
    {
        var bad = caller.Body();
        (await caller.SendAsAsync(KmDoor.Changed(caller.Token), bad)).Refused("03", 401);
        await caller.RefusedAsync("{");
        (await caller.SendAsync("{", caller.Sign("{"))).Refused("04", 400);

        foreach (var (spoil, code) in new (Action<JsonObject>, string)[]
        {
            (r => r["sKmsUri"] = "https://other.example/seal/km", "WrongSKmsUri"),
            (r => r["dateTime"] = caller.Door.Now - 60, "OutsideTimeWindow"),
            (r => r["serviceId"] = KmDoor.Fleet, "NotOwner"),
        })
        {
            var body = caller.Body(spoil);
            var unsigned = (await caller.SendAsync(body)).Refused("04", 403);
            Assert.Equal("SignatureNotAccepted", caller.Door.Log.LastRefusal);
            var signed = (await caller.SendAsync(body, caller.Sign(body))).Refused("04", 403);
            Assert.Equal(code, caller.Door.Log.LastRefusal);
            Assert.Equal(unsigned.Body, signed.Body);
        }
        var missing = caller.Body(r => r["userId"] = "sip:nobody@val.example");
        await caller.RefusedAsync(missing);
        (await caller.SendAsync(missing, caller.Sign(missing))).Refused("02", 404);

        var replay = caller.Body();
        (await caller.SendAsync(replay, caller.Sign(replay))).Granted(caller.Payload);
        (await caller.SendAsync(replay, caller.Sign(replay))).Refused("04", 403);
        Assert.Equal("Replayed", caller.Door.Log.LastRefusal);
    }
}
