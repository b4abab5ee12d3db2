using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Client;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>Key material that only its receiver reads, whoever ends TLS on the way; and that nothing is given in the clear when that cannot be had.</summary>
[Proves("TS 33.434", "5.1.1.4")]
[Proves("TS 33.434", "5.3.3")]
public sealed class KmEncryptionTests(SigningCaller caller) : IClassFixture<SigningCaller>
{
    private const string Scope = "seal:key_management";

    [Fact]
    public async Task The_payload_is_a_JWE_that_the_clients_key_opens_and_nobody_elses()
    {
        await AddAsync("reader");
        var token = await caller.Door.ClientTokenAsync("reader", Scope);
        var answer = await caller.SendAsAsync(token, caller.Body());
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.DoesNotContain(caller.Payload, answer.Body, StringComparison.Ordinal);
        Assert.Equal(caller.Payload, Open(answer.Payload!));
        // Who is answered, what was asked and when are as they always are.
        Assert.Equal((KmDoor.Pump, KmDoor.Alice, caller.Door.Now), ((string?)answer.Json["serviceId"], (string?)answer.Json["userId"], (long)answer.Json["dateTime"]!));
        Assert.Equal($"{caller.Host.Issuer}/clients/reader", (string?)answer.Json["userUri"]);

        using var stranger = JweKey.FromEcdh(ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256));
        Assert.True(JweCompact.TryRead(answer.Payload, out var jwe, out _));
        Assert.Equal((JweKeyManagement.EcdhEsA256Kw, JweContent.A256Gcm, "km-payload", "enc"), (jwe.Header.KeyManagement, jwe.Header.Content, jwe.Header.Typ, jwe.Header.Kid));
        Assert.False(jwe.TryDecrypt(stranger, out _));
        // Each answer under keys of its own.
        var again = await caller.SendAsAsync(token, caller.Body());
        Assert.Empty(answer.Payload!.Split('.').Intersect(again.Payload!.Split('.')));
    }

    [Fact]
    public async Task At_the_door_of_TS_29_549_keyInfo_is_the_JWE()
    {
        await AddAsync("reader-29549");
        var token = await caller.Door.ClientTokenAsync("reader-29549", Scope);
        var answer = await caller.Host.GetAsync($"{SealCaller.KeyRecords}?val-service-id=pump-control&valUserId={KmDoor.Alice}", token);
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(caller.Payload, Open((string)answer.Json["keyInfo"]!));
        Assert.DoesNotContain(SigningCaller.Text(Encoding.UTF8.GetBytes(caller.Payload)), answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_users_key_material_is_for_the_client_that_asks_for_it()
    {
        await caller.Host.ChangeClientAsync("seal-client", c => c with { Keys = caller.Keys, EncryptedKeyMaterial = true });
        try
        {
            Assert.Equal(caller.Payload, Open((await caller.SendAsAsync(caller.Door.AliceToken, caller.Body())).Payload!));
        }
        finally
        {
            await caller.Host.ChangeClientAsync("seal-client", c => c with { Keys = null, EncryptedKeyMaterial = false });
        }
    }

    [Fact]
    public async Task A_refusal_is_what_it_is_without_encryption()
    {
        await AddAsync("reader-refused");
        var token = await caller.Door.ClientTokenAsync("reader-refused", Scope);
        (await caller.SendAsAsync(token, caller.Body(r => r["serviceId"] = KmDoor.Fleet))).Refused("04", 403);
        (await caller.SendAsAsync(token, caller.Body(r => r["userId"] = "sip:nobody@val.example"))).Refused("02", 404);
    }

    public static TheoryData<string> KeysThatDoNotRead => ["none", "signing", "unsaid", "other-algorithm", "rsa"];

    [Theory]
    [MemberData(nameof(KeysThatDoNotRead))]
    public async Task Without_a_key_to_encrypt_for_there_is_no_key_material_at_either_door(string keys)
    {
        var id = "no-reader-" + keys;
        await caller.Host.AddClientAsync(SigningCaller.ValServer(id) with { Keys = SetOf(keys), EncryptedKeyMaterial = true });
        var token = await caller.Door.ClientTokenAsync(id, Scope);
        (await caller.SendAsAsync(token, caller.Body())).Refused("01", 500);
        Assert.Equal("Unavailable", caller.Door.Log.LastRefusal);
        var other = await caller.Host.GetAsync($"{SealCaller.KeyRecords}?val-service-id=pump-control&valUserId={KmDoor.Alice}", token);
        Assert.Equal((HttpStatusCode.InternalServerError, "01", "UNSPECIFIED"), (other.Status, (string?)other.Json["errorCode"], (string?)other.Json["cause"]));
        Assert.DoesNotContain("keyInfo", other.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_behind_a_jwks_uri_are_fetched_for_both_and_a_source_that_is_away_is_503()
    {
        await using var source = new ScriptedPeer(tls: false);
        await using var own = await SigningCaller.StartAsync("Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "Outbound:AllowHttp=true");
        source.Always("503 Service Unavailable");
        await own.Host.AddClientAsync(SigningCaller.ValServer("remote") with { KeysUri = source.Address("/jwks"), SignedKeyRequests = true, EncryptedKeyMaterial = true });
        var token = await own.Door.ClientTokenAsync("remote", Scope);
        var body = own.Body();
        await RefusedUnsignedAsync(own, token);
        Assert.Equal(0, source.Accepted); // nothing is fetched for who shows no signature that reads
        Assert.NotNull((await own.SendAsAsync(token, body, own.Sign(body))).Refused("01", 503).RetryAfter);

        source.Always("200 OK", "Content-Type: application/jwk-set+json\r\n", JwkSetOf(own.Keys));
        own.Host.Server.Time.Advance(TimeSpan.FromSeconds(11));
        body = own.Body();
        Assert.Equal(own.Payload, Open((await own.SendAsAsync(token, body, own.Sign(body))).Payload!, own));
    }

    [Fact]
    public async Task The_library_asks_signed_and_opens_what_comes()
    {
        await caller.Host.AddClientAsync(SigningCaller.ValServer("both") with { Keys = caller.Keys, SignedKeyRequests = true, EncryptedKeyMaterial = true });
        var token = await caller.Door.ClientTokenAsync("both", Scope);
        using var signer = ClientSigningKey.FromEcdsa(ECDsa.Create(caller.P256.ExportParameters(includePrivateParameters: true)), "p256");
        using var key = KeyOf(caller);
        var endpoint = new Uri(caller.Host.Issuer + "/seal/km/v1/requests");
        var skm = new SkmClient(caller.Host.Http, endpoint, caller.Door.SKmsUri, TimeSpan.FromSeconds(30), TimeProvider.System) { RequestSigner = signer, PayloadKey = key };
        var answer = Assert.IsType<SkmAnswer.KeyMaterial>(await AskAsync(skm));
        Assert.Equal(caller.Payload, answer.Response.Payload);
        // A client that does not sign is refused; one without the key has nothing in hand.
        var unsigned = new SkmClient(caller.Host.Http, endpoint, caller.Door.SKmsUri, TimeSpan.FromSeconds(30), TimeProvider.System) { PayloadKey = key };
        Assert.Equal(KmErrorCode.NotValidated, Assert.IsType<SkmAnswer.Refused>(await AskAsync(unsigned)).Code);

        Task<SkmAnswer> AskAsync(SkmClient client)
        {
            // The server's clock stands still.
            Assert.True(KmRequest.TryCreate(caller.Door.SKmsUri, KmDoor.Pump, new(KmIdentityKind.User, KmDoor.Alice), caller.Door.Now, caller.Door.NewRequestId(), out var request, out _));
            return client.SendAsync(request, new TokenText(token), TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task What_the_operator_demands_of_all_no_registration_takes_away()
    {
        await using var own = await SigningCaller.StartAsync("Seal:RequestSignature=required", "Seal:PayloadEncryption=required");
        // The demo's clients are registered for neither.
        (await own.SendAsAsync(own.Door.AliceToken, own.Body())).Refused("04", 403);
        Assert.Equal("SignatureNotAccepted", own.Door.Log.LastRefusal);
        (await own.SendAsAsync(own.Door.ValServerToken, own.Body())).Refused("04", 403);
        var body = own.Body();
        Assert.Equal(own.Payload, Open((await own.SendAsync(body, own.Sign(body))).Payload!, own));
        // Signed, and without a key to encrypt for.
        await own.Host.AddClientAsync(SigningCaller.ValServer("only-signs") with { Keys = JsonWebKeySet.Of([JsonWebKey.FromEcdsa(own.P256, "p256")]) });
        body = own.Body();
        (await own.SendAsAsync(await own.Door.ClientTokenAsync("only-signs", Scope), body, own.Sign(body))).Refused("01", 500);
        // The other door takes no signature.
        var other = await own.Host.GetAsync($"{SealCaller.KeyRecords}?val-service-id=pump-control", own.Door.ValServerToken);
        Assert.Equal((HttpStatusCode.Forbidden, "04"), (other.Status, (string?)other.Json["errorCode"]));
    }

    [Theory]
    [InlineData("Seal:RequestSignature")]
    [InlineData("Seal:PayloadEncryption")]
    public void A_demand_that_is_misspelt_stops_the_start(string setting) => Assert.Throws<Server.Settings.SettingsException>(() =>
        Server.Settings.SettingsReader.Read(null, [], [KeyValuePair.Create(setting, "requierd")]));

    private static async Task RefusedUnsignedAsync(SigningCaller own, string token)
    {
        (await own.SendAsAsync(token, own.Body())).Refused("04", 403);
        (await own.SendAsAsync(token, own.Body(), "junk")).Refused("04", 403);
    }

    private Task AddAsync(string id) => caller.Host.AddClientAsync(SigningCaller.ValServer(id) with { Keys = caller.Keys, EncryptedKeyMaterial = true });

    private string Open(string jwe, SigningCaller? of = null)
    {
        using var key = KeyOf(of ?? caller);
        Assert.True(JweCompact.TryRead(jwe, out var read, out var error), error.ToString());
        Assert.True(read.TryDecrypt(key, out var payload));
        return Encoding.UTF8.GetString(payload);
    }

    private static JweKey KeyOf(SigningCaller of) => JweKey.FromEcdh(ECDiffieHellman.Create(of.Reader.ExportParameters(includePrivateParameters: true)), "enc");

    private JsonWebKeySet? SetOf(string keys) => keys switch
    {
        "none" => null,
        "signing" => JsonWebKeySet.Of([JsonWebKey.FromEcdsa(caller.P256, "p256")]),
        "unsaid" => Parsed(j => j.Remove("use")),
        "other-algorithm" => Parsed(j => j["alg"] = "ECDH-ES+A128KW"),
        _ => JsonWebKeySet.Of([JsonWebKey.FromRsa(caller.Rsa, JwsAlgorithm.RS256, "rs")]),
    };

    private JsonWebKeySet Parsed(Action<JsonObject> spoil)
    {
        var set = JsonNode.Parse(JwkSetOf(JsonWebKeySet.Of([caller.EncryptionKey])))!;
        spoil(set["keys"]![0]!.AsObject());
        Assert.True(JsonWebKeySet.TryRead(Encoding.UTF8.GetBytes(set.ToJsonString()), out var read, out _));
        return read;
    }

    private static string JwkSetOf(JsonWebKeySet keys)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var json = new System.Text.Json.Utf8JsonWriter(buffer))
            keys.WritePublic(json);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
