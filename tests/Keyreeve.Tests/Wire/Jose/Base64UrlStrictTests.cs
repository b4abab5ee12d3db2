using FsCheck;
using FsCheck.Fluent;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class Base64UrlStrictTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("Zg", "f")]
    [InlineData("Zm8", "fo")]
    [InlineData("Zm9v", "foo")]
    [InlineData("Zm9vYg", "foob")]
    [InlineData("Zm9vYmE", "fooba")]
    [InlineData("Zm9vYmFy", "foobar")]
    [Proves("RFC 7515", "2")]
    [Proves("RFC 4648", "3.5")]
    public void The_examples_of_rfc_4648_decode_without_padding(string encoded, string text)
    {
        Assert.True(Base64UrlStrict.TryDecode(encoded, out byte[]? bytes));
        Assert.Equal(TestTokens.Utf8(text), bytes);
        Assert.True(Base64UrlStrict.TryDecode(TestTokens.Utf8(encoded), out bytes));
        Assert.Equal(TestTokens.Utf8(text), bytes);
        Assert.Equal(encoded, Base64UrlStrict.Encode(TestTokens.Utf8(text)));
    }

    [Theory]
    [InlineData("Z")]
    [InlineData("Zm9vY")]
    [InlineData("Zg==")]
    [InlineData("Zm8=")]
    [InlineData("Zh")]
    [InlineData("Zm9")]
    [InlineData("Zm 9v")]
    [InlineData("Zm9v\n")]
    [InlineData(" ")]
    [InlineData("Zm9+")]
    [InlineData("Zm9/")]
    [InlineData("Zm9%")]
    [InlineData("Zm9é")]
    [InlineData("\0\0\0\0")]
    [Proves("RFC 4648", "3.5")]
    public void Every_other_spelling_is_refused(string encoded)
    {
        Assert.False(Base64UrlStrict.TryDecode(encoded, out byte[]? bytes));
        Assert.Null(bytes);
        Assert.False(Base64UrlStrict.TryDecode(TestTokens.Utf8(encoded), out _));
    }

    [Fact]
    [Proves("RFC 4648", "3.5")]
    public void Bytes_come_back_and_text_has_one_spelling()
    {
        Prop.ForAll<byte[]>(bytes => Base64UrlStrict.TryDecode(Base64UrlStrict.Encode(bytes), out byte[]? back) && bytes.SequenceEqual(back))
            .QuickCheckThrowOnFailure();
        Gen<string> nearly = Gen.Elements("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ ".ToCharArray())
            .ArrayOf().Select(characters => new string(characters));
        Prop.ForAll(nearly.ToArbitrary(), text => !Base64UrlStrict.TryDecode(text, out byte[]? bytes) || Base64UrlStrict.Encode(bytes) == text)
            .QuickCheckThrowOnFailure();
    }
}
