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
[Proves("TS 33.434", "5.1.1.5")]
[Proves("TS 33.434", "5.1.2.1")]
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
        var result = await Connect(server, [version, option, offered, "-verify_return_error"]);
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
        await Connect(server, ["-tls1_3", "-groups", group]);
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
        var result = await Connect(server, [version, "-cipher", "ALL:@SECLEVEL=0"]);
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
        var result = await Connect(server, ["-tls1_2", "-cipher", suite + ":@SECLEVEL=0"]);
        Assert.Contains("SSL alert number 40", result.Errors); // handshake_failure
        Assert.IsType<AuthenticationException>((await server.Next(Cancel)).Failure);
    }

    [Theory]
    [InlineData("TLS_AES_128_CCM_SHA256")]
    [InlineData("TLS_AES_128_CCM_8_SHA256")]
    public async Task Every_other_TLS_1_3_suite_is_refused_with_an_alert(string suite)
    {
        await using var server = Server("ec");
        var result = await Connect(server, ["-tls1_3", "-ciphersuites", suite]);
        Assert.Contains("SSL alert number 40", result.Errors);
        Assert.IsType<AuthenticationException>((await server.Next(Cancel)).Failure);
    }

    [Fact]
    public async Task Renegotiation_is_refused()
    {
        await using var server = Server("ec");
        // "R" on a line of its own makes s_client start a renegotiation. Its input stays open: it ends because it was refused.
        var result = await _openssl.Converse("hello", "R\n", closeInput: false, Arguments(server, ["-tls1_2"]));
        Assert.Contains("RENEGOTIATING", result.All);
        var seen = await server.Next(Cancel);
        var failure = Assert.IsType<IOException>(seen.Failure); // SslStream ends the connection
        Assert.Contains("renegotiation", failure.ToString(), StringComparison.OrdinalIgnoreCase);
        Assert.Equal("", seen.Read);
        Assert.Single(result.Errors.Split("depth=0")[1..]); // the certificate was shown once, in the first handshake
    }

    [Fact]
    public async Task Early_data_is_refused_from_a_client_that_sends_it_unasked()
    {
        await using var lax = ProfileServer.Of(_authorities, _ec, withProfile: false);
        await using var server = Server("ec");
        await File.WriteAllTextAsync(_openssl.File("early.txt"), "replay me", Cancel);
        // A ticket of any server will do: the client is made to believe that it allows early data, and sends it with the first flight.
        await Connect(lax, ["-tls1_3", "-sess_out", "ticket.pem"]);
        var lie = AllowEarlyData(await File.ReadAllTextAsync(_openssl.File("ticket.pem"), Cancel));
        await File.WriteAllTextAsync(_openssl.File("lie.pem"), lie, Cancel);
        Assert.Contains("Max Early Data: 16384", (await _openssl.Run("sess_id", "-in", "lie.pem", "-noout", "-text")).Output);

        var result = await Connect(server, ["-tls1_3", "-sess_in", "lie.pem", "-early_data", "early.txt"]);
        var seen = await server.Next(Cancel);
        Assert.Contains("Early data was rejected", result.Output);
        Assert.Equal(SslProtocols.Tls13, seen.Version);
        Assert.Equal("", seen.Read);
    }

    [Theory]
    [InlineData("-tls1_2", false)]
    [InlineData("-tls1_2", true)]
    [InlineData("-tls1_3", false)]
    [InlineData("-tls1_3", true)]
    public async Task No_session_is_resumed_and_none_offers_early_data(string version, bool asks)
    {
        await using var server = ProfileServer.Of(_authorities, _ec, asks);
        await Connect(server, [version, "-sess_out", "given.pem"]);
        if (!File.Exists(_openssl.File("given.pem")))
        {
            // Nothing to come back with: TLS 1.2 without a session ID and without a ticket.
            Assert.Equal("-tls1_2", version);
            return;
        }

        Assert.Contains("Max Early Data: 0", (await _openssl.Run("sess_id", "-in", "given.pem", "-noout", "-text")).Output);
        var again = await Connect(server, [version, "-sess_in", "given.pem"]);
        Assert.Contains("New, TLSv1.3", again.Output);
        Assert.DoesNotContain("Reused", again.Output);
    }

    [Fact]
    public async Task The_test_of_sessions_can_fail_for_the_platforms_own_choice_does_resume()
    {
        await using var lax = ProfileServer.Of(_authorities, _ec, withProfile: false);
        await Connect(lax, ["-tls1_3", "-sess_out", "given.pem"]);
        Assert.Contains("Reused, TLSv1.3", (await Connect(lax, ["-tls1_3", "-sess_in", "given.pem"])).Output);
    }

    private ProfileServer Server(string key) => ProfileServer.Of(_authorities, key == "rsa" ? _rsa : _ec);

    /// <summary>One connection: the handshake, the server's answer (tickets come before it), the end.</summary>
    private Task<OpenSslTool.Result> Connect(ProfileServer server, string[] more) =>
        _openssl.Converse("hello", "Q\n", closeInput: true, Arguments(server, more));

    private string[] Arguments(ProfileServer server, string[] more) =>
    [
        "s_client", "-connect", "127.0.0.1:" + server.Port.ToString(CultureInfo.InvariantCulture), "-servername", "localhost",
        "-CAfile", _openssl.Pem("root.pem", _authorities.Root.Certificate), .. more,
    ];

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
