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
        // Getting keys and bringing them are two rights at one SKM-S; every other service is for itself.
        Assert.Equal(Services(_server).Count - 1, audiences.Count);
    }

    [Fact]
    [Proves("TS 33.434", "5.2.6")]
    public async Task A_service_of_this_server_is_opened_by_its_own_scope_alone()
    {
        var tokens = new List<(string Scope, string Audience, string Text)>();
        foreach (var (scope, audience, _) in Services(_server))
            tokens.Add((scope, audience, await TokenAsync(scope)));
        foreach (var (opens, audience, doors) in Services(_server))
        {
            foreach (var (door, token) in doors.SelectMany(d => tokens.Select(t => (d, t))))
            {
                var answer = await AskAsync(door, token.Text);
                // A token that is meant for the server and lacks the scope may be told so: insufficient_scope.
                var refused = answer == HttpStatusCode.Unauthorized || answer == HttpStatusCode.Forbidden && token.Audience == audience;
                Assert.True(token.Scope == opens ? answer is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden) : refused, $"{token.Scope} at {door}: {answer}");
            }
        }
    }

    /// <summary>Scope, audience, and the requests of this server that the scope opens; none where the service is elsewhere.</summary>
    private static List<(string Scope, string Audience, string[] Doors)> Services(OpenIdServer server) =>
    [
        ("seal:key_management", server.Issuer + "/seal/km", ["POST /seal/km/v1/requests", "GET /ss-kir/v1/key-records?val-service-id=pump-control"]),
        ("seal:key_provisioning", server.Issuer + "/seal/km", ["POST /seal/km/v1/provisioning", "GET /seal/km/v1/services/pump-control/records"]),
        ("seal:configuration_management", server.Issuer + "/seal/cm", []),
        ("seal:group_management", Groups, []),
        ("seal:location_management", server.Issuer + "/seal/lm", []),
        ("seal:identity_provisioning", server.Issuer + "/ss-ipp", ["POST /ss-ipp/v1/configurations"]),
        ("seal:user_profile", server.Issuer + "/ss-upr", ["GET /ss-upr/v1/val-services?val-service-id=pump-control&valUserId=sip:alice@val.example"]),
        ("val:pump-control", "https://val.example/pump-control", []),
        ("val:fleet-tracking", "https://val.example/fleet-tracking", []),
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
