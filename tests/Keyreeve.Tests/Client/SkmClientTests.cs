using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Keyreeve.Client;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Tests.Client;

public sealed class SkmClientTests
{
    private const string SKmsUri = "https://sim-s.example/seal/km";

    private readonly ScriptedSim _skm = new();

    [Fact]
    [Proves("TS 33.434", "5.3.1")]
    [Proves("TS 33.434", "5.3.2")]
    public async Task A_request_carries_the_token_and_the_answer_to_it_is_taken()
    {
        var answer = Assert.IsType<SkmAnswer.KeyMaterial>(await Ask(_ => { }));
        Assert.Equal("the key", answer.Response.Payload);
        Assert.DoesNotContain("the key", answer.ToString(), StringComparison.Ordinal);
        var (path, body, authorization) = _skm.Seen[^1];
        Assert.Equal(("/seal/km/v1/requests", "Bearer the-token"), (path, authorization));
        Assert.True(KmRequest.TryRead(System.Text.Encoding.UTF8.GetBytes(body), out var request, out _));
        Assert.Equal((SKmsUri, "s1", new KmIdentity(KmIdentityKind.User, "u1"), ScriptedSim.Start.ToUnixTimeSeconds()),
            (request.SKmsUri, request.ServiceId, request.Identity, request.DateTime));
        Assert.Equal(22, request.RequestId.Length);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public async Task A_response_about_another_identity_is_not_believed()
    {
        await Untrusted(r => r["userId"] = "u2", "the serviceId and identity asked");
        await Untrusted(r => r["serviceId"] = "s2", "the serviceId and identity asked");
        await Untrusted(r => { r.Remove("userId"); r["deviceId"] = "u1"; }, "the serviceId and identity asked");
        await Untrusted(r => r.Remove("userId"), "the serviceId and identity asked");
        await Untrusted(r => r["sKmsUri"] = "https://other.example/seal/km", "the sKmsUri asked");
        await Untrusted(r => r.Remove("userUri"), "userUri");
    }

    [Theory]
    [InlineData(-6, false)]
    [InlineData(-5, true)]
    [InlineData(5, true)]
    [InlineData(6, false)]
    public async Task A_response_outside_the_window_is_not_believed(int offset, bool taken)
    {
        var answer = await Ask(r => r["dateTime"] = ScriptedSim.Start.ToUnixTimeSeconds() + offset);
        Assert.Equal(taken, answer is SkmAnswer.KeyMaterial);
        Assert.Equal(taken, answer is not SkmAnswer.Untrusted);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public async Task A_payload_beside_an_error_code_is_not_believed()
    {
        await Untrusted(r => r["errorCode"] = "02", "a SEAL KM Response", 404);
        await Untrusted(r => r["errorCode"] = "02", "a SEAL KM Response");
    }

    [Theory]
    [InlineData("01", 500, KmErrorCode.Unspecified)]
    [InlineData("01", 503, KmErrorCode.Unspecified)]
    [InlineData("01", 429, KmErrorCode.Unspecified)]
    [InlineData("02", 404, KmErrorCode.NotAvailable)]
    [InlineData("03", 401, KmErrorCode.Rejected)]
    [InlineData("04", 400, KmErrorCode.NotValidated)]
    [InlineData("04", 403, KmErrorCode.NotValidated)]
    [Proves("TS 33.434", "5.3.3")]
    public async Task An_error_code_under_its_status_is_a_refusal(string code, int status, KmErrorCode expected)
    {
        var refused = Assert.IsType<SkmAnswer.Refused>(await Ask(r => { r.Remove("payload"); r["errorCode"] = code; }, status));
        Assert.Equal((expected, status), (refused.Code, refused.Status));
        // Refused before the request was read: nothing is echoed, and nothing else is either.
        Assert.IsType<SkmAnswer.Refused>(await Ask(r => { r.Remove("payload"); r["errorCode"] = code; r.Remove("serviceId"); r.Remove("userId"); }, status));
        await Untrusted(r => { r.Remove("payload"); r["errorCode"] = code; r["userId"] = "u2"; }, "the serviceId and identity asked", status);
    }

    [Fact]
    public async Task An_error_code_under_another_status_is_not_believed()
    {
        await Untrusted(r => { r.Remove("payload"); r["errorCode"] = "02"; }, "the status of table 5.3.3-2");
        await Untrusted(r => { r.Remove("payload"); r["errorCode"] = "04"; }, "the status of table 5.3.3-2", 404);
        await Untrusted(r => { r.Remove("payload"); r["errorCode"] = "05"; }, "a SEAL KM Response", 404);
        await Untrusted(_ => { }, "HTTP 200 with a payload", 404);
    }

    [Fact]
    public void A_window_beyond_30_seconds_and_an_address_without_TLS_are_not_to_be_had()
    {
        using var http = new HttpClient(_skm, disposeHandler: false);
        var https = new Uri("https://sim-s.example/seal/km/v1/requests");
        Assert.Throws<ArgumentException>(() => new SkmClient(http, https, SKmsUri, TimeSpan.FromSeconds(31), _skm.Clock));
        Assert.Throws<ArgumentException>(() => new SkmClient(http, https, SKmsUri, TimeSpan.Zero, _skm.Clock));
        Assert.Throws<ArgumentException>(() => new SkmClient(http, new Uri("http://sim-s.example/"), SKmsUri, TimeSpan.FromSeconds(5), _skm.Clock));
    }

    [Fact]
    [Proves("TS 33.434", "5.3.2")]
    [Proves("RFC 7797", "6")]
    public async Task A_client_with_a_signing_key_signs_the_octets_that_it_sends()
    {
        using var signer = ScriptedSim.NewKey("sig-1");
        Assert.IsType<SkmAnswer.KeyMaterial>(await Ask(_ => { }, signer: signer));
        var sent = System.Text.Encoding.UTF8.GetBytes(_skm.Seen[^1].Body);
        Assert.True(JwsKey.TryFromJwk(signer.PublicJwk!, out var key, out _));
        using (key)
        {
            Assert.True(DetachedJws.TryVerify(_skm.Signature, sent, key, out _));
            Assert.False(DetachedJws.TryVerify(_skm.Signature, [.. sent, (byte)' '], key, out _));
        }
        Assert.True(DetachedJws.TryReadHeader(_skm.Signature, out var header, out _));
        Assert.Equal((true, "sig-1", JwsAlgorithm.ES256), (header.UnencodedPayload, header.Kid, header.Algorithm));

        await Ask(_ => { });
        Assert.Null(_skm.Signature);
        using var secret = ClientSigningKey.FromSecret(new byte[32]);
        await Assert.ThrowsAsync<ArgumentException>(() => Ask(_ => { }, signer: secret));
    }

    [Fact]
    [Proves("TS 33.434", "5.1.1.4")]
    public async Task A_client_with_a_payload_key_opens_what_is_encrypted_for_it_and_believes_nothing_else()
    {
        using var ecdh = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        var jwk = JsonWebKey.FromEcdh(ecdh, "enc-1");
        using var key = JweKey.FromEcdh(ECDiffieHellman.Create(ecdh.ExportParameters(includePrivateParameters: true)));
        using var another = JweKey.FromEcdh(ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256));
        Assert.True(JweRecipient.TryFromJwk(jwk, out var recipient, out _));
        string Encrypt(string text, string? typ = "km-payload", JweKeyManagement management = JweKeyManagement.EcdhEsA256Kw, JweContent content = JweContent.A256Gcm) =>
            recipient.Encrypt(System.Text.Encoding.UTF8.GetBytes(text), management, content, new(typ, null, null), RandomNumberGenerator.Fill);

        var opened = Assert.IsType<SkmAnswer.KeyMaterial>(await Ask(r => r["payload"] = Encrypt("the key of Zoë"), key: key));
        Assert.Equal("the key of Zoë", opened.Response.Payload);
        // The longest payload that a SKM-S has is longer than any token.
        var longest = new string('k', 64 * 1024);
        Assert.Equal(longest, Assert.IsType<SkmAnswer.KeyMaterial>(await Ask(r => r["payload"] = Encrypt(longest), key: key)).Response.Payload);

        foreach (var wrong in (string[])["the key", "", "a.b.c.d.e", Encrypt("x", typ: "at+jwt"), Encrypt("x", typ: null), Encrypt("x", management: JweKeyManagement.EcdhEs),
            Encrypt("x", management: JweKeyManagement.EcdhEsA128Kw), Encrypt("x", content: JweContent.A128Gcm), WithAnotherTag(Encrypt("x"))])
        {
            var untrusted = Assert.IsType<SkmAnswer.Untrusted>(await Ask(r => r["payload"] = wrong, key: key));
            Assert.Equal("a payload that is encrypted for this client", untrusted.Failure.Expected);
            Assert.DoesNotContain("the key", untrusted.Failure.Describe(), StringComparison.Ordinal);
        }
        Assert.IsType<SkmAnswer.Untrusted>(await Ask(r => r["payload"] = Encrypt("x"), key: another));
        var notText = recipient.Encrypt([0xff, 0xfe], JweKeyManagement.EcdhEsA256Kw, JweContent.A256Gcm, new("km-payload", null, null), RandomNumberGenerator.Fill);
        Assert.IsType<SkmAnswer.Untrusted>(await Ask(r => r["payload"] = notText, key: key));
        // A refusal has no payload to be encrypted.
        Assert.IsType<SkmAnswer.Refused>(await Ask(r => { r.Remove("payload"); r["errorCode"] = "02"; }, 404, key: key));
    }

    [Fact]
    public async Task A_refusal_for_now_says_how_long_to_wait_and_an_old_answer_how_far_the_clocks_are_apart()
    {
        _skm.RetryAfter = 7;
        var refused = Assert.IsType<SkmAnswer.Refused>(await Ask(r => { r.Remove("payload"); r["errorCode"] = "01"; }, 429));
        Assert.Equal(TimeSpan.FromSeconds(7), refused.After);
        _skm.RetryAfter = null;
        Assert.Null(Assert.IsType<SkmAnswer.Refused>(await Ask(r => { r.Remove("payload"); r["errorCode"] = "01"; }, 503)).After);
        var old = Assert.IsType<SkmAnswer.Untrusted>(await Ask(r => r["dateTime"] = ScriptedSim.Start.ToUnixTimeSeconds() - 3600));
        Assert.Contains("-3600 s", old.Failure.Found, StringComparison.Ordinal);
    }

    /// <summary>A JWE whose authentication tag begins with another character; the last ones may be, by chance, what would be put in their place.</summary>
    private static string WithAnotherTag(string jwe)
    {
        var at = jwe.LastIndexOf('.') + 1;
        return jwe[..at] + (jwe[at] == 'A' ? 'B' : 'A') + jwe[(at + 1)..];
    }

    private async Task<SkmAnswer> Ask(Action<JsonObject> spoil, int status = 200, IJwsSigner? signer = null, JweKey? key = null)
    {
        var response = new JsonObject
        {
            ["userUri"] = "sip:u1@val.example",
            ["sKmsUri"] = SKmsUri,
            ["serviceId"] = "s1",
            ["userId"] = "u1",
            ["dateTime"] = ScriptedSim.Start.ToUnixTimeSeconds(),
            ["payload"] = "the key",
        };
        spoil(response);
        _skm.Answers["/seal/km/v1/requests"] = (status, response.ToJsonString());
        using var http = new HttpClient(_skm, disposeHandler: false);
        var client = new SkmClient(http, new Uri("https://sim-s.example/seal/km/v1/requests"), SKmsUri, TimeSpan.FromSeconds(5), _skm.Clock) { RequestSigner = signer, PayloadKey = key };
        return await client.SendAsync(client.NewRequest("s1", new(KmIdentityKind.User, "u1")), new TokenText("the-token"), TestContext.Current.CancellationToken);
    }

    private async Task Untrusted(Action<JsonObject> spoil, string expected, int status = 200) =>
        Assert.Equal(expected, Assert.IsType<SkmAnswer.Untrusted>(await Ask(spoil, status)).Failure.Expected);
}
