using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Snapshots;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Clients whose keys are fetched (jwks_uri): rotation, theft, floods, and sources that are slow, broken, away or not where they say.</summary>
[Proves("RFC 7591", "2")]
public sealed class RemoteKeysTests : IAsyncLifetime
{
    private readonly ScriptedPeer _source = new(tls: false);
    private readonly ClientSigningKey _first = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256));
    private readonly ClientSigningKey _second = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256));
    private OpenIdServer _server = null!;
    private int _next;

    public async ValueTask InitializeAsync()
    {
        _server = await OpenIdServer.StartAsync("Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "Outbound:AllowHttp=true");
        Publish(_first);
        await AddAsync("remote", _source.Address("/jwks"));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _source.DisposeAsync();
        _first.Dispose();
        _second.Dispose();
    }

    [Fact]
    public async Task Keys_are_fetched_once_and_then_remembered()
    {
        for (var i = 0; i < 5; i++)
            Assert.Equal(HttpStatusCode.OK, await AskAsync(_first));
        Assert.Equal(1, _source.Accepted);
        Assert.Equal("/jwks", (await _source.NextAsync()).Path);
    }

    [Fact]
    public async Task A_new_key_is_accepted_within_a_minute_and_the_old_one_then_is_not()
    {
        Assert.Equal(HttpStatusCode.OK, await AskAsync(_first));
        Publish(_second);
        // Seconds later a new kid is not asked for again yet; after ten it is.
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(_second));
        _server.Server.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(_second));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(_first));
    }

    [Fact]
    public async Task A_withdrawn_key_and_a_key_without_kid_are_known_after_half_a_minute()
    {
        Assert.Equal(HttpStatusCode.OK, await AskAsync(_first));
        Publish(_second);
        _server.Server.Time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(_first));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(_second, header: "{\"alg\":\"ES256\"}"));
    }

    [Fact]
    public async Task A_flood_of_unknown_key_ids_is_one_fetch()
    {
        Assert.Equal(HttpStatusCode.OK, await AskAsync(_first));
        _server.Server.Time.Advance(TimeSpan.FromSeconds(11));
        var statuses = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => AskAsync(_second, header: $"{{\"alg\":\"ES256\",\"kid\":\"unknown-{i}\"}}")));
        Assert.All(statuses, s => Assert.Equal(HttpStatusCode.Unauthorized, s));
        Assert.Equal(2, _source.Accepted);
    }

    [Theory]
    [InlineData("500 Internal Server Error", "")]
    [InlineData("302 Found", "Location: /elsewhere\r\n")]
    [InlineData("200 OK", "")]
    public async Task While_the_source_is_away_the_last_good_set_is_used_for_an_hour(string status, string headers)
    {
        Assert.Equal(HttpStatusCode.OK, await AskAsync(_first));
        _source.Always(status, headers, "no key set");
        for (var minutes = 10; minutes < 60; minutes += 10)
        {
            _server.Server.Time.Advance(TimeSpan.FromMinutes(10));
            Assert.Equal(HttpStatusCode.OK, await AskAsync(_first));
        }
        _server.Server.Time.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(_first));
        Publish(_first);
        _server.Server.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(_first));
    }

    [Theory]
    [InlineData("private key")]
    [InlineData("too large")]
    [InlineData("redirect")]
    [InlineData("error")]
    [InlineData("no answer")]
    public async Task A_source_that_gives_no_key_set_authenticates_nobody(string variant)
    {
        var elsewhere = new ScriptedPeer(tls: false);
        await using var _ = elsewhere;
        elsewhere.Always("200 OK", "", SetOf(_first));
        switch (variant)
        {
            case "private key": _source.Always("200 OK", "", SetOf(_first).Replace("\"kty\":\"EC\"", "\"kty\":\"EC\",\"d\":\"AAAA\"", StringComparison.Ordinal)); break;
            case "too large": _source.Always("200 OK", "", SetOf(_first) + new string(' ', 70_000)); break;
            case "redirect": _source.Always("302 Found", $"Location: {elsewhere.Address("/jwks")}\r\n", ""); break;
            case "error": _source.Always("404 Not Found", "", SetOf(_first)); break;
            default: _source.Script = (_, _, _) => Task.CompletedTask; break; // it hangs up
        }
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(_first));
        Assert.Equal(0, elsewhere.Accepted);
    }

    [Fact]
    public async Task Nobody_waits_for_another_clients_source()
    {
        var hanging = new ScriptedPeer(tls: false) { Script = (_, _, cancel) => Task.Delay(Timeout.Infinite, cancel) };
        await using var _ = hanging;
        await AddAsync("hanging", hanging.Address("/jwks"));
        var waiting = AskAsync(_first, "hanging");
        await hanging.NextAsync();
        Assert.Equal(HttpStatusCode.OK, await AskAsync(_first));
        Assert.Equal(HttpStatusCode.Unauthorized, await waiting);
    }

    [Fact]
    public async Task A_target_inside_the_operators_network_is_not_connected_to_unless_allowed()
    {
        await using var strict = await OpenIdServer.StartAsync();
        await using var inside = new ScriptedPeer();
        inside.Always("200 OK", "", SetOf(_first));
        await strict.AddClientAsync(Registration("inside", inside.Address("/jwks")));
        Assert.Equal(HttpStatusCode.Unauthorized, (await strict.PostAsync("/token", null, Form(strict, "inside", _first, null))).Status);
        Assert.Equal(0, inside.Accepted);
    }

    [Fact]
    [Proves("RFC 8705", "2.2")]
    public async Task A_certificate_in_a_fetched_key_set_authenticates_until_it_is_taken_out()
    {
        using var first = OutsideAuthority.SelfSigned("CN=remote");
        using var second = OutsideAuthority.SelfSigned("CN=remote");
        await _server.AddClientAsync(Registration("remote-tls", _source.Address("/jwks")) with { AuthMethods = [ClientAuthMethod.SelfSignedTls] });
        _source.Always("200 OK", "", SetOf(first));
        Assert.Equal(HttpStatusCode.OK, await ShowAsync(first));
        Assert.Equal(HttpStatusCode.Unauthorized, await ShowAsync(second));
        _source.Always("200 OK", "", SetOf(second));
        _server.Server.Time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(HttpStatusCode.OK, await ShowAsync(second));
        Assert.Equal(HttpStatusCode.Unauthorized, await ShowAsync(first));

        async Task<HttpStatusCode> ShowAsync(X509Certificate2 certificate)
        {
            using var http = _server.Server.NewClient("mtls", certificate);
            return (await http.PostAsync("/token", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = "remote-tls" }))).StatusCode;
        }

        static string SetOf(X509Certificate2 certificate)
        {
            using var key = certificate.GetECDsaPublicKey()!;
            var q = key.ExportParameters(includePrivateParameters: false).Q;
            return $$"""{"keys":[{"kty":"EC","crv":"P-256","x":"{{Base64UrlStrict.Encode(q.X!)}}","y":"{{Base64UrlStrict.Encode(q.Y!)}}","x5c":["{{Convert.ToBase64String(certificate.RawData)}}"]}]}""";
        }
    }

    [Fact]
    public async Task Naming_the_client_alone_fetches_nothing()
    {
        await _server.PostAsync("/token", null, ("grant_type", "client_credentials"), ("client_id", "remote"));
        await _server.PostAsync("/token", null, ("grant_type", "client_credentials"), ("client_id", "remote"), ("client_secret", "x"));
        Assert.Equal(0, _source.Accepted);
    }

    [Fact]
    public async Task The_keys_of_a_trusted_issuer_are_fetched_as_well_and_follow_its_rotation()
    {
        const string partner = "https://sim.partner.example";
        await _server.AddClientAsync(Registration("pump", _source.Address("/unused")) with
        {
            AuthMethods = [ClientAuthMethod.SecretBasic],
            KeysUri = null,
            Grants = [GrantType.JwtBearer],
        });
        var issuer = new Partner(partner).Registration(["pump"]) with { Keys = null, KeysUri = _source.Address("/partner") };
        Assert.True((await _server.Service<IDirectory>().SaveIssuerAsync(issuer, create: true, null, new AuditEntry { Kind = "issuer.saved", Outcome = AuditOutcome.Changed, At = 1 }, CancellationToken.None)).Succeeded(out _, out _));
        await _server.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
        Assert.Equal(HttpStatusCode.OK, await AssertAsync(_first));
        Assert.Equal(HttpStatusCode.OK, await AssertAsync(_first));
        Assert.Equal(1, _source.Accepted);
        Publish(_second);
        _server.Server.Time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(HttpStatusCode.OK, await AssertAsync(_second));
        Assert.Equal(HttpStatusCode.BadRequest, await AssertAsync(_first));

        async Task<HttpStatusCode> AssertAsync(ClientSigningKey key)
        {
            var claims = new Partner(partner).Claims(_server.Issuer, _server.Server.Time.GetUtcNow());
            return (await _server.PostAsync("/token", _server.Server.Basic("pump"), ("grant_type", ExchangeWorld.Bearer), ("assertion", new Partner(partner).Sign(claims, by: key)))).Status;
        }
    }

    private void Publish(ClientSigningKey key) => _source.Always("200 OK", "Content-Type: application/json\r\n", SetOf(key));

    private Task AddAsync(string id, string address) => _server.AddClientAsync(Registration(id, address));

    private static Keyreeve.Core.Identity.Client Registration(string id, string address) => new()
    {
        ClientId = id,
        Name = id,
        Profile = ClientProfile.OpenId,
        AuthMethods = [ClientAuthMethod.PrivateKeyJwt],
        KeysUri = address,
        Grants = [GrantType.ClientCredentials],
        Scopes = ScopeList.Of(["val:pump-control"]),
    };

    private async Task<HttpStatusCode> AskAsync(ClientSigningKey key, string id = "remote", string? header = null) =>
        (await _server.PostAsync("/token", null, Form(_server, id, key, header))).Status;

    private (string, string)[] Form(OpenIdServer server, string id, ClientSigningKey key, string? header)
    {
        var now = server.Server.Time.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject { ["iss"] = id, ["sub"] = id, ["aud"] = server.Issuer, ["iat"] = now, ["exp"] = now + 60, ["jti"] = $"{Guid.NewGuid()}-{Interlocked.Increment(ref _next)}" };
        var assertion = JwsWriter.Write(header is null ? JwsWriter.Header(key, null) : Encoding.UTF8.GetBytes(header), Encoding.UTF8.GetBytes(claims.ToJsonString()), key);
        return [("grant_type", "client_credentials"), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion)];
    }

    private static string SetOf(ClientSigningKey key)
    {
        using var stream = new MemoryStream();
        using (var json = new System.Text.Json.Utf8JsonWriter(stream))
            JsonWebKeySet.Of([key.PublicJwk!]).WritePublic(json);
        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
