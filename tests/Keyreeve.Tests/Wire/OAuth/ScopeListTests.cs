using FsCheck.Fluent;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Wire.OAuth;

[Proves("RFC 6749", "3.3")]
public sealed class ScopeListTests
{
    [Fact]
    public void Exactly_the_characters_of_the_rfc_are_read()
    {
        for (var c = '\0'; c < 0x200; c++)
        {
            var allowed = c is '\x21' or (>= '\x23' and <= '\x5B') or (>= '\x5D' and <= '\x7E');
            Assert.Equal(allowed, ScopeList.IsScopeCharacter(c));
            Assert.Equal(allowed || c == ' ', ScopeList.TryRead("a" + c + "b", out _));
        }
    }

    [Theory]
    [InlineData("a\"b")]
    [InlineData("a\\b")]
    [InlineData("a\tb")]
    [InlineData("a\nb")]
    [InlineData("é")]
    [InlineData("a\u00a0b")]
    public void Other_characters_are_refused(string text) => Assert.False(ScopeList.TryRead(text, out _));

    [Fact]
    public void Values_stand_once_in_the_order_first_named()
    {
        Assert.True(ScopeList.TryRead("  b a  b c a ", out var scopes));
        Assert.Equal("b a c", scopes.Text);
        Assert.Equal("b a c", scopes.ToString());
        Assert.Equal(3, scopes.Count);
    }

    [Fact]
    public void Order_does_not_matter_and_case_does()
    {
        var abc = ScopeList.Of(["a", "b", "c"]);
        Assert.Equal(abc, ScopeList.Of(["c", "a", "b"]));
        Assert.Equal(abc.GetHashCode(), ScopeList.Of(["c", "a", "b"]).GetHashCode());
        Assert.NotEqual(abc, ScopeList.Of(["A", "b", "c"]));
        Assert.NotEqual(abc, ScopeList.Of(["a", "b"]));
        Assert.False(abc.Contains("A"));
    }

    [Fact]
    public void Within_means_every_value()
    {
        var ab = ScopeList.Of(["a", "b"]);
        Assert.True(ScopeList.Empty.IsWithin(ab));
        Assert.True(ab.IsWithin(ab));
        Assert.True(ScopeList.Of(["b"]).IsWithin(ab));
        Assert.False(ab.IsWithin(ScopeList.Of(["b"])));
        Assert.False(ScopeList.Of(["b", "c"]).IsWithin(ab));
        Assert.False(ScopeList.Of(["B"]).IsWithin(ab));
        Assert.False(ScopeList.Of(["ab"]).IsWithin(ab));
    }

    [Fact]
    public void The_length_is_bounded_to_the_character()
    {
        Assert.True(ScopeList.TryRead(new string('a', OAuthLimits.MaxScope), out _));
        Assert.False(ScopeList.TryRead(new string('a', OAuthLimits.MaxScope + 1), out _));
    }

    [Fact]
    public void No_text_is_no_scope()
    {
        foreach (var text in new[] { null, "", " " })
        {
            Assert.True(ScopeList.TryRead(text, out var scopes));
            Assert.Same(ScopeList.Empty, scopes);
        }
    }

    [Fact]
    public void No_text_makes_the_reader_throw_and_what_is_read_is_read_again() => Samples.Check(Samples.Anything, text =>
        !ScopeList.TryRead(text, out var scopes) || ScopeList.TryRead(scopes.Text, out var again) && again.SequenceEqual(scopes) && again.Equals(scopes));
}
