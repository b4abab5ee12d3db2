using System.Net;
using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>Every SEAL service has its own scope and audience, and a token opens no service that it lacks.</summary>
[Proves("TS 33.434", "5.2.2")]
public sealed class ServiceAuthorizationTests : IAsyncLifetime
{
    private const string Groups = "https://gm.val.example/";

    private OpenIdServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await OpenIdServer.StartAsync("Scopes:Audiences:seal:group_management=" + Groups);
        await _server.AddClientAsync(new()
        {
            ClientId = "everything",
            Name = "everything",
            Profile = ClientProfile.OpenId,
            Grants = [GrantType.ClientCredentials],
            Scopes = ScopeList.Of([.. Services(_server).Select(s => s.Scope)]),
            OwnedServices = ["pump-control"],
        });
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_token_for_one_service_is_for_its_audience_and_no_other()
    {
        var audiences = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (scope, audience, _) in Services(_server))
        {
            var claims = OpenIdServer.ClaimsOf(await TokenAsync(scope));
            Assert.Equal((scope, audience), ((string?)claims["scope"], (string?)claims["aud"]));
            audiences.Add(audience);
        }
        Assert.Equal(Services(_server).Count, audiences.Count);
    }

    [Fact]
    [Proves("TS 33.434", "5.2.6")]
    public async Task A_service_of_this_server_is_opened_by_its_own_scope_alone()
    {
        foreach (var (opens, _, door) in Services(_server).Where(s => s.Door is not null))
        {
            foreach (var (scope, _, _) in Services(_server))
            {
                var answer = await AskAsync(door!, await TokenAsync(scope));
                Assert.True(scope == opens ? answer is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden) : answer == HttpStatusCode.Unauthorized, $"{scope} at {door}: {answer}");
            }
        }
    }

    /// <summary>Scope, audience, and a request of this server that the scope opens; null where the service is elsewhere.</summary>
    private static List<(string Scope, string Audience, string? Door)> Services(OpenIdServer server) =>
    [
        ("seal:key_management", server.Issuer + "/seal/km", "GET /ss-kir/v1/key-records?val-service-id=pump-control"),
        ("seal:configuration_management", server.Issuer + "/seal/cm", null),
        ("seal:group_management", Groups, null),
        ("seal:location_management", server.Issuer + "/seal/lm", null),
        ("seal:identity_provisioning", server.Issuer + "/ss-ipp", "POST /ss-ipp/v1/configurations"),
        ("seal:user_profile", server.Issuer + "/ss-upr", "GET /ss-upr/v1/val-services?val-service-id=pump-control&valUserId=sip:alice@val.example"),
        ("val:pump-control", "https://val.example/pump-control", null),
        ("val:fleet-tracking", "https://val.example/fleet-tracking", null),
    ];

    private async Task<string> TokenAsync(string scope) =>
        (string)(await _server.PostAsync("/token", _server.Server.Basic("everything"), ("grant_type", "client_credentials"), ("scope", scope))).Json["access_token"]!;

    private async Task<HttpStatusCode> AskAsync(string door, string token)
    {
        var (method, address) = (new HttpMethod(door.Split(' ')[0]), door.Split(' ')[1]);
        using var request = new HttpRequestMessage(method, address) { Content = method == HttpMethod.Post ? new StringContent("{}", Encoding.UTF8, "application/json") : null };
        request.Headers.Authorization = new("Bearer", token);
        return (await _server.SendAsync(request)).Status;
    }
}
