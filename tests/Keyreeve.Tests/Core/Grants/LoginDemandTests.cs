using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Grants;

using Client = Keyreeve.Core.Identity.Client;

[Proves("RFC 9470", "5")]
public sealed class LoginDemandTests
{
    private const string Two = AuthenticationClass.TwoFactor;
    private const string Phr = AuthenticationClass.PhishingResistant;
    private const string Pwd = AuthenticationClass.Password;

    private static readonly ScopeCatalogue Catalogue = new(Samples.Issuer,
    [
        new ValService { ServiceId = "a", Name = "A", Audience = "https://a.example" },
        new ValService { ServiceId = "b", Name = "B", Audience = "https://b.example", AcrValues = [Phr, Two] },
    ]);

    [Theory]
    [InlineData("openid val:a", null, "", Pwd)]
    [InlineData("openid val:a val:b", null, "", Two)]
    [InlineData("val:b", Phr, "", Phr)]
    [InlineData("openid", Two, "", Two)]
    [InlineData("openid val:b", Pwd, "", Two)]
    [InlineData("openid", null, "&claims=%7B%22id_token%22:%7B%22acr%22:%7B%22essential%22:true,%22values%22:[%22phr%22]%7D%7D%7D", Phr)]
    [InlineData("openid", null, "&claims=%7B%22id_token%22:%7B%22acr%22:%7B%22essential%22:true,%22value%22:%22" + Two + "%22%7D%7D%7D", Two)]
    [InlineData("openid", null, "&claims=%7B%22id_token%22:%7B%22acr%22:%7B%22values%22:[%22phr%22]%7D%7D%7D", Pwd)]
    [InlineData("openid", null, "&claims=%7B%22id_token%22:%7B%22acr%22:null%7D%7D", Pwd)]
    [InlineData("openid", null, "&claims=%7B%22userinfo%22:null%7D", Pwd)]
    [Proves("OpenID Connect Core 1.0", "5.5.1.1")]
    public void The_strongest_demand_counts(string scope, string? minimum, string more, string expected) =>
        Assert.Equal(expected, Of(scope, minimum, more).Required);

    [Theory]
    [InlineData("%7B%22id_token%22:%7B%22acr%22:%7B%22essential%22:true,%22value%22:%22loa9%22%7D%7D%7D", RefusalCode.UnmetAuthentication)]
    [InlineData("[]", RefusalCode.InvalidParameter)]
    [InlineData("%7B", RefusalCode.InvalidParameter)]
    [InlineData("%7B%22id_token%22:1,%22id_token%22:2%7D", RefusalCode.InvalidParameter)]
    [InlineData("%22\\ud800%22", RefusalCode.InvalidParameter)]
    public void An_essential_class_that_is_unknown_and_broken_claims_are_refused(string claims, RefusalCode code) =>
        Samples.Refused(code, Request("openid", null, "&claims=" + claims));

    [Theory]
    [InlineData(Pwd, Pwd, Pwd, "", "met")]
    [InlineData(Two, Pwd, Pwd, "", "unmet")]
    [InlineData(Two, Pwd, null, "", "unmet")]
    [InlineData(Two, Pwd, Phr, "", "ask! " + Two)]
    [InlineData(Two, Phr, Phr, "", "met")]
    [InlineData(Pwd, Pwd, Phr, Phr, "ask " + Phr)]
    [InlineData(Pwd, Pwd, Two, Phr, "met")]
    [InlineData(Pwd, Pwd, Two, Phr + " " + Two, "ask " + Two)]
    [InlineData(Pwd, Pwd, Phr, Phr + " " + Pwd, "met")]
    [InlineData(Pwd, "loa9", Phr, "", "ask! " + Pwd)]
    public void A_demand_is_asked_for_or_refused_and_a_wish_asked_for_or_dropped(string required, string reached, string? reachable, string wished, string expected)
    {
        var verdict = new LoginDemand(required, wished.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Judge(reached, reachable);
        Assert.Equal(expected, verdict switch
        {
            LoginDemand.Verdict.Met => "met",
            LoginDemand.Verdict.Ask ask => (ask.Demanded ? "ask! " : "ask ") + ask.Acr,
            _ => "unmet",
        });
    }

    private static LoginDemand Of(string scope, string? minimum, string more)
    {
        var request = Samples.Granted(Request(scope, minimum, more));
        return LoginDemand.Of(request, request.Scope, Catalogue);
    }

    private static Outcome<AuthorizationRequest> Request(string scope, string? minimum, string more)
    {
        var client = Samples.PlainClient with { MinimumAcr = minimum };
        var form = Samples.Form($"client_id=sim-c&redirect_uri={Samples.Redirect}&response_type=code&state=s&scope={scope.Replace(' ', '+')}"
            + $"&code_challenge={Samples.Challenge}&code_challenge_method=S256{more}");
        return AuthorizationRequest.Decide(form, Samples.Granted(AuthorizationTarget.Decide(form, client)), Catalogue);
    }
}
