using Keyreeve.Core.Grants;
using Keyreeve.Core.Refusals;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Core.Grants;

using Client = Keyreeve.Core.Identity.Client;

[Proves("RFC 6749", "4.4")]
public sealed class ClientCredentialsTests
{
    [Theory]
    [InlineData("val:a", "val:a")]
    [InlineData("seal:key_management val:b", "seal:key_management val:b")]
    [InlineData("", "seal:key_management val:a val:b")]
    [InlineData(" ", "seal:key_management val:a val:b")]
    public void A_client_gets_what_is_in_its_registration(string asked, string granted) => Assert.Equal(granted, Samples.Granted(Decide(asked)).Text);

    [Theory]
    [InlineData("openid")]
    [InlineData("val:a openid")]
    [InlineData("profile")]
    [InlineData("keyreeve.admin")]
    [InlineData("val:a keyreeve.admin")]
    [InlineData("keyreeve.audit.read")]
    [InlineData("seal:group_management")]
    [InlineData("val:c")]
    [InlineData("VAL:a")]
    [InlineData("unknown")]
    public void Anything_else_is_refused_whole(string asked) => Assert.Equal("scope", Samples.Refused(RefusalCode.ScopeNotAllowed, Decide(asked)).Param);

    [Fact]
    public void A_registered_scope_that_no_longer_exists_is_not_granted()
    {
        var client = Samples.Client with { Scopes = Samples.Scopes("val:gone val:a openid keyreeve.admin") };
        Assert.Equal("val:a", Samples.Granted(Decide("", client)).Text);
        Samples.Refused(RefusalCode.ScopeNotAllowed, Decide("val:gone", client));
    }

    [Fact]
    public void Without_a_scope_for_this_grant_there_is_nothing_to_grant()
    {
        foreach (var scopes in new[] { "", "openid profile", "keyreeve.admin", "unknown" })
            Assert.Null(Samples.Refused(RefusalCode.ScopeNotAllowed, Decide("", Samples.Client with { Scopes = Samples.Scopes(scopes) })).Param);
    }

    private static Outcome<ScopeList> Decide(string asked, Client? client = null) =>
        ClientCredentials.Decide(Samples.Scopes(asked), Samples.Authenticated(client ?? Samples.Client), Samples.Catalogue);
}
