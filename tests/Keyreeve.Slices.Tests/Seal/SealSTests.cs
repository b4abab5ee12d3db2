using System.Net;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Server.Hosting;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Xunit;
using static Keyreeve.Slices.Tests.Seal.SealSDoors;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>VAL servers whose certificate and token are both demanded, at every door of the SEAL APIs.</summary>
[Proves("TS 33.434", "5.1.1.8")]
public sealed class SealSTests(CertificateWorld world) : IClassFixture<CertificateWorld>
{
    private readonly SealSDoors _doors = new(world);

    public static TheoryData<string> Doors => [.. SealSDoors.All];

    public static TheoryData<string, string, string> Wrong => new()
    {
        { "none", "CertificateMissing", "this client calls with its certificate and the token, on listener mtls" },
        { "another VAL server's", "CertificateNotAccepted", "certificate and token are of different VAL servers" },
        { "unknown VAL server's", "CertificateNotAccepted", "the certificate holds no name of a VAL server that is known here" },
        { "for another host", "CertificateNotAccepted", "the certificate holds no name of a VAL server that is known here" },
        { "name in the CN", "CertificateNotAccepted", "the certificate holds no name of a VAL server that is known here" },
        { "expired", "CertificateNotAccepted", "the certificate is not accepted: it has expired" },
        { "not yet valid", "CertificateNotAccepted", "the certificate is not accepted: it is not valid yet" },
        { "for servers", "CertificateNotAccepted", "the certificate is not accepted: it is not for clients" },
        { "self-signed", "CertificateNotAccepted", "the certificate is not accepted: no authority that is trusted here has issued it" },
        { "of a stranger", "CertificateNotAccepted", "the certificate is not accepted: no authority that is trusted here has issued it" },
        { "of the operators' authority", "CertificateNotAccepted", "the certificate is not accepted: no authority that is trusted here has issued it" },
        { "revoked", "CertificateNotAccepted", "the certificate is not accepted: it was revoked" },
    };

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task With_its_certificate_and_its_token_a_VAL_server_comes_in(string door)
    {
        var (id, name) = await _doors.NewServerAsync();
        using var certificate = world.Pinned.Issue("CN=val", n => n.AddUri(new Uri(name)));
        var answer = await _doors.AskAsync(door, "mtls", certificate, await _doors.TokenAsync(id, door), id);
        // It owns nothing here: past the certificate the keys are refused for that.
        Assert.Equal(door switch { "upr" or "ipp" => HttpStatusCode.OK, "kp" => HttpStatusCode.BadRequest, _ => HttpStatusCode.Forbidden }, answer.Status);
    }

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task Without_a_token_the_certificate_alone_is_refused(string door)
    {
        var (id, name) = await _doors.NewServerAsync();
        using var certificate = world.Pinned.Issue("CN=val", n => n.AddUri(new Uri(name)));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _doors.AskAsync(door, "mtls", certificate, null, id)).Status);
    }

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task On_listener_https_the_token_is_refused_with_the_reason(string door)
    {
        var (id, _) = await _doors.NewServerAsync();
        var answer = await _doors.AskAsync(door, "https", null, await _doors.TokenAsync(id, door), id);
        AssertRefused(door, answer, "this client calls with its certificate and the token, on listener mtls");
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task Every_other_certificate_is_a_readable_401_with_its_reason_in_the_audit(string variant, string code, string text)
    {
        var (id, name) = await _doors.NewServerAsync();
        var (other, othersName) = await _doors.NewServerAsync();
        using var certificate = Certificate(variant, name, othersName);
        foreach (var door in SealSDoors.All)
        {
            var answer = await _doors.AskAsync(door, "mtls", certificate, await _doors.TokenAsync(id, door), id);
            AssertRefused(door, answer, text);
        }
        await world.Server.Server.WaitForAsync(async () =>
            (await AuditText.OfAsync(world.Server)).Split('\n').Count(l => l.Contains("\"seal_s\"", StringComparison.Ordinal) && l.Contains($"\"{id}\"", StringComparison.Ordinal) && l.Contains(code + ": ", StringComparison.Ordinal)) == SealSDoors.All.Length);
        if (variant == "another VAL server's")
            Assert.Contains($"the token is of client {id}, the certificate of {other}", await AuditText.OfAsync(world.Server), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_URI_says_whose_a_certificate_is_and_a_DNS_name_only_when_no_URI_does()
    {
        var (byUri, name) = await _doors.NewServerAsync();
        var (byDns, host) = await _doors.NewServerAsync("san_dns:");
        using var both = world.Pinned.Issue("CN=val", n =>
        {
            n.AddUri(new Uri(name));
            n.AddDnsName(host);
        });
        Assert.Equal(HttpStatusCode.OK, (await _doors.AskAsync("ipp", "mtls", both, await _doors.TokenAsync(byUri, "ipp"), byUri)).Status);
        AssertRefused("ipp", await _doors.AskAsync("ipp", "mtls", both, await _doors.TokenAsync(byDns, "ipp"), byDns), "certificate and token are of different VAL servers");
        // A URI that nobody registered identifies nobody; the DNS name does, in whatever case it is written.
        using var dns = world.Pinned.Issue("CN=val", n =>
        {
            n.AddUri(new Uri("urn:somebody"));
            n.AddDnsName(host.ToUpperInvariant());
        });
        Assert.Equal(HttpStatusCode.OK, (await _doors.AskAsync("ipp", "mtls", dns, await _doors.TokenAsync(byDns, "ipp"), byDns)).Status);
    }

    [Fact]
    public async Task Also_of_a_client_that_need_not_show_one_another_VAL_servers_certificate_is_refused()
    {
        var (_, name) = await _doors.NewServerAsync();
        using var theirs = world.Pinned.Issue("CN=val", n => n.AddUri(new Uri(name)));
        using var nobodys = world.Pinned.Issue("CN=val", n => n.AddUri(new Uri("urn:nobody")));
        var free = "free-" + TestContext.Current.Test!.UniqueID;
        await world.Server.AddClientAsync(SealCaller.ValServer(free));
        var token = await _doors.TokenAsync(free, "ipp");
        Assert.Equal(HttpStatusCode.OK, (await _doors.AskAsync("ipp", "https", null, token, free)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _doors.AskAsync("ipp", "mtls", null, token, free)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _doors.AskAsync("ipp", "mtls", nobodys, token, free)).Status);
        AssertRefused("ipp", await _doors.AskAsync("ipp", "mtls", theirs, token, free), "certificate and token are of different VAL servers");
    }

    [Fact]
    public async Task A_name_in_another_spelling_is_another_name()
    {
        var (id, name) = await _doors.NewServerAsync();
        using var certificate = world.Pinned.Issue("CN=val", n => n.AddUri(new Uri(name + "/")));
        AssertRefused("ipp", await _doors.AskAsync("ipp", "mtls", certificate, await _doors.TokenAsync(id, "ipp"), id), "the certificate holds no name of a VAL server that is known here");
    }

    [Fact]
    public async Task The_demand_counts_from_the_moment_it_is_registered()
    {
        var id = "later-" + TestContext.Current.Test!.UniqueID;
        await world.Server.AddClientAsync(SealCaller.ValServer(id));
        var token = await _doors.TokenAsync(id, "ipp");
        Assert.Equal(HttpStatusCode.OK, (await _doors.AskAsync("ipp", "https", null, token, id)).Status);
        await world.Server.ChangeClientAsync(id, c => c with { RequireCertificate = true, TlsName = CertificateWorld.Named("san_uri:urn:val:" + id) });
        Assert.Equal(HttpStatusCode.Unauthorized, (await _doors.AskAsync("ipp", "https", null, token, id)).Status);
    }

    [Fact]
    public async Task A_token_that_is_bound_needs_its_own_certificate_and_the_registered_name()
    {
        var (id, name) = await _doors.NewServerAsync();
        await world.Server.ChangeClientAsync(id, c => c with { AuthMethods = [ClientAuthMethod.TlsClientAuth] });
        using var first = world.Pinned.Issue("CN=val", n => n.AddUri(new Uri(name)));
        using var second = world.Pinned.Issue("CN=val", n => n.AddUri(new Uri(name)));
        var token = (string)(await world.TokenAsync(first, id, ("scope", "seal:identity_provisioning"))).Json["access_token"]!;
        Assert.Equal(HttpStatusCode.OK, (await _doors.AskAsync("ipp", "mtls", first, token, id)).Status);
        AssertRefused("ipp", await _doors.AskAsync("ipp", "mtls", second, token, id), "the access token is not valid");
        AssertRefused("ipp", await _doors.AskAsync("ipp", "https", null, token, id), "the access token is bound to a certificate: show it on listener mtls");
    }

    [Fact]
    public async Task A_certificate_in_a_header_is_none()
    {
        var (id, name) = await _doors.NewServerAsync();
        using var certificate = world.Pinned.Issue("CN=val", n => n.AddUri(new Uri(name)));
        var answer = await _doors.AskAsync("ipp", "mtls", null, await _doors.TokenAsync(id, "ipp"), id, ("X-Forwarded-Client-Cert", Uri.EscapeDataString(certificate.ExportCertificatePem())));
        AssertRefused("ipp", answer, "this client calls with its certificate and the token, on listener mtls");
    }

    [Fact]
    [Proves("TS 33.434", "5.1.1.1")]
    [Proves("TS 33.434", "5.1.1.2")]
    public async Task A_group_and_a_location_management_server_are_clients_with_an_identity_each_and_the_groups_keys_are_records_of_its_ID()
    {
        var (group, groupName) = await _doors.NewServerAsync();
        var (location, locationName) = await _doors.NewServerAsync();
        await world.Server.ChangeClientAsync(group, c => c with { OwnedServices = [Pump], AuthMethods = [ClientAuthMethod.TlsClientAuth] });
        await world.Server.ChangeClientAsync(location, c => c with { AuthMethods = [ClientAuthMethod.TlsClientAuth] });
        using var groupCertificate = world.Pinned.Issue("CN=group management server", n => n.AddUri(new Uri(groupName)));
        using var locationCertificate = world.Pinned.Issue("CN=location management server", n => n.AddUri(new Uri(locationName)));
        var admin = new Admin.AdminFixtureOf(world.Server.Server);
        Assert.Equal(HttpStatusCode.Created, (await admin.PostAsync("/key-records", $$"""{"serviceId":"{{Pump}}","clientId":"group-7","payload":"key of group 7"}""")).StatusCode);

        var token = (string)(await world.TokenAsync(groupCertificate, group, ("scope", "seal:key_management"))).Json["access_token"]!;
        var answer = await _doors.AskAsync("km", "mtls", groupCertificate, token, group, clientIdOfRecord: "group-7");
        Assert.Equal((HttpStatusCode.OK, "key of group 7", "group-7"), (answer.Status, (string?)answer.Json["payload"], (string?)answer.Json["clientId"]));
        // The location management server has credentials of its own, and nothing of the groups.
        var others = (string)(await world.TokenAsync(locationCertificate, location, ("scope", "seal:key_management"))).Json["access_token"]!;
        Assert.Equal(HttpStatusCode.Forbidden, (await _doors.AskAsync("km", "mtls", locationCertificate, others, location, clientIdOfRecord: "group-7")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _doors.AskAsync("km", "mtls", locationCertificate, token, location, clientIdOfRecord: "group-7")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await world.TokenAsync(locationCertificate, group)).Status);
    }

    private X509Certificate2? Certificate(string variant, string name, string othersName)
    {
        void Own(SubjectAlternativeNameBuilder n) => n.AddUri(new Uri(name));
        return variant switch
        {
            "none" => null,
            "another VAL server's" => world.Pinned.Issue("CN=val", n => n.AddUri(new Uri(othersName))),
            "unknown VAL server's" => world.Pinned.Issue("CN=val", n => n.AddUri(new Uri("urn:val:nobody"))),
            "for another host" => world.Pinned.Issue("CN=val", n => n.AddDnsName("elsewhere.example")),
            "name in the CN" => world.Pinned.Issue("CN=" + name),
            "expired" => world.Pinned.Issue("CN=val", Own, -1.5, -0.5),
            "not yet valid" => world.Pinned.Issue("CN=val", Own, 0.5, 1),
            "for servers" => world.Pinned.Issue("CN=val", Own, use: "1.3.6.1.5.5.7.3.1"),
            "self-signed" => OutsideAuthority.SelfSigned("CN=val"),
            "of a stranger" => world.Stranger.Issue("CN=val", Own),
            "of the operators' authority" => OfOperators(name),
            "revoked" => new X509Certificate2(world.Revoked),
            _ => throw new ArgumentOutOfRangeException(nameof(variant)),
        };
    }

    private X509Certificate2 OfOperators(string name)
    {
        var parts = world.Server.Service<ServerParts>();
        var (_, pem, key) = parts.Pki.IssueClient(CaRole.Operators, new EntityRequest { CommonName = "val", Use = EntityUse.Client, Uris = [new(name)] }, parts.Clock.GetUtcNow());
        return X509Certificate2.CreateFromPem(pem, key);
    }
}
