using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Certificates;

/// <summary>Revoked certificates, and lists that are old, somebody else's, or half the truth.</summary>
[Proves("RFC 5280", "5.1")]
public sealed class ClientTrustTests : IDisposable
{
    private readonly TestAuthorities _authorities = new();

    private static DateTimeOffset Now => TestAuthorities.Now;

    public void Dispose() => _authorities.Dispose();

    [Fact]
    public void A_certificate_that_the_list_of_its_issuer_names_is_refused()
    {
        using var revoked = Issue();
        using var good = Issue();
        var trust = Trust(true, List(_authorities.ValMc, Now.AddDays(1), revoked));
        Assert.Equal(PeerCertificateRefusal.Revoked, trust.Check(Shown(revoked), Now).Refusal);
        Assert.NotNull(trust.Check(Shown(good), Now).Verified);
    }

    [Fact]
    public void A_serial_number_is_one_issuers()
    {
        using var good = Issue();
        var der = _authorities.Capif.BuildCrl([new(good.SerialNumber, Now)], 1, Now, Now.AddDays(1));
        Assert.True(RevokedSerials.TryRead(der, [_authorities.Capif.Certificate], out var others, out _));
        Assert.NotNull(Trust(false, others).Check(Shown(good), Now).Verified);
        // But nobody has said that it is not revoked.
        Assert.Equal(PeerCertificateRefusal.RevocationUnknown, Trust(true, others).Check(Shown(good), Now).Refusal);
    }

    [Fact]
    public void An_old_list_still_refuses_what_it_names_and_in_hard_mode_the_rest_too()
    {
        using var revoked = Issue();
        using var good = Issue();
        var old = List(_authorities.ValMc, Now.AddSeconds(1), revoked);
        var later = Now.AddSeconds(1);
        Assert.NotNull(Trust(true, old).Check(Shown(good), Now).Verified);
        Assert.Equal(PeerCertificateRefusal.RevocationUnknown, Trust(true, old).Check(Shown(good), later).Refusal);
        Assert.NotNull(Trust(false, old).Check(Shown(good), later).Verified);
        Assert.Equal(PeerCertificateRefusal.Revoked, Trust(false, old).Check(Shown(revoked), later).Refusal);
        Assert.Equal(PeerCertificateRefusal.Revoked, Trust(true, old).Check(Shown(revoked), later).Refusal);
    }

    [Fact]
    public void The_own_authority_needs_no_list()
    {
        using var good = Issue();
        using var others = _authorities.Capif.Issue(TestAuthorities.Client(), TestAuthorities.NewKey(), Now);
        var list = List(_authorities.Servers, Now.AddDays(1));
        var trust = new ClientTrust([_authorities.ValMc.Certificate, _authorities.Capif.Certificate], [list], refusesUnknown: true, own: _authorities.ValMc.Certificate);
        Assert.NotNull(trust.Check(Shown(good), Now).Verified);
        Assert.Equal(PeerCertificateRefusal.RevocationUnknown, trust.Check(Shown(others), Now).Refusal);
    }

    [Fact]
    public void Without_lists_revocation_is_not_looked_at()
    {
        using var good = Issue();
        Assert.NotNull(Trust(true).Check(Shown(good), Now).Verified);
    }

    [Fact]
    public void Intermediates_that_do_not_read_are_a_refusal()
    {
        using var good = Issue();
        Assert.Equal(PeerCertificateRefusal.Malformed, Trust(false).Check(new(good, [[1, 2, 3]]), Now).Refusal);
    }

    [Fact]
    public void A_list_is_the_pinned_authoritys_own_or_nothing()
    {
        var der = _authorities.ValMc.BuildCrl([], 1, Now, Now.AddDays(1));
        Assert.True(RevokedSerials.TryRead(der, [_authorities.Root.Certificate, _authorities.ValMc.Certificate], out var list, out _));
        Assert.Equal((0, DateTimeOffset.FromUnixTimeSeconds(Now.AddDays(1).ToUnixTimeSeconds())), (list.Count, list.NextUpdate));
        Assert.False(RevokedSerials.TryRead(der, [_authorities.Root.Certificate], out _, out _));
        Assert.False(RevokedSerials.TryRead(der, [], out _, out _));
        // The same name with another key.
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var impostor = new CertificateRequest(_authorities.ValMc.Certificate.SubjectName, key, HashAlgorithmName.SHA256).CreateSelfSigned(Now, Now.AddDays(1));
        Assert.False(RevokedSerials.TryRead(der, [impostor], out _, out _));
        for (var i = 0; i < der.Length; i++)
        {
            var spoilt = (byte[])der.Clone();
            spoilt[i] ^= 0x41;
            Assert.False(RevokedSerials.TryRead(spoilt, [_authorities.ValMc.Certificate], out _, out var reason));
            Assert.NotEmpty(reason);
            Assert.False(RevokedSerials.TryRead(der.AsMemory(0, i), [_authorities.ValMc.Certificate], out _, out _));
        }
    }

    private X509Certificate2 Issue() => _authorities.ValMc.Issue(TestAuthorities.Client(), TestAuthorities.NewKey(), Now);

    private static RevokedSerials List(CertificateAuthority authority, DateTimeOffset nextUpdate, params X509Certificate2[] revoked) =>
        RevokedSerials.TryRead(authority.BuildCrl(revoked.Select(c => new RevokedCertificate(c.SerialNumber, Now.AddDays(-1))), 1, Now.AddDays(-1), nextUpdate), [authority.Certificate], out var list, out var reason)
            ? list
            : throw new InvalidOperationException(reason);

    private ClientTrust Trust(bool hard, params RevokedSerials[] lists) => new([_authorities.ValMc.Certificate], lists, hard);

    private static ShownCertificate Shown(X509Certificate2 certificate) => new(certificate, []);
}
