using System.Security.Cryptography;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Tokens;

[Proves("TS 33.434", "4.1")]
[Proves("OpenID Connect Core 1.0", "8.1")]
public sealed class PairwiseSubjectsTests : IDisposable
{
    private const int Many = 2000;

    private readonly PairwiseSubjects _pairwise = new(new byte[PairwiseSubjects.SecretLength]);

    public void Dispose() => _pairwise.Dispose();

    [Fact]
    public void Every_user_has_one_name_in_a_sector_no_two_share_one_and_it_leads_back()
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < Many; i++)
        {
            var subject = User.NewSubject();
            var name = _pairwise.NameOf("a.example", subject);
            Assert.True(names.Add(name));
            Assert.Equal(name, _pairwise.NameOf("a.example", subject));
            Assert.Equal(subject, _pairwise.SubjectOf("a.example", name));
        }
    }

    [Fact]
    public void A_name_is_nobodys_subject_and_no_name_of_another_sector()
    {
        var all = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < Many; i++)
        {
            var subject = User.NewSubject();
            var (a, b) = (_pairwise.NameOf("a.example", subject), _pairwise.NameOf("b.example", subject));
            Assert.True(all.Add(a) && all.Add(b));
            Assert.False(User.IsSubject(a));
            Assert.True(PairwiseSubjects.IsName(a));
            Assert.NotEqual(subject[2..], a[2..]);
            // In the other sector it leads to somebody who does not exist.
            Assert.NotEqual(subject, _pairwise.SubjectOf("b.example", a));
        }
    }

    [Fact]
    public void Subjects_that_differ_in_one_bit_have_names_that_share_nothing()
    {
        // Of 128 bits about 64 differ; 20 or fewer would be one in 10^15.
        for (var bit = 0; bit < 128; bit++)
        {
            var one = RandomNumberGenerator.GetBytes(16);
            var other = (byte[])one.Clone();
            other[bit / 8] ^= (byte)(1 << (bit % 8));
            var (a, b) = (Bits(_pairwise.NameOf("a.example", Subject(one))), Bits(_pairwise.NameOf("a.example", Subject(other))));
            Assert.True(a.Zip(b).Sum(p => byte.PopCount((byte)(p.First ^ p.Second))) > 20);
        }

        static string Subject(byte[] bits) => "u-" + System.Buffers.Text.Base64Url.EncodeToString(bits);
        static byte[] Bits(string name) => System.Buffers.Text.Base64Url.DecodeFromChars(name.AsSpan(2));
    }

    [Fact]
    public void Another_secret_gives_other_names()
    {
        using var other = new PairwiseSubjects(RandomNumberGenerator.GetBytes(PairwiseSubjects.SecretLength));
        var subject = User.NewSubject();
        Assert.NotEqual(_pairwise.NameOf("a.example", subject), other.NameOf("a.example", subject));
        Assert.Throws<ArgumentException>(() => new PairwiseSubjects(new byte[31]));
    }

    /// <summary>AES-256 of the zero block, computed with another implementation of HKDF and with openssl: names must not change between releases.</summary>
    [Fact]
    public void The_names_are_the_same_in_every_release() => Assert.Equal("p-P_3GM-68fWSemUWT_CClcQ", _pairwise.NameOf("a.example", "u-AAAAAAAAAAAAAAAAAAAAAA"));

    [Theory]
    [InlineData("")]
    [InlineData("p-")]
    [InlineData("p-AAAAAAAAAAAAAAAAAAAAAB")]
    [InlineData("p-AAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("p-AAAAAAAAAAAAAAAAAAAAA ")]
    [InlineData("p-AAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("u-AAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("P-AAAAAAAAAAAAAAAAAAAAAA")]
    public void What_is_no_name_leads_to_nobody(string text)
    {
        Assert.Null(_pairwise.SubjectOf("a.example", text));
        Assert.Throws<ArgumentException>(() => _pairwise.NameOf("a.example", text == "u-AAAAAAAAAAAAAAAAAAAAAA" ? "u-AAAAAAAAAAAAAAAAAAAAAB" : text));
    }
}
