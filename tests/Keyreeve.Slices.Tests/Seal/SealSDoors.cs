using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>A caller of every door of the SEAL APIs, with a certificate, a token, both or neither.</summary>
internal sealed class SealSDoors(CertificateWorld world)
{
    public const string Pump = "pump-control";

    public static readonly string[] All = ["km", "kir", "upr", "ipp", "kp", "own"];

    /// <summary>A VAL server with a secret, so that its tokens are not bound, and a registered name; its registration demands the certificate, or does not.</summary>
    public async Task<(string Id, string Name)> NewServerAsync(string kind = "san_uri:", bool isRegisteredSo = true)
    {
        var id = "val-" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture);
        var name = kind == "san_uri:" ? "urn:val:" + id : id[..20] + ".example";
        await world.Server.AddClientAsync(SealCaller.ValServer(id) with
        {
            RequireCertificate = isRegisteredSo,
            TlsName = CertificateWorld.Named(kind + name),
            Scopes = ScopeList.Of(["seal:identity_provisioning", "seal:user_profile", "seal:key_management", "seal:key_provisioning"]),
        });
        return (id, name);
    }

    public async Task<string> TokenAsync(string id, string door)
    {
        var scope = door switch { "km" or "kir" => "seal:key_management", "kp" or "own" => "seal:key_provisioning", "upr" => "seal:user_profile", _ => "seal:identity_provisioning" };
        var answer = await world.Server.PostAsync("/token", world.Server.Server.Basic(id), ("grant_type", "client_credentials"), ("scope", scope));
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        return (string)answer.Json["access_token"]!;
    }

    public async Task<Answer> AskAsync(string door, string listener, X509Certificate2? certificate, string? token, string id, (string Name, string Value) header = default, string? clientIdOfRecord = null)
    {
        using var http = world.Server.Server.NewClient(listener, certificate);
        using var request = door switch
        {
            "km" => new HttpRequestMessage(HttpMethod.Post, "/seal/km/v1/requests") { Content = new StringContent(KmRequest(clientIdOfRecord), Encoding.UTF8, "application/json") },
            "kir" => new HttpRequestMessage(HttpMethod.Get, "/ss-kir/v1/key-records?val-service-id=" + Pump),
            "kp" => new HttpRequestMessage(HttpMethod.Post, "/seal/km/v1/provisioning") { Content = new StringContent("{}", Encoding.UTF8, "application/json") },
            "own" => new HttpRequestMessage(HttpMethod.Get, $"/seal/km/v1/services/{Pump}/records"),
            "upr" => new HttpRequestMessage(HttpMethod.Get, "/ss-upr/v1/val-services?val-tgt-ue=" + Uri.EscapeDataString("""{"valUserId":"sip:alice@val.example"}""")),
            _ => new HttpRequestMessage(HttpMethod.Get, "/ss-ipp/v1/configurations?val-server-id=" + id),
        };
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (header.Name is not null)
            request.Headers.TryAddWithoutValidation(header.Name, header.Value);
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        return new Answer(response, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private string KmRequest(string? clientId)
    {
        var request = new JsonObject
        {
            ["version"] = "1.0.0",
            ["sKmsUri"] = (string)world.Server.Server.Demo["skmsUri"]!,
            ["serviceId"] = Pump,
            ["dateTime"] = world.Server.Server.Time.GetUtcNow().ToUnixTimeSeconds(),
            ["requestId"] = Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture),
        };
        if (clientId is not null)
            request["clientId"] = clientId;
        return request.ToJsonString();
    }

    public static void AssertRefused(string door, Answer answer, string text)
    {
        Assert.True(answer.Status == HttpStatusCode.Unauthorized, answer.Text);
        // The message of TS 33.434 has an error code and no words; the reason stands in the challenge for all.
        Assert.Contains(text, answer.Response.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        if (door is "km" or "kp")
            Assert.Equal("03", (string)answer.Json["errorCode"]!);
        else
            Assert.Equal(text, (string)answer.Json["detail"]!);
    }
}
