using System.Text;
using FsCheck.Fluent;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Wire.OAuth;

[Proves("RFC 6749", "2.3.1")]
public sealed class BasicCredentialsTests
{
    [Theory]
    [InlineData("s6BhdRkqt3", "gX1fBat3bV")]
    [InlineData("a:b", "c:d:e")]
    [InlineData("a+b", "1 + 2")]
    [InlineData("100%", "%41")]
    [InlineData("Zürich", "пароль 🔑")]
    [InlineData("id", "")]
    public void What_is_written_is_read_back(string id, string secret)
    {
        Assert.True(Read(BasicCredentials.Write(id, secret), out var readId, out var readSecret));
        Assert.Equal((id, secret), (readId, readSecret));
    }

    [Fact]
    public void A_plus_on_the_wire_is_a_space_as_in_every_form()
    {
        Assert.True(Raw("a+b:c%2Bd", out var id, out var secret));
        Assert.Equal(("a b", "c+d"), (id, secret));
    }

    [Fact]
    public void The_first_colon_parts_and_an_encoded_one_does_not()
    {
        Assert.True(Raw("a%3Ab:c:d", out var id, out var secret));
        Assert.Equal(("a:b", "c:d"), (id, secret));
    }

    [Theory]
    [InlineData("no colon")]
    [InlineData(":secret")]
    [InlineData("")]
    [InlineData("id:%")]
    [InlineData("%zz:secret")]
    [InlineData("id\0:secret")]
    [InlineData("id:sec\nret")]
    [InlineData("id%00:secret")]
    public void What_is_no_pair_is_refused(string text) => Assert.False(Raw(text, out _, out _));

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("a")]
    [InlineData("aWQ6c2VjcmV0!")]
    [InlineData("aWQ6c2VjcmV0é")]
    [InlineData("////////")]
    public void What_is_no_base64_is_refused(string encoded) => Assert.False(BasicCredentials.TryRead(encoded, out _, out _));

    [Fact]
    public void Lengths_are_bounded()
    {
        Assert.True(Raw(new string('i', OAuthLimits.MaxIdentity) + ":s", out _, out _));
        Assert.False(Raw(new string('i', OAuthLimits.MaxIdentity + 1) + ":s", out _, out _));
        Assert.False(Raw("i:" + new string('s', 8192), out _, out _));
    }

    [Fact]
    public void Any_identifier_and_secret_survive() => Samples.Check(Samples.Text.Two(), pair =>
        pair.Item1.Length is 0 or > OAuthLimits.MaxIdentity
        || Read(BasicCredentials.Write(pair.Item1, pair.Item2), out var id, out var secret) && id == pair.Item1 && secret == pair.Item2);

    [Fact]
    public void No_text_makes_the_reader_throw() => Samples.Check(Samples.Anything, text =>
    {
        _ = BasicCredentials.TryRead(text, out _, out _);
        return !Raw(text ?? "", out var id, out var secret) || id is { Length: > 0 and <= OAuthLimits.MaxIdentity } && secret is not null && !(id + secret).Any(char.IsControl);
    });

    private static bool Read(string header, out string? id, out string? secret)
    {
        Assert.StartsWith("Basic ", header, StringComparison.Ordinal);
        return BasicCredentials.TryRead(header.AsSpan(6), out id, out secret);
    }

    private static bool Raw(string text, out string? id, out string? secret) =>
        BasicCredentials.TryRead(Convert.ToBase64String(Encoding.UTF8.GetBytes(text)), out id, out secret);
}
