using Keyreeve.Core.Login;
using Keyreeve.Core.Policy;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Login;

[Proves("RFC 9470", "5")]
public sealed class LoginProgressTests
{
    private static readonly LoginMethod[] All = [LoginMethod.Password, LoginMethod.Totp, LoginMethod.Passkey, LoginMethod.Recovery];

    [Fact]
    public void The_order_of_the_classes_is_total_and_an_unknown_one_is_below_all()
    {
        var ordered = AuthenticationClass.Ordered;
        for (var i = 0; i < ordered.Count; i++)
            for (var j = 0; j < ordered.Count; j++)
                Assert.Equal(i >= j, AuthenticationClass.Satisfies(ordered[i], ordered[j]));
        Assert.False(AuthenticationClass.Satisfies("phrh", AuthenticationClass.Password));
        Assert.False(AuthenticationClass.Satisfies(AuthenticationClass.PhishingResistant, "phrh"));
        Assert.False(AuthenticationClass.Satisfies("phrh", "phrh"));
        Assert.False(AuthenticationClass.Satisfies(null, AuthenticationClass.Password));
        Assert.Equal("phr", AuthenticationClass.Strongest(["phr", null, "unknown", "3gpp:acr:password"]));
        Assert.Equal("3gpp:acr:password", AuthenticationClass.Weakest(["phr", null, "unknown", "3gpp:acr:password"]));
        Assert.Null(AuthenticationClass.Strongest(["unknown", null]));
    }

    [Theory]
    [InlineData("password", "password", null, "3gpp:acr:password/pwd")]
    [InlineData("password", "password passkey", null, "3gpp:acr:password/pwd")]
    [InlineData("password", "password totp recovery", null, "next: totp recovery")]
    [InlineData("password", "password totp passkey", null, "next: totp passkey")]
    [InlineData("password totp", "password totp", null, "urn:keyreeve:acr:two-factor/pwd otp mfa")]
    [InlineData("password recovery", "password totp", null, "urn:keyreeve:acr:two-factor/pwd otp mfa")]
    [InlineData("passkey", "password totp passkey", null, "phr/pop user mfa")]
    [InlineData("password", "password passkey", "phr", "next: passkey")]
    [InlineData("password", "password passkey", "urn:keyreeve:acr:two-factor", "next: passkey")]
    [InlineData("password passkey", "password passkey", "phr", "phr/pwd pop user mfa")]
    [InlineData("password totp", "password totp passkey", "phr", "next: passkey")]
    // Out of reach: what can be reached is reached, and whoever demanded more looks again.
    [InlineData("password", "password", "phr", "3gpp:acr:password/pwd")]
    [InlineData("password", "password totp", "phr", "next: totp")]
    [InlineData("password totp", "password totp", "phr", "urn:keyreeve:acr:two-factor/pwd otp mfa")]
    // A second factor begins no login.
    [InlineData("totp", "password totp", null, "nothing")]
    [InlineData("recovery password", "password recovery", null, "nothing")]
    [InlineData("", "password", null, "nothing")]
    [Proves("RFC 8176", "2")]
    public void What_comes_next_follows_from_what_was_shown_what_is_owned_and_what_is_demanded(string done, string owned, string? demanded, string expected)
    {
        Assert.Equal(expected, LoginProgress.Decide(Methods(done), Methods(owned), demanded) switch
        {
            LoginProgress.Complete c => $"{c.Acr}/{c.Amr}",
            LoginProgress.AskNext n => "next: " + string.Join(' ', n.Methods.Select(m => m.Id)),
            _ => "nothing",
        });
    }

    [Theory]
    [InlineData("password", null, "3gpp:acr:password")]
    [InlineData("password totp", null, "urn:keyreeve:acr:two-factor")]
    [InlineData("totp", null, null)]
    [InlineData("totp", "3gpp:acr:password", "urn:keyreeve:acr:two-factor")]
    [InlineData("passkey", null, "phr")]
    [InlineData("", "3gpp:acr:password", "3gpp:acr:password")]
    public void Reachable_is_the_strongest_class_of_what_a_user_has(string owned, string? reached, string? expected) =>
        Assert.Equal(expected, LoginProgress.Reachable(Methods(owned), reached));

    private static LoginMethod[] Methods(string ids) => [.. ids.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(id => All.Single(m => m.Id == id))];
}
