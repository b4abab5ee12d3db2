using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Keyreeve.Core.Certificates;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

[Proves("TS 29.122", "5.2.6")]
public sealed class OperatorDoorTests(AdminFixture admin) : IClassFixture<AdminFixture>
{
    private ServerParts Parts => admin.Server.Server.Application.Services.GetRequiredService<ServerParts>();

    [Fact]
    public async Task A_registered_operator_certificate_opens_the_door()
    {
        var answer = await admin.GetAsync("/users");
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(3, answer.Body["items"]!.AsArray().Count);
    }

    [Fact]
    public Task No_certificate_is_refused() => RefusedAsync(null);

    [Fact]
    public async Task A_certificate_nobody_knows_is_refused()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=keyreeve operator", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        await RefusedAsync(certificate);
    }

    [Fact]
    public async Task The_certificate_of_a_VAL_server_is_refused()
    {
        using var certificate = X509Certificate2.CreateFromPemFile(admin.Server.Folder.Path("val-server.pem"), admin.Server.Folder.Path("val-server.key"));
        await RefusedAsync(certificate);
    }

    [Fact]
    public async Task The_certificate_of_a_VAL_server_is_refused_even_when_its_thumbprint_is_registered()
    {
        var (bare, pem, key) = Parts.Pki.IssueClient(CaRole.ValMc, new EntityRequest { CommonName = "val-2", Use = EntityUse.Client }, Parts.Clock.GetUtcNow());
        using var certificate = X509Certificate2.CreateFromPem(pem, key);
        await OperatorCertificates.RegisterAsync(Parts.Stores.Sealed, Parts.Kek, OperatorCertificates.ThumbprintOf(bare), "mistake", "system", Parts.Clock, CancellationToken.None);
        await RefusedAsync(certificate);
    }

    [Fact]
    public async Task A_certificate_of_the_Operators_CA_that_is_not_registered_is_refused()
    {
        var (_, pem, key) = Parts.Pki.IssueClient(CaRole.Operators, new EntityRequest { CommonName = "op-2", Use = EntityUse.Client }, Parts.Clock.GetUtcNow());
        using var certificate = X509Certificate2.CreateFromPem(pem, key);
        await RefusedAsync(certificate);
    }

    [Fact]
    public async Task An_expired_operator_certificate_is_refused_though_it_is_registered()
    {
        // Issued for ten minutes from now (notBefore lies five back); then the server's clock is moved on.
        await using var server = await TestServer.StartAsync();
        var parts = server.Server.Application.Services.GetRequiredService<ServerParts>();
        var (bare, pem, key) = parts.Pki.IssueClient(CaRole.Operators, new EntityRequest { CommonName = "op-3", Use = EntityUse.Client, Validity = TimeSpan.FromMinutes(15) }, parts.Clock.GetUtcNow());
        using var certificate = X509Certificate2.CreateFromPem(pem, key);
        await OperatorCertificates.RegisterAsync(parts.Stores.Sealed, parts.Kek, OperatorCertificates.ThumbprintOf(bare), "short", "system", parts.Clock, CancellationToken.None);
        using var http = server.NewClient("mtls", certificate);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/admin/v1/users")).StatusCode);
        server.Time.Advance(TimeSpan.FromMinutes(12));
        await AssertRefusedAsync(await http.GetAsync("/admin/v1/users"));
    }

    [Theory]
    [InlineData("X-Client-Cert")]
    [InlineData("X-ARR-ClientCert")]
    [InlineData("X-SSL-Cert")]
    [InlineData("Client-Cert")]
    public async Task A_certificate_in_a_header_proves_nothing(string header)
    {
        using var http = admin.Server.NewClient("mtls");
        http.DefaultRequestHeaders.TryAddWithoutValidation(header, ":" + Convert.ToBase64String(admin.OperatorCertificate.RawData) + ":");
        await AssertRefusedAsync(await http.GetAsync("/admin/v1/users"));
    }

    [Fact]
    public async Task Every_operation_is_refused_without_a_certificate()
    {
        using var http = admin.Server.NewClient("mtls");
        foreach (var route in Keyreeve.Server.Admin.AdminRoutes.All)
            await AssertRefusedAsync(await http.SendAsync(new HttpRequestMessage(new HttpMethod(route.Method), route.Path.Replace("{", "", StringComparison.Ordinal).Replace("}", "", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData("https")]
    public async Task The_admin_API_is_not_there_on_other_listeners(string listener)
    {
        using var http = admin.Server.NewClient(listener, admin.OperatorCertificate);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/admin/v1/users")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/admin/v1/openapi.json")).StatusCode);
    }

    [Fact]
    public async Task A_removed_operator_is_refused_on_a_connection_that_is_open()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var csr = new CertificateRequest("CN=ignored", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();
        var made = await admin.PostAsync("/operators", new JsonObject { ["name"] = "second", ["csr"] = csr }.ToJsonString());
        Assert.Equal(HttpStatusCode.Created, made.Status);
        using var certificate = X509Certificate2.CreateFromPem((string)made.Body["certificate"]!, key.ExportPkcs8PrivateKeyPem());
        using var http = admin.Server.NewClient("mtls", certificate);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/admin/v1/users")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync("/operators/" + made.Body["thumbprint"])).Status);
        await AssertRefusedAsync(await http.GetAsync("/admin/v1/users"));
    }

    [Fact]
    public async Task The_last_operator_cannot_be_removed()
    {
        await using var server = await TestServer.StartAsync();
        using var certificate = X509Certificate2.CreateFromPemFile(server.Folder.AdminPem, server.Folder.AdminKey);
        using var http = server.NewClient("mtls", certificate);
        var response = await http.DeleteAsync("/admin/v1/operators/" + OperatorCertificates.ThumbprintOf(certificate));
        Assert.Equal(HttpStatusCode.Conflict, response.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/admin/v1/users")).StatusCode);
    }

    [Fact]
    public async Task A_certificate_of_another_CA_cannot_be_registered()
    {
        var pem = await File.ReadAllTextAsync(admin.Server.Folder.Path("val-server.pem"));
        var answer = await admin.PostAsync("/operators", new JsonObject { ["name"] = "val", ["certificate"] = pem }.ToJsonString());
        Assert.Equal((HttpStatusCode.BadRequest, "certificate"), (answer.Status, answer.Param));
    }

    [Fact]
    public async Task Refused_peers_are_counted_in_the_audit()
    {
        var path = Directory.CreateTempSubdirectory("keyreeve-test-").FullName;
        try
        {
            string database;
            await using (var server = await TestServer.StartAsync(path, keep: true))
            {
                database = server.Folder.Database;
                using var http = server.NewClient("mtls");
                await http.GetAsync("/admin/v1/users");
                await http.GetAsync("/admin/v1/users");
            }
            await using var engine = await SqliteEngine.OpenAsync(database, TimeProvider.System, "test", CancellationToken.None);
            var audit = new Stores(engine).Audit;
            var lines = new List<string>();
            foreach (var (node, _, _) in await audit.HeadsAsync(CancellationToken.None))
                lines.AddRange((await audit.ReadAsync(node, 0, 10_000, CancellationToken.None)).Select(l => System.Text.Encoding.UTF8.GetString(l.Json)));
            Assert.Contains(lines, l => l.Contains("admin.authenticate", StringComparison.Ordinal) && l.Contains("2 x CertificateNotAccepted", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(path, recursive: true);
        }
    }

    private async Task RefusedAsync(X509Certificate2? certificate)
    {
        using var http = admin.Server.NewClient("mtls", certificate);
        await AssertRefusedAsync(await http.GetAsync("/admin/v1/users"));
    }

    private static async Task AssertRefusedAsync(HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        // A 401 names a scheme that would be heard (RFC 9110 15.5.2), and no error: no token was sent (RFC 6750 3.1).
        Assert.Equal("Bearer realm=\"keyreeve\"", response.Headers.WwwAuthenticate.ToString());
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        var problem = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal("CertificateNotAccepted", (string)problem["cause"]!);
        // The peer does not learn which of the questions was answered with no.
        Assert.Equal("a registered operator certificate is required", (string)problem["detail"]!);
    }
}
