using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Stolen access tokens: a bound one is of no use without its certificate, on every surface.</summary>
[Proves("RFC 8705", "3")]
[Proves("RFC 8705", "3.1")]
public sealed class BoundTokenTests(CertificateWorld world) : IClassFixture<CertificateWorld>
{
    private static readonly (string, string)[] Machine = [("grant_type", "client_credentials")];

    private readonly X509Certificate2 _mine = OutsideAuthority.SelfSigned("CN=mine");
    private readonly X509Certificate2 _others = OutsideAuthority.SelfSigned("CN=mine");

    [Fact]
    [Proves("RFC 8705", "3.2")]
    public async Task Who_authenticates_by_certificate_gets_a_bound_token_and_introspection_says_so()
    {
        await world.AddAsync("bound-by-method", ClientAuthMethod.SelfSignedTls, c => c with { CertificateThumbprints = [CertificateWorld.ThumbprintOf(_mine)] });
        var token = (string)(await world.TokenAsync(_mine, "bound-by-method")).Json["access_token"]!;
        Assert.Equal(CertificateWorld.ConfirmationOf(_mine), (string)OpenIdServer.ClaimsOf(token)["cnf"]!["x5t#S256"]!);
        var shown = (await world.PostAsync("mtls", _mine, "/introspect", null, ("client_id", "bound-by-method"), ("token", token))).Json;
        Assert.Equal(CertificateWorld.ConfirmationOf(_mine), (string)shown["cnf"]!["x5t#S256"]!);
        // Who authenticates otherwise gets none, though a certificate was there.
        var plain = await world.PostAsync("mtls", _mine, "/token", world.Server.Server.Basic("machine-client").ToString(), Machine);
        Assert.Null(OpenIdServer.ClaimsOf((string)plain.Json["access_token"]!)["cnf"]);
    }

    [Fact]
    [Proves("RFC 8705", "3.4")]
    public async Task A_client_of_bound_tokens_gets_none_without_a_certificate_and_its_code_stays_good()
    {
        var (flow, basic) = await AddFlowAsync("bound-code");
        var code = await flow.CodeAsync();
        (string, string)[] form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", flow.RedirectUri), ("code_verifier", SealFlow.Verifier)];
        (await world.PostAsync("https", null, "/token", basic, form)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await world.PostAsync("mtls", null, "/token", basic, form)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        var answer = await world.PostAsync("mtls", _mine, "/token", basic, form);
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal("bearer", (string)answer.Json["token_type"]!);
        Assert.Equal(CertificateWorld.ConfirmationOf(_mine), (string)OpenIdServer.ClaimsOf((string)answer.Json["access_token"]!)["cnf"]!["x5t#S256"]!);
    }

    [Fact]
    public async Task Userinfo_and_the_key_server_take_a_bound_token_with_its_certificate_alone()
    {
        var tokens = await TokensAsync("bound-resources", _mine);
        var token = (string)tokens.Json["access_token"]!;
        foreach (var (listener, certificate, status) in new (string, X509Certificate2?, HttpStatusCode)[]
        {
            ("mtls", _mine, HttpStatusCode.OK), ("mtls", _others, HttpStatusCode.Unauthorized), ("mtls", null, HttpStatusCode.Unauthorized), ("https", _mine, HttpStatusCode.Unauthorized),
        })
        {
            var (got, challenge) = await world.GetAsync(listener, certificate, "/userinfo", token);
            Assert.Equal(status, got);
            Assert.Equal(status == HttpStatusCode.OK ? null : "invalid_token", challenge?.Split("error=\"")[1].Split('"')[0]);
            Assert.Equal(status, await KeysAsync(listener, certificate, token));
        }
    }

    [Fact]
    public async Task A_refresh_needs_the_certificate_or_a_renewed_one_of_the_same_client()
    {
        var tokens = await TokensAsync("bound-refresh", _mine);
        var basic = world.Server.Server.Basic("bound-refresh").ToString();
        var refresh = (string)tokens.Json["refresh_token"]!;
        (await RefreshAsync(null, "https")).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await RefreshAsync(_others)).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
        // The attempt did not end the grant: the owner goes on.
        await NextAsync(_mine);
        // The client renews its certificate: it is registered, both are good, and then the old one is good no more.
        await world.Server.ChangeClientAsync("bound-refresh", c => c with { CertificateThumbprints = [CertificateWorld.ThumbprintOf(_others)] });
        await NextAsync(_mine);
        await NextAsync(_others);
        (await RefreshAsync(_mine)).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
        await NextAsync(_others);

        Task<Answer> RefreshAsync(X509Certificate2? certificate, string listener = "mtls") =>
            world.PostAsync(listener, certificate, "/token", basic, ("grant_type", "refresh_token"), ("refresh_token", refresh));

        async Task NextAsync(X509Certificate2 certificate)
        {
            var answer = await RefreshAsync(certificate);
            Assert.Equal(HttpStatusCode.OK, answer.Status);
            Assert.Equal(CertificateWorld.ConfirmationOf(certificate), (string)OpenIdServer.ClaimsOf((string)answer.Json["access_token"]!)["cnf"]!["x5t#S256"]!);
            refresh = (string)answer.Json["refresh_token"]!;
        }
    }

