using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Wire.OAuth;

public sealed class PkceChallengeTests
{
    private const string Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    private const string Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    [Fact]
    [Proves("RFC 7636", "4.2")]
    [Proves("RFC 7636", "4.6")]
    public void The_pair_of_appendix_B_fits()
    {
        Assert.Equal(Challenge, PkceChallenge.Of(Verifier).Value);
        Assert.True(PkceChallenge.TryRead(Challenge, out var challenge));
        Assert.True(challenge.IsMetBy(Verifier));
    }

    [Fact]
    [Proves("RFC 7636", "4.6")]
    public void A_verifier_with_anything_changed_does_not_fit()
    {
        Assert.True(PkceChallenge.TryRead(Challenge, out var challenge));
        for (var i = 0; i < Verifier.Length; i++)
            Assert.False(challenge.IsMetBy(Verifier[..i] + (Verifier[i] == 'a' ? 'b' : 'a') + Verifier[(i + 1)..]));
        Assert.False(challenge.IsMetBy(Verifier + "a"));
        Assert.False(challenge.IsMetBy(""));
    }

    [Fact]
    [Proves("RFC 7636", "4.6")]
    public void A_plain_challenge_is_not_met_by_itself()
    {
        // Whoever saw the challenge in the authorization request must not be able to present it.
        Assert.True(PkceChallenge.TryRead(Challenge, out var challenge));
        Assert.False(challenge.IsMetBy(Challenge));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c")]
    [InlineData("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=")]
    [InlineData("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")]
    [InlineData("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cé")]
    [InlineData("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN")] // bits that stand for nothing are set: no hash encodes so
    [Proves("RFC 7636", "4.2")]
    public void What_is_not_the_base64url_of_32_octets_is_no_challenge(string? text) => Assert.False(PkceChallenge.TryRead(text, out _));

    [Fact]
    [Proves("RFC 7636", "4.1")]
    public void A_verifier_has_43_to_128_unreserved_characters()
    {
        Assert.False(PkceChallenge.IsVerifier(new string('a', 42)));
        Assert.True(PkceChallenge.IsVerifier(new string('a', 43)));
        Assert.True(PkceChallenge.IsVerifier(new string('a', 128)));
        Assert.False(PkceChallenge.IsVerifier(new string('a', 129)));
        for (var c = '\0'; c < 0x100; c++)
            Assert.Equal(char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~', PkceChallenge.IsVerifier(new string('a', 42) + c));
    }

    [Fact]
    [Proves("RFC 7636", "4.1")]
    public void A_verifier_outside_the_charset_never_fits()
    {
        // Beyond ASCII all characters look alike to the hash: they must not get that far.
        var guess = new string('é', 43);
        Assert.False(PkceChallenge.Of(new string('?', 43)).IsMetBy(guess));
        Assert.False(PkceChallenge.Of("short").IsMetBy("short"));
    }

    [Fact]
    [Proves("RFC 7636", "4.6")]
    public void No_text_makes_the_readers_throw() => Samples.Check(Samples.Anything, text =>
        !PkceChallenge.TryRead(text, out var challenge) && (text is null || !PkceChallenge.IsVerifier(text) || PkceChallenge.Of(text).IsMetBy(text)) || challenge is not null);
}
