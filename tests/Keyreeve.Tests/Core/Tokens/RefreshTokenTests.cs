using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Tokens;

[Proves("TS 33.434", "A.5")]
public sealed class RefreshTokenTests
{
    private const string Family = "AbCdEfGhIjKlMnOpQrSt-_";

    [Fact]
    public void Family_identifiers_of_one_second_begin_alike_and_differ()
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
        var all = Enumerable.Range(0, 1000).Select(_ => RefreshToken.NewFamilyId(now)).ToHashSet();
        Assert.Equal(1000, all.Count);
        Assert.Single(all.Select(id => id[..5]).Distinct());
        Assert.All(all, id => Assert.True(RefreshToken.TryRead(new RefreshToken(id, OpaqueToken.Generate()).Reveal(), out _)));
    }

    [Fact]
    public void What_is_revealed_is_read_back()
    {
        var token = new RefreshToken(Family, OpaqueToken.Generate());
        Assert.True(RefreshToken.TryRead(token.Reveal(), out var read));
        Assert.Equal(Family, read.FamilyId);
        Assert.True(read.Secret.Has(token.Secret.Hash));
        // refresh-token = 1*VSCHAR (RFC 6749 A.17)
        Assert.All(token.Reveal(), c => Assert.InRange(c, '\x21', '\x7E'));
    }

    [Fact]
    public void Other_forms_are_refused()
    {
        var text = new RefreshToken(Family, OpaqueToken.Generate()).Reveal();
        foreach (var bad in new[] { "", ".", text[..65], text + "A", text.Replace('.', '-'), "." + text[1..], text[..21] + "é" + text[22..], text[..21] + "/" + text[22..], text[..21] + "\0" + text[22..], text[..65] + "=" })
            Assert.False(RefreshToken.TryRead(bad, out _), bad);
    }

    [Fact]
    public void It_prints_neither_the_secret_nor_the_family()
    {
        // Who knows a family's identifier could end it by presenting a wrong secret.
        var token = new RefreshToken(Family, OpaqueToken.Generate());
        Assert.DoesNotContain(token.Secret.Reveal(), token.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Family, token.ToString(), StringComparison.Ordinal);
        Assert.Contains(RefreshToken.GrantNameOf(Family), token.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_name_of_a_grant_does_not_tell_the_family()
    {
        Assert.Matches("^[A-Za-z0-9_-]{22}$", RefreshToken.GrantNameOf(Family));
        Assert.Equal(RefreshToken.GrantNameOf(Family), RefreshToken.GrantNameOf(Family));
        Assert.NotEqual(Family, RefreshToken.GrantNameOf(Family));
        Assert.NotEqual(RefreshToken.GrantNameOf(Family), RefreshToken.GrantNameOf(Family[..21] + "-"));
    }

    [Fact]
    public void The_successor_opens_for_the_holder_of_the_token_before_it()
    {
        var (presented, successor) = (OpaqueToken.Generate(), OpaqueToken.Generate());
        Assert.True(RefreshToken.TryOpenSuccessor(presented, RefreshToken.SealSuccessor(presented, successor), out var opened));
        Assert.Equal(successor.Reveal(), opened.Reveal());
    }

    [Fact]
    public void Nobody_else_opens_the_successor()
    {
        var (presented, successor) = (OpaqueToken.Generate(), OpaqueToken.Generate());
        var value = RefreshToken.SealSuccessor(presented, successor);
        Assert.False(RefreshToken.TryOpenSuccessor(OpaqueToken.Generate(), value, out _));
        Assert.False(RefreshToken.TryOpenSuccessor(successor, value, out _));
        for (var i = 0; i < value.Length; i++)
        {
            value[i] ^= 1;
            Assert.False(RefreshToken.TryOpenSuccessor(presented, value, out _), $"octet {i}");
            value[i] ^= 1;
        }
        for (var length = 0; length < value.Length; length++)
            Assert.False(RefreshToken.TryOpenSuccessor(presented, value.AsSpan(0, length), out _), $"{length} octets");
        Assert.False(RefreshToken.TryOpenSuccessor(presented, null, out _));
        Assert.True(RefreshToken.TryOpenSuccessor(presented, value, out _));
    }
}
