using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>A client that authenticates by private_key_jwt, registered for the test.</summary>
internal sealed class AssertingClient : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly string _clientId;

    private AssertingClient(string clientId) => _clientId = clientId;

    public static async Task<AssertingClient> RegisterAsync(Peer peer, string clientId)
    {
        var client = new AssertingClient(clientId);
        var point = client._key.ExportParameters(false).Q;
        var (status, body, _) = await peer.AdminAsync(HttpMethod.Post, "/clients", new()
        {
            ["clientId"] = clientId,
            ["name"] = clientId,
            ["profile"] = "openid",
            ["authMethods"] = new JsonArray("private_key_jwt"),
            ["jwks"] = new JsonObject
            {
                ["keys"] = new JsonArray(new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64Url.EncodeToString(point.X), ["y"] = Base64Url.EncodeToString(point.Y), ["alg"] = "ES256", ["use"] = "sig", ["kid"] = "one" }),
            },
            ["grants"] = new JsonArray("client_credentials"),
            ["scopes"] = "val:pump-control",
        });
        Assert.True(status == 201, body.ToJsonString());
        return client;
    }

    /// <summary>One that was not used yet.</summary>
    public string NewAssertion()
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var claims = string.Create(CultureInfo.InvariantCulture,
            $$"""{"iss":"{{_clientId}}","sub":"{{_clientId}}","aud":"https://localhost:4711","iat":{{now}},"exp":{{now + 250}},"jti":"{{Convert.ToHexString(RandomNumberGenerator.GetBytes(12))}}"}""");
        var signed = Base64Url.EncodeToString("""{"alg":"ES256","kid":"one"}"""u8) + "." + Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims));
        return signed + "." + Base64Url.EncodeToString(_key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256));
    }

    /// <summary>Asks for a token of its own.</summary>
    public async Task<(HttpStatusCode Status, string Body)> PostAsync(Peer peer, string assertion)
    {
        using var response = await peer.Client.Http.PostAsync("/token", new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["scope"] = "val:pump-control",
            ["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ["client_assertion"] = assertion,
        }));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    public void Dispose() => _key.Dispose();
}
