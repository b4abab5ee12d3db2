using System.Formats.Asn1;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Globalization;
using Keyreeve.Testing;
using Keyreeve.Tests.Core.Certificates;
using Xunit;

namespace Keyreeve.Tests.Engines.Tls;

/// <summary>What openssl s_client can and cannot agree on with a listener of ours.</summary>
[Proves("TS 33.210", "6.2")]
public sealed class TlsProfileServerTests : IDisposable
{
    private readonly TestAuthorities _authorities = new(TimeProvider.System.GetUtcNow());
    private readonly OpenSslTool _openssl = new();
    private readonly ECDsa _ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly RSA _rsa = RSA.Create(2048);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _ec.Dispose();
        _rsa.Dispose();
        _openssl.Dispose();
        _authorities.Dispose();
    }

    [Theory]
    [InlineData("ec", "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256", TlsCipherSuite.TLS_AES_128_GCM_SHA256)]
    [InlineData("ec", "-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384", TlsCipherSuite.TLS_AES_256_GCM_SHA384)]
    [InlineData("rsa", "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256)]
    [InlineData("ec", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)]
    [InlineData("ec", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)]
    [InlineData("rsa", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)]
    [InlineData("rsa", "-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384", TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384)]
    public async Task The_listed_suites_are_agreed_on(string key, string version, string option, string offered, TlsCipherSuite expected)
    {
        await using var server = Server(key);
        var result = await Connect(server, "Q\n", [version, option, offered, "-verify_return_error"]);
        var seen = await server.Next(Cancel);

        Assert.Equal(expected, seen.Suite);
        Assert.Equal(version == "-tls1_3" ? SslProtocols.Tls13 : SslProtocols.Tls12, seen.Version);
        Assert.Contains("Verify return code: 0 (ok)", result.Output);
        Assert.Contains("Compression: NONE", result.Output);
        if (version == "-tls1_2")
        {
            Assert.Contains("Secure Renegotiation IS supported", result.Output);
            Assert.Contains("Extended master secret: yes", result.Output);
        }
    }

    [Theory]
    [InlineData("X25519")]
    [InlineData("P-256")]
    [InlineData("P-384")]
    public async Task The_groups_of_the_profile_are_agreed_on(string group)
    {
        await using var server = Server("ec");
        await Connect(server, "Q\n", ["-tls1_3", "-groups", group]);
        Assert.Equal(SslProtocols.Tls13, (await server.Next(Cancel)).Version);
    }

    [Theory]
    [InlineData("ec", "-tls1")]
    [InlineData("rsa", "-tls1")]
    [InlineData("ec", "-tls1_1")]
    [InlineData("rsa", "-tls1_1")]
    public async Task Older_versions_are_refused_with_their_alert(string key, string version)
    {
        await using var server = Server(key);
        var result = await Connect(server, "Q\n", [version, "-cipher", "ALL:@SECLEVEL=0"]);
        Assert.Contains("SSL alert number 70", result.Errors); // protocol_version, from the server: ours did not stop itself
        Assert.IsType<AuthenticationException>((await server.Next(Cancel)).Failure);
    }

    [Theory]
    [InlineData("rsa", "AES128-SHA")] // static RSA
    [InlineData("rsa", "AES256-SHA256")]
    [InlineData("rsa", "AES128-GCM-SHA256")]
    [InlineData("rsa", "AES128-CCM")]
    [InlineData("rsa", "NULL-SHA256")]
    [InlineData("rsa", "ECDHE-RSA-NULL-SHA")]
    [InlineData("rsa", "ECDHE-RSA-AES128-SHA")] // CBC
    [InlineData("rsa", "ECDHE-RSA-AES128-SHA256")]
    [InlineData("rsa", "ECDHE-RSA-AES256-SHA384")]
    [InlineData("rsa", "DHE-RSA-AES128-GCM-SHA256")]
    [InlineData("rsa", "ECDHE-RSA-CHACHA20-POLY1305")]
    [InlineData("ec", "ECDHE-ECDSA-AES128-SHA")]
    [InlineData("ec", "ECDHE-ECDSA-AES256-SHA384")]
    [InlineData("ec", "ECDHE-ECDSA-AES128-CCM8")]
    [InlineData("ec", "ECDHE-ECDSA-CHACHA20-POLY1305")]
    [InlineData("ec", "ADH-AES128-GCM-SHA256")]
    [InlineData("ec", "AECDH-AES128-SHA")]
    public async Task Every_other_TLS_1_2_suite_is_refused_with_an_alert(string key, string suite)
    {
        await using var server = Server(key);
        var result = await Connect(server, "Q\n", ["-tls1_2", "-cipher", suite + ":@SECLEVEL=0"]);
        Assert.Contains("SSL alert number 40", result.Errors); // handshake_failure
        Assert.IsType<AuthenticationException>((await server.Next(Cancel)).Failure);
    }

    [Theory]
    [InlineData("TLS_AES_128_CCM_SHA256")]
    [InlineData("TLS_AES_128_CCM_8_SHA256")]
    public async Task Every_other_TLS_1_3_suite_is_refused_with_an_alert(string suite)
    {
        await using var server = Server("ec");
        var result = await Connect(server, "Q\n", ["-tls1_3", "-ciphersuites", suite]);
        Assert.Contains("SSL alert number 40", result.Errors);
        Assert.IsType<AuthenticationException>((await server.Next(Cancel)).Failure);
    }

    [Fact]
    public async Task Renegotiation_is_refused()
    {
        await using var server = Server("ec");
        // "R" on a line of its own makes s_client start a renegotiation.
        var result = await Connect(server, "R\n", ["-tls1_2"]);
        Assert.Contains("RENEGOTIATING", result.All);
        Assert.Contains("no renegotiation", result.Errors);
        Assert.Equal("", (await server.Next(Cancel)).Read);
    }

    [Fact]
    public async Task Early_data_is_not_offered_and_where_a_client_sends_it_all_the_same_it_is_refused()
    {
        await using var server = Server("ec");
        await File.WriteAllTextAsync(_openssl.File("early.txt"), "replay me", Cancel);
        var first = await Connect(server, "Q\n", ["-tls1_3", "-sess_out", "first.pem"]);
        await server.Next(Cancel);
        Assert.Contains("hello", first.Output); // the ticket came before the answer
        Assert.Contains("Max Early Data: 0", (await _openssl.Run("sess_id", "-in", "first.pem", "-noout", "-text")).Output);

        // A client that obeys the ticket sends none; ours lies to itself about the ticket and sends it.
        await File.WriteAllTextAsync(_openssl.File("lie.pem"), AllowEarlyData(await File.ReadAllTextAsync(_openssl.File("first.pem"), Cancel)), Cancel);
        Assert.Contains("Max Early Data: 16384", (await _openssl.Run("sess_id", "-in", "lie.pem", "-noout", "-text")).Output);
        var second = await Connect(server, "Q\n", ["-tls1_3", "-sess_in", "lie.pem", "-early_data", "early.txt"]);
        var seen = await server.Next(Cancel);
        Assert.Contains("Early data was rejected", second.Output);
        Assert.DoesNotContain("replay", seen.Read);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Sessions_are_resumed_only_where_no_client_certificate_is_asked_for(bool asks)
    {
        await using var server = ProfileServer.Of(_authorities, _ec, asks);
        await Connect(server, "Q\n", ["-tls1_2", "-sess_out", "s.pem"]);
        var again = await Connect(server, "Q\n", ["-tls1_2", "-sess_in", "s.pem"]);
        Assert.Contains(asks ? "New, TLSv1.2" : "Reused, TLSv1.2", again.Output);
    }

    private ProfileServer Server(string key) => ProfileServer.Of(_authorities, key == "rsa" ? _rsa : _ec);

    private Task<OpenSslTool.Result> Connect(ProfileServer server, string input, string[] more) => _openssl.Run(input,
    [
        "s_client", "-connect", "127.0.0.1:" + server.Port.ToString(CultureInfo.InvariantCulture), "-servername", "localhost",
        "-CAfile", _openssl.Pem("root.pem", _authorities.Root.Certificate), .. more,
    ]);

    /// <summary>Writes max_early_data, field [15] of openssl's saved session, where the server's ticket said none.</summary>
    private static string AllowEarlyData(string pem)
    {
        var field = PemEncoding.Find(pem);
        var saved = new AsnReader(Convert.FromBase64String(pem[field.Base64Data]), AsnEncodingRules.BER).ReadSequence();
        var writer = new AsnWriter(AsnEncodingRules.DER);
        var tag = new Asn1Tag(TagClass.ContextSpecific, 15, isConstructed: true);
        var written = false;
        using (writer.PushSequence())
        {
            while (saved.HasData || !written)
            {
                if (!written && (!saved.HasData || saved.PeekTag() is { TagClass: TagClass.ContextSpecific, TagValue: > 15 }))
                {
                    using (writer.PushSequence(tag)) writer.WriteInteger(16384);
                    written = true;
                }
                else
                {
                    writer.WriteEncodedValue(saved.ReadEncodedValue().Span);
                }
            }
        }

        return PemEncoding.WriteString(pem[field.Label], writer.Encode());
    }
}
