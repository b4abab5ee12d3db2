using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Certificates;

public sealed class CertificateAuthorityTests : IDisposable
{
    private readonly TestAuthorities _authorities = new();
    private readonly OpenSslTool _openssl = new();

    public void Dispose()
    {
        _openssl.Dispose();
        _authorities.Dispose();
    }

    [Fact]
    [Proves("TS 33.310", "6.1.4a")]
    [Proves("RFC 5280", "4.2.1.10")]
    public async Task The_root_says_field_by_field_what_the_profile_demands()
    {
        var text = await TextOf(_authorities.Root.Certificate);

        Assert.Contains("Version: 3 (0x2)", text);
        Assert.Contains("Signature Algorithm: ecdsa-with-SHA384", text);
        Assert.Contains("ASN1 OID: secp384r1", text);
        Assert.Contains("Not Before: May 17 12:29:56 2030 GMT", text);
        Assert.Contains("Not After : May 17 12:29:56 2040 GMT", text);
        Assert.Contains("X509v3 Basic Constraints: critical\nCA:TRUE, pathlen:1\n", text);
        Assert.Contains("X509v3 Key Usage: critical\nCertificate Sign, CRL Sign\n", text);
        Assert.Contains("X509v3 Subject Key Identifier:", text);
        Assert.Contains(
            "X509v3 Name Constraints: critical\nPermitted:\nDNS:localhost\nIP:127.0.0.0/255.0.0.0\n"
            + "IP:0:0:0:0:0:0:0:1/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF\nDNS:keyreeve.test\n", text);
        Assert.Matches("CN ?= ?Keyreeve root CA", text);
        Assert.False(_authorities.Root.Certificate.HasPrivateKey);
    }

