using Keyreeve.Core.Keys;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Keyreeve.Tests.Client;
using Xunit;

namespace Keyreeve.Tests.Core.Tokens;

[Proves("RFC 9470", "3")]
public sealed class AuthenticationDemandTests : IDisposable
{
    private readonly Kek _kek = Samples.NewKek();
    private readonly SigningKey _key;

    public AuthenticationDemandTests() => _key = Samples.NewKey(_kek);

    public void Dispose()
    {
        _key.Dispose();
        _kek.Dispose();
    }

    [Theory]
    [InlineData(null, "3gpp:acr:password", false)]
    [InlineData("unknown", "3gpp:acr:password", false)]
    [InlineData("3gpp:acr:password", "3gpp:acr:password", true)]
    [InlineData("3gpp:acr:password", "urn:keyreeve:acr:two-factor", false)]
    [InlineData("3gpp:acr:password", "phr urn:keyreeve:acr:two-factor", false)]
    [InlineData("urn:keyreeve:acr:two-factor", "phr urn:keyreeve:acr:two-factor", true)]
    [InlineData("urn:keyreeve:acr:two-factor", "phr", false)]
    [InlineData("phr", "urn:keyreeve:acr:two-factor", true)]
    [InlineData("phr", "phr", true)]
    [InlineData("3gpp:acr:password", "", true)]
    public void A_class_is_met_by_itself_and_by_stronger_ones(string? acr, string demanded, bool met)
    {
        var refusal = new AuthenticationDemand(demanded.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Judge(Token(acr), Samples.Now);
        Assert.Equal(met ? null : RefusalCode.InsufficientAuthentication, refusal?.Code);
    }

    [Theory]
    [InlineData(60, true)]
    [InlineData(10, true)]
    [InlineData(9, false)]
    [InlineData(0, false)]
    public void A_login_is_as_old_as_its_auth_time(int maxAge, bool met)
    {
        var demand = new AuthenticationDemand([], TimeSpan.FromSeconds(maxAge));
        // Samples.Login was ten seconds ago.
        Assert.Equal(met, demand.Judge(Token(AuthenticationClass.Password), Samples.Now) is null);
        Assert.NotNull(demand.Judge(Token(null), Samples.Now));
    }

    [Fact]
    public void A_client_that_speaks_for_itself_has_no_login() =>
        Assert.Null(new AuthenticationDemand([AuthenticationClass.PhishingResistant], TimeSpan.Zero).Judge(Token(null, "sim-c"), Samples.Now));

    private VerifiedToken Token(string? acr, string subject = "u-1")
    {
        var claims = TokenMinterTests.Full with { Subject = subject, Authentication = acr is null ? null : Samples.Login with { Acr = acr } };
        var verifier = new TokenVerifier(Samples.Issuer, () => new KeyRing([_key]), () => RevocationList.Empty, new SetClock(Samples.Now), TimeSpan.Zero);
        return Samples.Granted(verifier.Verify(new TokenMinter(Samples.Issuer).Mint(claims, _key), null));
    }
}
