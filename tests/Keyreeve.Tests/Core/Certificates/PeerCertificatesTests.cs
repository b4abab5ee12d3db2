using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Certificates;

[Proves("RFC 5280", "6.1")]
public sealed class PeerCertificatesTests : IDisposable
{
    private static readonly DateTimeOffset Now = TestAuthorities.Now;
    private readonly TestAuthorities _authorities = new();

    public void Dispose() => _authorities.Dispose();

    [Fact]
    public void A_certificate_of_the_pinned_issuing_authority_is_verified_and_its_names_are_read_exactly()
    {
        using var leaf = _authorities.ValMc.Issue(
            TestAuthorities.Client() with { Uris = [new Uri("https://LOCALHOST/Val/%7eone"), new Uri("urn:val:two")], DnsNames = ["Val.localhost"] },
            TestAuthorities.NewKey(), Now);
        var check = Check(leaf, _authorities.ValMc);

        Assert.True(check.TryGetVerified(out var verified, out var refusal), $"{refusal}");
        Assert.Null(check.Refusal);
        Assert.Equal(["https://LOCALHOST/Val/%7eone", "urn:val:two"], verified.SubjectAltUris);
        Assert.Equal(["Val.localhost"], verified.SubjectAltDnsNames);
        Assert.Equal(leaf.GetCertHashString(HashAlgorithmName.SHA256).ToLowerInvariant(), verified.Sha256Thumbprint);
        Assert.Equal(leaf.SerialNumber.ToLowerInvariant(), verified.SerialNumber);
        Assert.Same(leaf, verified.Certificate);
        Assert.NotEqual(IntPtr.Zero, leaf.Handle); // the check released its own copies only
    }

    [Fact]
    public void A_path_over_a_presented_intermediate_to_a_pinned_root_is_verified()
    {
        using var leaf = Issue();
        var check = PeerCertificates.Check(
            leaf, [_authorities.ValMc.Certificate, _authorities.Root.Certificate], [_authorities.Root.Certificate], EntityUse.Client, Now, null);
        Assert.Null(check.Refusal);
        Assert.NotNull(check.Verified);
        // Without the intermediate the path cannot be found.
        Assert.Equal(PeerCertificateRefusal.UntrustedIssuer,
            PeerCertificates.Check(leaf, [], [_authorities.Root.Certificate], EntityUse.Client, Now, null).Refusal);
    }

    [Fact]
    public void The_root_sent_along_does_not_disturb_a_pinned_issuing_authority()
    {
        using var leaf = Issue();
        var check = PeerCertificates.Check(
            leaf, [_authorities.ValMc.Certificate, _authorities.Root.Certificate], [_authorities.ValMc.Certificate], EntityUse.Client, Now, null);
        Assert.Null(check.Refusal);
    }

    [Theory]
    [InlineData(2048)]
    [InlineData(3072)]
    public void An_RSA_key_of_2048_bits_or_more_is_good(int bits)
    {
        using var rsa = RSA.Create(bits);
        using var leaf = TestAuthorities.Forge(_authorities.ValMc, rsa);
        Assert.Null(Check(leaf, _authorities.ValMc).Refusal);
    }

    [Fact]
    public void A_certificate_of_another_authority_of_the_same_root_is_refused()
    {
        using var leaf = _authorities.Servers.Issue(
            new() { CommonName = "server", Use = EntityUse.Client | EntityUse.Server }, TestAuthorities.NewKey(), Now);
        var check = PeerCertificates.Check(
            leaf, [_authorities.Servers.Certificate, _authorities.Root.Certificate], [_authorities.Operators.Certificate], EntityUse.Client, Now, null);
        Assert.Equal(PeerCertificateRefusal.UntrustedIssuer, check.Refusal);
        Assert.Null(check.Verified);
        Assert.False(check.TryGetVerified(out _, out _));
    }

