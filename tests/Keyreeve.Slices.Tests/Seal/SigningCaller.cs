using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>A SKM-S, and a VAL server that signs its requests with keys of several kinds. Signatures are put together by hand, so that each part of one can be wrong.</summary>
public sealed class SigningCaller : IAsyncLifetime
{
    public const string Signing = "signing-server";

    private readonly string[] _settings;

    public SigningCaller() => _settings = [];

    private SigningCaller(string[] settings) => _settings = settings;

    public OpenIdServer Host { get; private set; } = null!;

    public KmDoor Door { get; private set; } = null!;

    public ECDsa P256 { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public ECDsa P384 { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP384);

    public RSA Rsa { get; } = RSA.Create(2048);

    public ECDsa Stranger { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <summary>Registered to encrypt for, and not to sign with.</summary>
    public ECDsa Reader { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public string Token { get; private set; } = "";

    /// <summary>A token for the same audience and another right.</summary>
    public string ProvisioningToken { get; private set; } = "";

    public JsonWebKeySet Keys => JsonWebKeySet.Of(
        [JsonWebKey.FromEcdsa(P256, "p256"), JsonWebKey.FromEcdsa(P384, "p384"), JsonWebKey.FromRsa(Rsa, JwsAlgorithm.PS256, "ps"), JsonWebKey.FromRsa(Rsa, JwsAlgorithm.RS256, "rs"), EncryptionKey]);

    public JsonWebKey EncryptionKey
    {
        get
        {
            using var ecdh = ECDiffieHellman.Create(Reader.ExportParameters(includePrivateParameters: true));
            return JsonWebKey.FromEcdh(ecdh, "enc");
        }
    }

    public static async Task<SigningCaller> StartAsync(params string[] settings)
    {
        var started = new SigningCaller(settings);
        await started.InitializeAsync();
        return started;
    }

    public async ValueTask InitializeAsync()
    {
        Host = await OpenIdServer.StartAsync(_settings);
        Door = await KmDoor.OfAsync(Host.Server);
        await Host.AddClientAsync(ValServer(Signing) with { Keys = Keys, SignedKeyRequests = true });
        Token = await Door.ClientTokenAsync(Signing, "seal:key_management");
        ProvisioningToken = await Door.ClientTokenAsync("val-server", "seal:key_provisioning");
    }

    public async ValueTask DisposeAsync()
    {
        Host.Http.Dispose();
        await Door.DisposeAsync();
        foreach (var key in (IDisposable[])[P256, P384, Rsa, Stranger, Reader])
            key.Dispose();
    }

    /// <summary>A VAL server of pump control, which owns all its records.</summary>
    public static Client ValServer(string clientId) => new()
    {
        ClientId = clientId,
        Name = clientId,
        Grants = [GrantType.ClientCredentials],
        Scopes = ScopeList.Of(["seal:key_management"]),
        OwnedServices = [KmDoor.Pump],
    };

    public string Payload => Door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice);

    public string Body(Action<JsonObject>? spoil = null)
    {
        var request = Door.Request();
        spoil?.Invoke(request);
        return request.ToJsonString();
    }

    public Task<KmAnswer> SendAsAsync(string token, string body, params string[] signatures) =>
        Door.SendAsync(new ByteArrayContent(Encoding.UTF8.GetBytes(body)), "Bearer " + token, "application/json", signatures: signatures);

    public Task<KmAnswer> SendAsync(string body, params string[] signatures) => SendAsAsync(Token, body, signatures);

    /// <summary>A signature as it should be.</summary>
    public string Sign(string body, ECDsa? key = null, string kid = "p256") => Sign(Header("ES256", kid), body, input => (key ?? P256).SignData(input, HashAlgorithmName.SHA256));

    public static string Header(string alg, string? kid) =>
        kid is null ? $$"""{"alg":"{{alg}}","b64":false,"crit":["b64"]}""" : $$"""{"alg":"{{alg}}","kid":"{{kid}}","b64":false,"crit":["b64"]}""";

    /// <summary>Any header over a body as it is.</summary>
    public static string Sign(string headerJson, string body, Func<byte[], byte[]> sign)
    {
        var header = Text(Encoding.UTF8.GetBytes(headerJson));
        return header + ".." + Text(sign([.. Encoding.ASCII.GetBytes(header + "."), .. Encoding.UTF8.GetBytes(body)]));
    }

    /// <summary>By which a client with these keys authenticates (private_key_jwt).</summary>
    public string Assertion(string clientId, string jwtId)
    {
        using var key = ClientSigningKey.FromEcdsa(ECDsa.Create(P256.ExportParameters(includePrivateParameters: true)), "p256");
        var claims = new JsonObject { ["iss"] = clientId, ["sub"] = clientId, ["aud"] = Host.Issuer, ["iat"] = Door.Now, ["exp"] = Door.Now + 60, ["jti"] = jwtId };
        return JwsWriter.Write(JwsWriter.Header(key, null), Encoding.UTF8.GetBytes(claims.ToJsonString()), key);
    }

    public static string Text(byte[] octets) => Base64Url.EncodeToString(octets);

    public async Task RefusedAsync(string body, params string[] signatures)
    {
        (await SendAsync(body, signatures)).Refused("04", 403);
        Assert.Equal("SignatureNotAccepted", Door.Log.LastRefusal);
    }
}