    [Fact]
    [Proves("RFC 8705", "4")]
    public async Task A_public_clients_access_tokens_are_bound_and_its_refresh_token_is_not()
    {
        await world.AddAsync("bound-public", ClientAuthMethod.None, c => c with
        {
            Grants = [GrantType.AuthorizationCode, GrantType.RefreshToken],
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["openid", "val:pump-control", "seal:key_management"]),
            BoundTokens = true,
        });
        var flow = world.Server.NewFlow("bound-public");
        var code = await flow.CodeAsync();
        var tokens = await world.PostAsync("mtls", _mine, "/token", null, ("grant_type", "authorization_code"), ("client_id", "bound-public"), ("code", code), ("redirect_uri", flow.RedirectUri), ("code_verifier", SealFlow.Verifier));
        Assert.Equal(HttpStatusCode.OK, tokens.Status);
        (string, string)[] refresh = [("grant_type", "refresh_token"), ("client_id", "bound-public"), ("refresh_token", (string)tokens.Json["refresh_token"]!)];
        (await world.PostAsync("https", null, "/token", null, refresh)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        var again = await world.PostAsync("mtls", _others, "/token", null, refresh);
        Assert.Equal(CertificateWorld.ConfirmationOf(_others), (string)OpenIdServer.ClaimsOf((string)again.Json["access_token"]!)["cnf"]!["x5t#S256"]!);
    }

