using System.Security.Cryptography;
using System.Text.Json;
using Keyreeve.Core.Tokens;
using Xunit;
using Fuzz = Keyreeve.Tests.Wire.OAuth.Samples;

namespace Keyreeve.Tests.Core.Tokens;

public sealed class OpaqueTokenTests
{
    [Fact]
    public void A_token_is_read_back_and_has_its_own_hash_only()
    {
        var token = OpaqueToken.Generate();
        Assert.True(OpaqueToken.TryRead(token.Reveal(), out var read));
        Assert.Equal(token.Hash, read.Hash);
        Assert.Equal(SHA256.HashData(System.Buffers.Text.Base64Url.DecodeFromChars(token.Reveal())), token.Hash);
        Assert.True(read.Has(token.Hash));
        Assert.False(OpaqueToken.Generate().Has(token.Hash));
        Assert.False(token.Has([]));
        Assert.False(token.Has(token.Hash.AsSpan(0, 31)));
    }

    [Fact]
    public void Tokens_differ_and_have_the_alphabet_of_appendix_A()
    {
        var all = Enumerable.Range(0, 1000).Select(_ => OpaqueToken.Generate().Reveal()).ToHashSet();
        Assert.Equal(1000, all.Count);
        Assert.All(all, text => Assert.Matches("^[A-Za-z0-9_-]{43}$", text));
    }

    [Fact]
    public void A_code_is_found_by_its_second_and_its_hash_and_the_rest_is_random()
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(0x6a0b1c2d);
        var codes = Enumerable.Range(0, 1000).Select(_ => OpaqueToken.GenerateAt(now)).ToList();
        Assert.All(codes, code =>
        {
            var octets = System.Buffers.Text.Base64Url.DecodeFromChars(code.Reveal());
            Assert.Equal("6a0b1c2d", Convert.ToHexStringLower(octets.AsSpan(0, 4)));
            Assert.Equal([.. octets.AsSpan(0, 4), .. SHA256.HashData(octets)], code.Key);
            Assert.True(OpaqueToken.TryRead(code.Reveal(), out var read));
            Assert.Equal(code.Key, read.Key);
        });
        // Each octet behind the time takes many values: none of them is fixed.
        for (var place = 4; place < 32; place++)
            Assert.True(codes.Select(code => System.Buffers.Text.Base64Url.DecodeFromChars(code.Reveal())[place]).Distinct().Count() > 100);
    }

    [Fact]
    public void A_time_before_1970_or_after_2106_still_makes_a_code()
    {
        foreach (var now in (DateTimeOffset[])[DateTimeOffset.MinValue, DateTimeOffset.MaxValue, DateTimeOffset.FromUnixTimeSeconds(-1)])
            Assert.Equal(36, OpaqueToken.GenerateAt(now).Key.Length);
    }

    [Fact]
    public void A_token_never_prints_itself()
    {
        var token = OpaqueToken.Generate();
        Assert.Equal("token " + Convert.ToHexStringLower(token.Hash.AsSpan(0, 4)), token.ToString());
        Assert.DoesNotContain(token.Reveal(), JsonSerializer.Serialize(token), StringComparison.Ordinal);
    }

    [Fact]
    public void One_value_has_one_spelling()
    {
        var text = OpaqueToken.Generate().Reveal();
        // The last character carries two bits that mean nothing: only one of four spellings is the token.
        const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        var last = Alphabet.IndexOf(text[42], StringComparison.Ordinal);
        foreach (var other in Enumerable.Range(1, 3))
            Assert.False(OpaqueToken.TryRead(text[..42] + Alphabet[last ^ other], out _));
        foreach (var bad in new[] { "", text[..42], text + "A", text + "=", " " + text[1..], text[..42] + "+", text[..42] + "é", text[..42] + "\n" })
            Assert.False(OpaqueToken.TryRead(bad, out _), bad);
    }

    [Fact]
    public void A_derived_key_belongs_to_token_and_label()
    {
        var token = OpaqueToken.Generate();
        Assert.Equal(token.DeriveKey("a"), token.DeriveKey("a"));
        Assert.NotEqual(token.DeriveKey("a"), token.DeriveKey("b"));
        Assert.NotEqual(token.DeriveKey("a"), OpaqueToken.Generate().DeriveKey("a"));
        Assert.NotEqual(token.DeriveKey("a"), token.Hash);
    }

    [Fact]
    public void No_text_makes_the_readers_throw() => Fuzz.Check(Fuzz.Anything, text =>
        (!OpaqueToken.TryRead(text, out var token) || token.Reveal() == text) && (!RefreshToken.TryRead(text ?? "", out var refresh) || refresh.Reveal() == text));
}