    [Theory]
    [InlineData("localhost", "DNS:localhost\nIP:127.0.0.0/255.0.0.0\nIP:0:0:0:0:0:0:0:1/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF\n")]
    [InlineData("192.0.2.7", "FFFF:FFFF\nIP:192.0.2.7/255.255.255.255\n")]
    [InlineData("2001:db8::7", "FFFF:FFFF\nIP:2001:DB8:0:0:0:0:0:7/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF\n")]
    public async Task A_host_may_be_localhost_or_an_address(string host, string expected)
    {
        using var root = CertificateAuthority.CreateRoot(host, TestAuthorities.Now);
        var text = await TextOf(root.Certificate);
        Assert.Contains(expected, text);
        Assert.DoesNotContain("DNS:192", text);
        Assert.Single(text.Split("DNS:localhost")[1..]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("-x.example")]
    [InlineData("x..example")]
    [InlineData("bücher.example")]
    [InlineData("x.example.")]
    public void A_host_that_is_no_name_makes_no_root(string host) =>
        Assert.Throws<ArgumentException>(() => CertificateAuthority.CreateRoot(host, TestAuthorities.Now));

    [Theory]
    [InlineData(CaRole.Servers, "Keyreeve servers CA")]
    [InlineData(CaRole.Operators, "Keyreeve operators CA")]
    [InlineData(CaRole.ValMc, "Keyreeve VAL and MC CA")]
    [InlineData(CaRole.Capif, "Keyreeve CAPIF CA")]
    [Proves("TS 33.310", "6.1.4a")]
    public async Task An_issuing_authority_says_field_by_field_what_the_profile_demands(CaRole role, string name)
    {
        var text = await TextOf(_authorities[role].Certificate);

        Assert.Contains("Version: 3 (0x2)", text);
        Assert.Contains("Signature Algorithm: ecdsa-with-SHA384", text); // the root's signature
        Assert.Contains("ASN1 OID: prime256v1", text);
        Assert.Contains("Not After : May 17 12:29:56 2035 GMT", text);
        Assert.Contains("X509v3 Basic Constraints: critical\nCA:TRUE, pathlen:0\n", text);
        Assert.Contains("X509v3 Key Usage: critical\nCertificate Sign, CRL Sign\n", text);
        Assert.Contains("X509v3 Name Constraints: critical\nPermitted:\nDNS:localhost\n", text);
        Assert.Contains("X509v3 Authority Key Identifier:", text);
        Assert.Contains("X509v3 Subject Key Identifier:", text);
        Assert.Contains(name, text);
        Assert.False(_authorities[role].Certificate.HasPrivateKey);
    }

    [Theory]
    [InlineData(CaRole.Servers, EntityUse.Server, "TLS Web Server Authentication")]
    [InlineData(CaRole.Servers, EntityUse.Client | EntityUse.Server, "TLS Web Client Authentication, TLS Web Server Authentication")]
    [InlineData(CaRole.Operators, EntityUse.Client, "TLS Web Client Authentication")]
    [InlineData(CaRole.ValMc, EntityUse.Client, "TLS Web Client Authentication")]
    [InlineData(CaRole.Capif, EntityUse.Client | EntityUse.Server, "TLS Web Client Authentication, TLS Web Server Authentication")]
    [Proves("TS 33.310", "6.1.3a")]
    public async Task An_entity_certificate_says_field_by_field_what_the_profile_demands_and_openssl_verifies_it(CaRole role, EntityUse use, string uses)
    {
        using var issued = _authorities[role].Issue(
            new EntityRequest
            {
                CommonName = "entity-1",
                Use = use,
                DnsNames = ["localhost", "val.keyreeve.test"],
                Uris = [new Uri("urn:Keyreeve:Val/%7Eone")],
                Addresses = [IPAddress.Loopback, IPAddress.IPv6Loopback],
                CrlUri = new Uri("http://localhost:9080/crl/servers.crl"),
            },
            TestAuthorities.NewKey(),
            TestAuthorities.Now);
        var text = await TextOf(issued);

        Assert.Contains("Version: 3 (0x2)", text);
        Assert.Contains("Signature Algorithm: ecdsa-with-SHA256", text);
        Assert.Contains("Not Before: May 17 12:29:56 2030 GMT", text);
        Assert.Contains("Not After : Aug 15 12:29:56 2030 GMT", text);
        Assert.Matches("Subject: CN ?= ?entity-1\n", text);
        Assert.Contains("X509v3 Basic Constraints: critical\nCA:FALSE\n", text);
        Assert.Contains("X509v3 Key Usage: critical\nDigital Signature\n", text);
        Assert.Contains($"X509v3 Extended Key Usage:\n{uses}\n", text);
        Assert.Contains("X509v3 Subject Key Identifier:", text);
        Assert.Contains("X509v3 Subject Alternative Name:\nDNS:localhost, DNS:val.keyreeve.test, URI:urn:Keyreeve:Val/%7Eone, "
            + "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1\n", text);
        Assert.Contains("X509v3 CRL Distribution Points:\nFull Name:\nURI:http://localhost:9080/crl/servers.crl", text);
        var authorityKey = _authorities[role].Certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>().Single().SubjectKeyIdentifier!;
        Assert.Contains("X509v3 Authority Key Identifier:\n" + Colons(authorityKey), text);
        Assert.False(issued.HasPrivateKey);

        var verified = await Verify(role, issued);
        Assert.True(verified.ExitCode == 0, verified.All);
    }

    [Fact]
    public void Serial_numbers_are_positive_sixteen_octets_and_never_twice()
    {
        var key = TestAuthorities.NewKey();
        var serials = Enumerable.Range(0, 50).Select(_ =>
        {
            using var issued = _authorities.ValMc.Issue(TestAuthorities.Client(), key, TestAuthorities.Now);
            return issued.SerialNumber;
        }).ToList();
        Assert.All(serials, s => Assert.InRange(Convert.FromHexString(s)[0], 0x40, 0x7F));
        Assert.All(serials, s => Assert.Equal(32, s.Length));
        Assert.Equal(50, serials.Distinct().Count());
    }

    [Fact]
    [Proves("RFC 5280", "4.2.1.10")]
    public async Task The_name_constraints_bite_even_when_the_authoritys_own_key_signed()
    {
        using var foreign = TestAuthorities.Forge(
            _authorities.Servers, uses: [TestAuthorities.ServerUse], more: [TestAuthorities.DnsName("example.org")]);
        using var own = TestAuthorities.Forge(
            _authorities.Servers, uses: [TestAuthorities.ServerUse], more: [TestAuthorities.DnsName("www.keyreeve.test")]);

        var refused = await Verify(CaRole.Servers, foreign);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("permitted subtree violation", refused.All);
        var accepted = await Verify(CaRole.Servers, own);
        Assert.True(accepted.ExitCode == 0, accepted.All);
    }

    [Fact]
    public void The_authority_itself_refuses_to_issue_outside_its_name_constraints()
    {
        Assert.Throws<ArgumentException>(() => _authorities.Servers.Issue(TestAuthorities.Server("example.org"), TestAuthorities.NewKey(), TestAuthorities.Now));
        Assert.Throws<ArgumentException>(() => _authorities.Servers.Issue(
            TestAuthorities.Server("localhost") with { Addresses = [IPAddress.Parse("10.0.0.1")] }, TestAuthorities.NewKey(), TestAuthorities.Now));
    }

    [Fact]
    public void A_common_name_that_reads_as_a_host_falls_under_the_name_constraints()
    {
        Assert.Throws<ArgumentException>(() => _authorities.Capif.Issue(TestAuthorities.Client("invoker.example"), TestAuthorities.NewKey(), TestAuthorities.Now));
        _authorities.Capif.Issue(TestAuthorities.Client("invoker.localhost"), TestAuthorities.NewKey(), TestAuthorities.Now).Dispose();
        _authorities.Capif.Issue(TestAuthorities.Client("invoker-example"), TestAuthorities.NewKey(), TestAuthorities.Now).Dispose();
    }

    [Fact]
    public void An_authority_issues_for_its_role_alone()
    {
        Assert.Throws<InvalidOperationException>(() => _authorities.Root.Issue(TestAuthorities.Client(), TestAuthorities.NewKey(), TestAuthorities.Now));
        Assert.Throws<InvalidOperationException>(() => _authorities.Operators.Issue(TestAuthorities.Server("localhost"), TestAuthorities.NewKey(), TestAuthorities.Now));
        Assert.Throws<ArgumentException>(() => CertificateAuthority.CreateIssuing(CaRole.Root, _authorities.Root, TestAuthorities.Now));
        Assert.Throws<ArgumentException>(() => CertificateAuthority.CreateIssuing(CaRole.Capif, _authorities.Servers, TestAuthorities.Now));
    }

    [Fact]
    public void A_certificate_never_outlives_its_authority()
    {
        var late = _authorities.ValMc.Certificate.NotAfter.AddDays(-10);
        using var issued = _authorities.ValMc.Issue(TestAuthorities.Client(), TestAuthorities.NewKey(), late);
        Assert.Equal(_authorities.ValMc.Certificate.NotAfter, issued.NotAfter);
        Assert.Throws<InvalidOperationException>(() => _authorities.ValMc.Issue(
            TestAuthorities.Client(), TestAuthorities.NewKey(), _authorities.ValMc.Certificate.NotAfter));

        using var lateIssuing = CertificateAuthority.CreateIssuing(CaRole.Capif, _authorities.Root, _authorities.Root.Certificate.NotAfter.AddDays(-1));
        Assert.Equal(_authorities.Root.Certificate.NotAfter, lateIssuing.Certificate.NotAfter);
    }

    public static TheoryData<string> Outside => [.. OutsideTheProfile.Keys];

    private static readonly Dictionary<string, EntityRequest> OutsideTheProfile = new()
    {
        ["longer than three years"] = TestAuthorities.Client() with { Validity = TimeSpan.FromDays(1096) },
        ["no time at all"] = TestAuthorities.Client() with { Validity = TimeSpan.Zero },
        ["no use"] = TestAuthorities.Client() with { Use = EntityUse.None },
        ["a use nobody knows"] = TestAuthorities.Client() with { Use = (EntityUse)4 },
        ["no name"] = TestAuthorities.Client(""),
        ["a long name"] = TestAuthorities.Client(new string('x', 65)),
        ["a name with NUL"] = TestAuthorities.Client("admin\0.example"),
        ["a DNS name with NUL"] = TestAuthorities.Server("localhost\0.example.org"),
        ["a relative URI"] = TestAuthorities.Client() with { Uris = [new Uri("val/one", UriKind.Relative)] },
        ["a URI that is not ASCII"] = TestAuthorities.Client() with { Uris = [new Uri("https://localhost/ü")] },
        ["a revocation list over https, whose fetch would need itself"] = TestAuthorities.Client() with { CrlUri = new Uri("https://localhost/crl") },
        ["too many names"] = TestAuthorities.Server([.. Enumerable.Range(0, 65).Select(i => $"h{i}.localhost")]),
    };

    [Theory]
    [MemberData(nameof(Outside))]
    public void A_request_outside_the_profile_is_refused(string which) =>
        Assert.Throws<ArgumentException>(() => _authorities.ValMc.Issue(OutsideTheProfile[which], TestAuthorities.NewKey(), TestAuthorities.Now));

    [Fact]
    public void A_weak_or_unknown_key_gets_no_certificate()
    {
        using var rsa = RSA.Create(1024);
        using var p521 = ECDsa.Create(ECCurve.NamedCurves.nistP521);
        Assert.Throws<ArgumentException>(() => _authorities.ValMc.Issue(TestAuthorities.Client(), new PublicKey(rsa), TestAuthorities.Now));
        Assert.Throws<ArgumentException>(() => _authorities.ValMc.Issue(TestAuthorities.Client(), new PublicKey(p521), TestAuthorities.Now));
        using var good = RSA.Create(2048);
        using var issued = _authorities.ValMc.Issue(TestAuthorities.Client(), new PublicKey(good), TestAuthorities.Now);
        Assert.Equal("1.2.840.113549.1.1.1", issued.PublicKey.Oid.Value);
    }

    [Fact]
    public async Task A_restored_authority_goes_on_issuing()
    {
        using var restored = CertificateAuthority.Restore(
            CaRole.Capif, _authorities.Capif.Certificate.RawData, _authorities.Capif.ExportPrivateKey());
        using var issued = restored.Issue(TestAuthorities.Client(), TestAuthorities.NewKey(), TestAuthorities.Now);
        var verified = await Verify(CaRole.Capif, issued);
        Assert.True(verified.ExitCode == 0, verified.All);
    }

    [Fact]
    public void What_does_not_belong_together_is_not_restored()
    {
        var certificate = _authorities.Capif.Certificate.RawData;
        var key = _authorities.Capif.ExportPrivateKey();
        using var leaf = _authorities.Capif.Issue(TestAuthorities.Client(), TestAuthorities.NewKey(), TestAuthorities.Now);
        Assert.ThrowsAny<CryptographicException>(() => CertificateAuthority.Restore(CaRole.Capif, certificate, _authorities.ValMc.ExportPrivateKey()));
        Assert.ThrowsAny<CryptographicException>(() => CertificateAuthority.Restore(CaRole.Root, certificate, key));
        Assert.ThrowsAny<CryptographicException>(() => CertificateAuthority.Restore(CaRole.Capif, leaf.RawData, key));
        Assert.ThrowsAny<CryptographicException>(() => CertificateAuthority.Restore(CaRole.Capif, certificate, [.. key, 0]));
        Assert.ThrowsAny<CryptographicException>(() => CertificateAuthority.Restore(CaRole.Capif, [1, 2, 3], key));
    }

    [Fact]
    [Proves("RFC 5280", "5.1")]
    public async Task The_list_of_revoked_certificates_is_one_that_openssl_obeys()
    {
        using var revoked = _authorities.ValMc.Issue(TestAuthorities.Client("revoked"), TestAuthorities.NewKey(), TestAuthorities.Now);
        using var kept = _authorities.ValMc.Issue(TestAuthorities.Client("kept"), TestAuthorities.NewKey(), TestAuthorities.Now);
        var crl = _authorities.ValMc.BuildCrl(
            [new(revoked.SerialNumber.ToLowerInvariant(), TestAuthorities.Now, X509RevocationReason.KeyCompromise)],
            number: 7, TestAuthorities.Now, TestAuthorities.Now.AddDays(1));
        await File.WriteAllBytesAsync(_openssl.File("crl.der"), crl, TestContext.Current.CancellationToken);

        var text = Squeeze((await _openssl.Run("crl", "-inform", "DER", "-in", "crl.der", "-noout", "-text")).Output);
        Assert.Contains("Version 2 (0x1)", text);
        Assert.Contains("Signature Algorithm: ecdsa-with-SHA256", text);
        Assert.Contains("Last Update: May 17 12:34:56 2030 GMT", text);
        Assert.Contains("Next Update: May 18 12:34:56 2030 GMT", text);
        Assert.Contains("X509v3 CRL Number:\n7\n", text);
        Assert.Contains("X509v3 Authority Key Identifier:", text);
        Assert.Contains($"Serial Number: {revoked.SerialNumber}\n", text);
        Assert.Contains("X509v3 CRL Reason Code:\nKey Compromise\n", text);

        await File.WriteAllTextAsync(
            _openssl.File("crl.pem"), PemEncoding.WriteString("X509 CRL", crl), TestContext.Current.CancellationToken);
        Assert.Contains("certificate revoked", (await Verify(CaRole.ValMc, revoked, "-crl_check", "-CRLfile", "crl.pem")).All);
        var ok = await Verify(CaRole.ValMc, kept, "-crl_check", "-CRLfile", "crl.pem");
        Assert.True(ok.ExitCode == 0, ok.All);
    }

    [Fact]
    public void A_list_of_revoked_certificates_refuses_nonsense()
    {
        Assert.Throws<ArgumentException>(() => _authorities.ValMc.BuildCrl([new("xyz", TestAuthorities.Now)], 1, TestAuthorities.Now, TestAuthorities.Now.AddDays(1)));
        Assert.Throws<ArgumentException>(() => _authorities.ValMc.BuildCrl([], 1, TestAuthorities.Now, TestAuthorities.Now));
    }

    private async Task<string> TextOf(X509Certificate2 certificate) =>
        Squeeze((await _openssl.Run("x509", "-in", _openssl.Pem("one.pem", certificate), "-noout", "-text")).Output);

    private Task<OpenSslTool.Result> Verify(CaRole role, X509Certificate2 leaf, params string[] more) => _openssl.Run(
    [
        "verify", "-attime", TestAuthorities.Now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture), .. more,
        "-CAfile", _openssl.Pem("root.pem", _authorities.Root.Certificate),
        "-untrusted", _openssl.Pem("issuing.pem", _authorities[role].Certificate),
        _openssl.Pem("leaf.pem", leaf),
    ]);

    private static string Squeeze(string text) => string.Join('\n', text.Split('\n').Select(static l => l.Trim()));

    private static string Colons(string hex) => string.Join(':', hex.Chunk(2).Select(static c => new string(c)));
}