    [Fact]
    public void An_authority_with_the_same_name_but_another_key_is_refused()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(_authorities.ValMc.Certificate.SubjectName, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(X509BasicConstraintsExtension.CreateForCertificateAuthority(0));
        using var twin = request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(100));
        var leafRequest = LeafRequest(out var leafKey);
        using (leafKey)
        using (var leaf = leafRequest.Create(twin, Now.AddHours(-1), Now.AddDays(1), [1, 2, 3]))
        {
            Assert.Equal(PeerCertificateRefusal.UntrustedIssuer, Check(leaf, _authorities.ValMc).Refusal);
            Assert.Equal(PeerCertificateRefusal.UntrustedIssuer,
                PeerCertificates.Check(leaf, [twin], [_authorities.ValMc.Certificate], EntityUse.Client, Now, null).Refusal);
        }
    }

    [Fact]
    public void A_leaf_cannot_issue()
    {
        using var middleKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var middle = TestAuthorities.Forge(
            _authorities.ValMc, middleKey, keyUsage: X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign);
        var request = LeafRequest(out var leafKey);
        using var leaf = request.Create(
            middle.SubjectName, X509SignatureGenerator.CreateForECDsa(middleKey), middle.NotBefore, middle.NotAfter, [1, 2, 3]);
        leafKey.Dispose();
        Assert.Equal(PeerCertificateRefusal.UntrustedIssuer,
            PeerCertificates.Check(leaf, [middle], [_authorities.ValMc.Certificate], EntityUse.Client, Now, null).Refusal);
    }

    [Fact]
    public void The_path_length_of_a_pinned_issuing_authority_counts()
    {
        using var middleKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var middle = TestAuthorities.Forge(
            _authorities.ValMc, middleKey, keyUsage: X509KeyUsageFlags.KeyCertSign, uses: [],
            more: [X509BasicConstraintsExtension.CreateForCertificateAuthority()]);
        var request = LeafRequest(out var leafKey);
        using var leaf = request.Create(
            middle.SubjectName, X509SignatureGenerator.CreateForECDsa(middleKey), middle.NotBefore, middle.NotAfter, [1, 2, 3]);
        leafKey.Dispose();
        Assert.Equal(PeerCertificateRefusal.UntrustedIssuer,
            PeerCertificates.Check(leaf, [middle], [_authorities.ValMc.Certificate], EntityUse.Client, Now, null).Refusal);
    }

    [Fact]
    public void A_changed_signature_is_refused()
    {
        using var leaf = Issue();
        var der = leaf.RawData;
        der[^1] ^= 1;
        using var changed = X509CertificateLoader.LoadCertificate(der);
        Assert.Equal(PeerCertificateRefusal.UntrustedIssuer, Check(changed, _authorities.ValMc).Refusal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Proves("RFC 5280", "4.2.1.10")]
    public void A_name_outside_the_constraints_is_refused_whether_the_path_ends_at_the_issuing_authority_or_at_the_root(bool atIssuing)
    {
        using var leaf = TestAuthorities.Forge(_authorities.ValMc, more: [TestAuthorities.DnsName("example.org")]);
        using var good = TestAuthorities.Forge(_authorities.ValMc, more: [TestAuthorities.DnsName("x.localhost")]);
        X509Certificate2Collection anchors = [atIssuing ? _authorities.ValMc.Certificate : _authorities.Root.Certificate];
        PeerCheck Of(X509Certificate2 c) => PeerCertificates.Check(c, [_authorities.ValMc.Certificate], anchors, EntityUse.Client, Now, null);
        Assert.Equal(PeerCertificateRefusal.UntrustedIssuer, Of(leaf).Refusal);
        Assert.Null(Of(good).Refusal);
    }

    [Fact]
    public void A_self_signed_certificate_is_refused_even_with_no_anchor_at_all_or_as_its_own()
    {
        var request = LeafRequest(out var key);
        using var leaf = request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(1));
        key.Dispose();
        Assert.Equal(PeerCertificateRefusal.UntrustedIssuer, Check(leaf, _authorities.ValMc).Refusal);
        Assert.Equal(PeerCertificateRefusal.UntrustedIssuer, PeerCertificates.Check(leaf, [leaf], [], EntityUse.Client, Now, null).Refusal);
        Assert.Equal(PeerCertificateRefusal.UntrustedIssuer, PeerCertificates.Check(leaf, [], [leaf], EntityUse.Client, Now, null).Refusal);
    }

    [Fact]
    public void An_expired_and_a_not_yet_valid_certificate_are_told_apart()
    {
        using var leaf = Issue();
        Assert.Equal(PeerCertificateRefusal.Expired, Check(leaf, _authorities.ValMc, now: leaf.NotAfter.AddSeconds(1)).Refusal);
        Assert.Null(Check(leaf, _authorities.ValMc, now: leaf.NotAfter.AddSeconds(-1)).Refusal);

        using var later = TestAuthorities.Forge(_authorities.ValMc, notBefore: Now.AddDays(1), notAfter: Now.AddDays(2));
        Assert.Equal(PeerCertificateRefusal.NotYetValid, Check(later, _authorities.ValMc).Refusal);
        Assert.Null(Check(later, _authorities.ValMc, now: later.NotBefore).Refusal);
    }

    [Fact]
    public void An_expired_authority_verifies_nobody()
    {
        using var leaf = TestAuthorities.Forge(_authorities.ValMc, notAfter: Now.AddYears(5).AddDays(-1));
        Assert.Equal(PeerCertificateRefusal.Expired, Check(leaf, _authorities.ValMc, now: Now.AddYears(6)).Refusal);
    }

    public static TheoryData<string, X509KeyUsageFlags, string[]> Misuses => new()
    {
        { "server only", X509KeyUsageFlags.DigitalSignature, [TestAuthorities.ServerUse] },
        { "no extended key usage", X509KeyUsageFlags.DigitalSignature, [] },
        { "any extended key usage", X509KeyUsageFlags.DigitalSignature, ["2.5.29.37.0"] },
        { "key encipherment only", X509KeyUsageFlags.KeyEncipherment, [TestAuthorities.ClientUse] },
    };

    [Theory]
    [MemberData(nameof(Misuses))]
    public void A_certificate_for_something_else_is_refused(string why, X509KeyUsageFlags keyUsage, string[] uses)
    {
        using var leaf = TestAuthorities.Forge(_authorities.ValMc, keyUsage: keyUsage, uses: uses);
        Assert.True(Check(leaf, _authorities.ValMc).Refusal == PeerCertificateRefusal.WrongUsage, why);
    }

    [Fact]
    public void A_certificate_without_key_usage_or_of_an_authority_is_for_something_else()
    {
        using var silent = TestAuthorities.Forge(_authorities.ValMc, keyUsage: null);
        Assert.Equal(PeerCertificateRefusal.WrongUsage, Check(silent, _authorities.ValMc).Refusal);
        Assert.Equal(PeerCertificateRefusal.WrongUsage,
            PeerCertificates.Check(_authorities.ValMc.Certificate, [], [_authorities.Root.Certificate], EntityUse.Client, Now, null).Refusal);
    }

    [Fact]
    public void Each_use_asked_must_be_there()
    {
        using var client = Issue();
        Assert.Equal(PeerCertificateRefusal.WrongUsage,
            PeerCertificates.Check(client, [], [_authorities.ValMc.Certificate], EntityUse.Client | EntityUse.Server, Now, null).Refusal);
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            PeerCertificates.Check(client, [], [_authorities.ValMc.Certificate], EntityUse.None, Now, null));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_revoked_certificate_is_refused_in_whichever_case_the_list_is_kept(bool upper)
    {
        using var leaf = Issue();
        using var other = Issue();
        var listed = new HashSet<string> { upper ? leaf.SerialNumber.ToUpperInvariant() : leaf.SerialNumber.ToLowerInvariant() };
        Assert.Equal(PeerCertificateRefusal.Revoked, Check(leaf, _authorities.ValMc, revoked: listed).Refusal);
        Assert.Null(Check(other, _authorities.ValMc, revoked: listed).Refusal);
    }

    [Fact]
    public void A_revoked_issuing_authority_verifies_nobody()
    {
        using var leaf = Issue();
        var listed = new HashSet<string> { _authorities.ValMc.Certificate.SerialNumber };
        Assert.Equal(PeerCertificateRefusal.Revoked, PeerCertificates.Check(
            leaf, [_authorities.ValMc.Certificate], [_authorities.Root.Certificate], EntityUse.Client, Now, listed).Refusal);
    }

    [Fact]
    public void A_SHA1_signature_a_short_RSA_key_and_an_unknown_curve_are_weak()
    {
        using var sha1 = TestAuthorities.Forge(_authorities.ValMc, hash: HashAlgorithmName.SHA1);
        Assert.Equal("1.2.840.10045.4.1", sha1.SignatureAlgorithm.Value);
        Assert.Equal(PeerCertificateRefusal.WeakKey, Check(sha1, _authorities.ValMc).Refusal);

        using var rsa = RSA.Create(1024);
        using var small = TestAuthorities.Forge(_authorities.ValMc, rsa);
        Assert.Equal(PeerCertificateRefusal.WeakKey, Check(small, _authorities.ValMc).Refusal);

        using var p521 = ECDsa.Create(ECCurve.NamedCurves.nistP521);
        using var odd = TestAuthorities.Forge(_authorities.ValMc, p521);
        Assert.Equal(PeerCertificateRefusal.WeakKey, Check(odd, _authorities.ValMc).Refusal);
    }

    [Fact]
    public void A_weak_intermediate_makes_a_good_leaf_weak()
    {
        using var weak = RSA.Create(1024);
        using var middle = TestAuthorities.Forge(
            _authorities.Root, weak, hash: HashAlgorithmName.SHA384, keyUsage: X509KeyUsageFlags.KeyCertSign, uses: [],
            more: [X509BasicConstraintsExtension.CreateForCertificateAuthority(0)]);
        var request = LeafRequest(out var leafKey);
        using var leaf = request.Create(
            middle.SubjectName, X509SignatureGenerator.CreateForRSA(weak, RSASignaturePadding.Pkcs1), middle.NotBefore, middle.NotAfter, [1, 2, 3]);
        leafKey.Dispose();
        Assert.Equal(PeerCertificateRefusal.WeakKey,
            PeerCertificates.Check(leaf, [middle], [_authorities.Root.Certificate], EntityUse.Client, Now, null).Refusal);
    }

    [Theory]
    [InlineData("SHA384", true)]
    [InlineData("SHA1", false)]
    public void RSA_PSS_is_judged_by_the_hash_in_its_parameters(string hash, bool admitted)
    {
        using var rsa = RSA.Create(2048);
        var request = new CertificateRequest("CN=pss", rsa, new HashAlgorithmName(hash), RSASignaturePadding.Pss);
        var generator = hash == "SHA1" ? new Sha1Signer(rsa) : X509SignatureGenerator.CreateForRSA(rsa, RSASignaturePadding.Pss);
        using var certificate = request.Create(request.SubjectName, generator, Now.AddDays(-1), Now.AddDays(1), [1, 2, 3]);
        Assert.Equal("1.2.840.113549.1.1.10", certificate.SignatureAlgorithm.Value);
        Assert.Equal(admitted, KeyRules.AdmitsSignatureOf(certificate));
    }

    public static TheoryData<string> BrokenNames => [.. Broken.Keys];

    private static readonly Dictionary<string, X509Extension[]> Broken = new()
    {
        ["not DER"] = [new X509Extension("2.5.29.17", [0x30, 0x05, 0x01], false)],
        ["octets after the end"] = [new X509Extension("2.5.29.17", [0x30, 0x00, 0x00], false)],
        ["a NUL inside a name"] = [Names(1, "localhost\0.example.org")],
        ["an empty name"] = [Names(1, "")],
        ["a space"] = [Names(1, "local host")],
        ["more names than anyone needs"] = [Names(65, "localhost")],
        ["a critical extension nobody knows"] = [new X509Extension("1.2.3.4.5.6", [0x05, 0x00], critical: true)],
        ["far too big"] = [new X509Extension("1.2.3.4.5.7", [0x04, 0x82, 0x44, 0x00, .. new byte[0x4400]], critical: false)],
    };

    [Theory]
    [MemberData(nameof(BrokenNames))]
    public void A_certificate_that_cannot_be_understood_is_malformed(string which)
    {
        using var leaf = TestAuthorities.Forge(_authorities.ValMc, more: Broken[which]);
        Assert.Equal(PeerCertificateRefusal.Malformed, Check(leaf, _authorities.ValMc).Refusal);
    }

    [Fact]
    public void Two_lists_of_names_are_malformed_for_nobody_can_say_which_one_counts()
    {
        // Made with an unused object identifier, 2.5.29.127, which is then changed into that of subjectAltName.
        using var one = TestAuthorities.Forge(
            _authorities.ValMc,
            more: [TestAuthorities.DnsName("a.localhost"), new X509Extension("2.5.29.127", TestAuthorities.DnsName("b.localhost").RawData, false)]);
        var der = one.RawData;
        der[der.AsSpan().IndexOf((ReadOnlySpan<byte>)[0x06, 0x03, 0x55, 0x1D, 0x7F]) + 4] = 0x11;
        using var two = X509CertificateLoader.LoadCertificate(der);
        Assert.Equal(PeerCertificateRefusal.Malformed, Check(two, _authorities.ValMc).Refusal);
    }

    [Fact]
    public void More_intermediates_than_allowed_are_malformed_and_not_all_read()
    {
        using var leaf = Issue();
        var read = 0;
        IEnumerable<X509Certificate2> Endless()
        {
            while (true)
            {
                read++;
                yield return _authorities.ValMc.Certificate;
            }
        }

        Assert.Equal(PeerCertificateRefusal.Malformed,
            PeerCertificates.Check(leaf, Endless(), [_authorities.ValMc.Certificate], EntityUse.Client, Now, null).Refusal);
        Assert.Equal(PeerCertificates.MaxIntermediates + 1, read);
    }

    [Fact]
    public void Every_changed_octet_gives_a_refusal_and_never_an_exception()
    {
        using var good = _authorities.ValMc.Issue(TestAuthorities.Client() with { Uris = [new Uri("urn:val:two")] }, TestAuthorities.NewKey(), Now);
        for (var i = 0; i < good.RawData.Length; i++)
        {
            var der = good.RawData;
            der[i] ^= 0x21;
            X509Certificate2 changed;
            try
            {
                changed = X509CertificateLoader.LoadCertificate(der);
            }
            catch (CryptographicException)
            {
                continue; // TLS itself would have refused these
            }

            using (changed)
                Assert.NotNull(Check(changed, _authorities.ValMc).Refusal);
        }
    }

    private X509Certificate2 Issue() => _authorities.ValMc.Issue(TestAuthorities.Client(), TestAuthorities.NewKey(), Now);

    private static PeerCheck Check(
        X509Certificate2 leaf, CertificateAuthority anchor, DateTimeOffset? now = null, IReadOnlySet<string>? revoked = null) =>
        PeerCertificates.Check(leaf, [], [anchor.Certificate], EntityUse.Client, now ?? Now, revoked);

    private static CertificateRequest LeafRequest(out ECDsa key)
    {
        key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=leaf", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(TestAuthorities.ClientUse)], false));
        return request;
    }

    private static X509Extension Names(int count, string name)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            for (var i = 0; i < count; i++)
                writer.WriteCharacterString(UniversalTagNumber.IA5String, name, new Asn1Tag(TagClass.ContextSpecific, 2));
        }

        return new X509Extension("2.5.29.17", writer.Encode(), critical: false);
    }
}