    [Fact]
    public async Task Operator_tokens_open_the_admin_API_with_their_certificate_and_what_is_taken_from_the_client_is_gone_at_once()
    {
        await AddOperatorAsync("robot", "keyreeve.admin");
        var token = (string)(await world.TokenAsync(_mine, "robot", ("scope", "keyreeve.admin"))).Json["access_token"]!;
        Assert.Equal(HttpStatusCode.OK, (await world.GetAsync("mtls", _mine, "/admin/v1/users", token)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await world.GetAsync("mtls", _others, "/admin/v1/users", token)).Status);
        var (status, challenge) = await world.GetAsync("mtls", null, "/admin/v1/users", token);
        Assert.Equal(HttpStatusCode.Unauthorized, status);
        Assert.Contains("error=\"invalid_token\"", challenge, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await world.GetAsync("https", _mine, "/admin/v1/users", token)).Status);
        // What it changes is its doing in the audit.
        using (var http = world.Server.Server.NewClient("mtls", _mine))
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var made = await http.PostAsync("/admin/v1/services", new StringContent("{\"serviceId\":\"by-robot\",\"name\":\"R\",\"audience\":\"https://r.example\"}", Encoding.UTF8, "application/json"));
            Assert.Equal(HttpStatusCode.Created, made.StatusCode);
            Assert.Contains("\"actor\":\"client:robot\"", await http.GetStringAsync("/admin/v1/audit?actor=client:robot"), StringComparison.Ordinal);
        }
        // A token for something else, of the same client and certificate; and an operator's certificate with a bad token.
        var other = (string)(await world.TokenAsync(_mine, "robot", ("scope", "val:fleet-tracking"))).Json["access_token"]!;
        Assert.Equal(HttpStatusCode.Unauthorized, (await world.GetAsync("mtls", _mine, "/admin/v1/users", other)).Status);
        using var admin = X509Certificate2.CreateFromPemFile(world.Server.Server.Folder.AdminPem, world.Server.Server.Folder.AdminKey);
        Assert.Equal(HttpStatusCode.Unauthorized, (await world.GetAsync("mtls", admin, "/admin/v1/users", token)).Status);
        await world.Server.ChangeClientAsync("robot", c => c with { Scopes = ScopeList.Of(["val:fleet-tracking"]) });
        Assert.Equal(HttpStatusCode.Unauthorized, (await world.GetAsync("mtls", _mine, "/admin/v1/users", token)).Status);
    }

    [Fact]
    public async Task The_scope_for_the_audit_reads_the_audit_and_nothing_else()
    {
        await AddOperatorAsync("auditor", "keyreeve.audit.read");
        var token = (string)(await world.TokenAsync(_mine, "auditor", ("scope", "keyreeve.audit.read"))).Json["access_token"]!;
        Assert.Equal(HttpStatusCode.OK, (await world.GetAsync("mtls", _mine, "/admin/v1/audit?limit=1", token)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await world.GetAsync("mtls", _mine, "/admin/v1/users", token)).Status);
        (await world.TokenAsync(_mine, "auditor", ("scope", "keyreeve.admin"))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
    }

    [Fact]
    public async Task Operator_scopes_are_not_for_tokens_that_are_bound_to_nothing()
    {
        await world.Server.AddClientAsync(new() { ClientId = "loose", Name = "Loose", Grants = [GrantType.ClientCredentials], Scopes = ScopeList.Of(["keyreeve.admin", "val:fleet-tracking"]) });
        var basic = world.Server.Server.Basic("loose").ToString();
        (await world.PostAsync("mtls", _mine, "/token", basic, [.. Machine, ("scope", "keyreeve.admin")])).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        // Nor do they come along unasked.
        Assert.Equal("val:fleet-tracking", (string)(await world.PostAsync("mtls", _mine, "/token", basic, Machine)).Json["scope"]!);
    }

    private Task AddOperatorAsync(string id, string scope) => world.AddAsync(id, ClientAuthMethod.SelfSignedTls, c => c with
    {
        CertificateThumbprints = [CertificateWorld.ThumbprintOf(_mine)],
        BoundTokens = true,
        Scopes = ScopeList.Of([scope, "val:fleet-tracking"]),
    });

    private async Task<(SealFlow Flow, string Basic)> AddFlowAsync(string id)
    {
        await world.AddAsync(id, ClientAuthMethod.SecretBasic, c => c with
        {
            Profile = ClientProfile.Seal,
            Grants = [GrantType.AuthorizationCode, GrantType.RefreshToken],
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["openid", "val:pump-control", "seal:key_management"]),
            BoundTokens = true,
        });
        return (world.Server.NewFlow(id), world.Server.Server.Basic(id).ToString());
    }

    private async Task<Answer> TokensAsync(string id, X509Certificate2 certificate)
    {
        var (flow, basic) = await AddFlowAsync(id);
        var answer = await world.PostAsync("mtls", certificate, "/token", basic, ("grant_type", "authorization_code"), ("code", await flow.CodeAsync()), ("redirect_uri", flow.RedirectUri), ("code_verifier", SealFlow.Verifier));
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        return answer;
    }

    private async Task<HttpStatusCode> KeysAsync(string listener, X509Certificate2? certificate, string token)
    {
        using var http = world.Server.Server.NewClient(listener, certificate);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        var request = new JsonObject
        {
            ["version"] = "1.0.0",
            ["sKmsUri"] = (string)world.Server.Server.Demo["skmsUri"]!,
            ["serviceId"] = "pump-control",
            ["userId"] = "sip:alice@val.example",
            ["dateTime"] = world.Server.Server.Time.GetUtcNow().ToUnixTimeSeconds(),
        };
        using var response = await http.PostAsync("/seal/km/v1/requests", new StringContent(request.ToJsonString(), Encoding.UTF8, "application/json"));
        return response.StatusCode;
    }
}
