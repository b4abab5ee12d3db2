using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Grants;

using Client = Keyreeve.Core.Identity.Client;

[Proves("TS 33.434", "5.2.4")]
public sealed class AuthorizationStepTests
{
    /// <summary>When the request arrived; "now" is a minute later, after pages were shown.</summary>
    private static readonly long AskedAt = Samples.Now.ToUnixTimeMilliseconds() - 60_000;

    [Fact]
    public void Nobody_logged_in_sees_the_login_page_or_login_required()
    {
        Assert.IsType<AuthorizationStep.AskLogin>(Decide("", loginAt: null));
        Assert.IsType<AuthorizationStep.AskLogin>(Decide("prompt=consent", loginAt: null));
        Assert.Equal(RefusalCode.LoginRequired, Refused(Decide("prompt=none", loginAt: null)));
    }

    [Theory]
    [InlineData("prompt=login")]
    [InlineData("prompt=select_account")]
    [InlineData("max_age=0")]
    public void A_login_is_asked_for_again_unless_it_came_after_the_request(string ask)
    {
        Assert.IsType<AuthorizationStep.AskLogin>(Decide(ask, loginAt: AskedAt - 1));
        Assert.IsType<AuthorizationStep.Issue>(Decide(ask, loginAt: AskedAt));
        Assert.IsType<AuthorizationStep.Issue>(Decide(ask, loginAt: AskedAt + 1));
        // Also when the clock was set back, so that the login seems to be still to come.
        Assert.IsType<AuthorizationStep.AskLogin>(Decide(ask, loginAt: AskedAt - 1, Given(at: AskedAt), now: Samples.Now.AddHours(-1)));
    }

    [Theory]
    [InlineData(100, 100_000, true)]
    [InlineData(100, 100_001, false)]
    [InlineData(61, 61_001, false)]
    [InlineData(2147483647, 2_000_000_000_000, true)]
    public void Max_age_is_counted_to_the_millisecond(long maxAge, long age, bool passes)
    {
        var step = Decide($"max_age={maxAge}", loginAt: Samples.Now.ToUnixTimeMilliseconds() - age);
        Assert.Equal(passes, step is AuthorizationStep.Issue);
        Assert.Equal(!passes, step is AuthorizationStep.AskLogin);
    }

    [Fact]
    public void A_login_after_the_request_is_not_asked_for_twice_however_small_max_age_is()
    {
        // It took the user a minute to consent: who asks for the login again would ask for ever.
        Assert.IsType<AuthorizationStep.Issue>(Decide("max_age=1", loginAt: AskedAt));
        Assert.IsType<AuthorizationStep.AskLogin>(Decide("max_age=1", loginAt: AskedAt - 1));
    }

    [Fact]
    public void Silent_requests_never_show_a_page()
    {
        foreach (var more in new[] { "", "&max_age=0", "&max_age=1" })
            foreach (var loginAt in new long?[] { null, AskedAt - 5000, AskedAt + 1 })
                foreach (var consent in new[] { null, Given(), Given(scope: "openid") })
                    foreach (var rule in Enum.GetValues<ConsentRule>())
                        Assert.True(Decide("prompt=none" + more, loginAt, consent, Samples.Client with { Consent = rule }) is AuthorizationStep.Refuse or AuthorizationStep.Issue);
        Assert.Equal(RefusalCode.LoginRequired, Refused(Decide("prompt=none&max_age=0", loginAt: AskedAt - 1)));
        Assert.Equal(RefusalCode.ConsentRequired, Refused(Decide("prompt=none", loginAt: AskedAt - 1, consent: null)));
        Assert.Equal(RefusalCode.ConsentRequired, Refused(Decide("prompt=none", loginAt: AskedAt - 1, consent: Given(at: AskedAt - 1), client: Samples.Client with { Consent = ConsentRule.Always })));
    }

    public static TheoryData<ConsentRule, bool, string, string?, long, bool> Consents => new()
    {
        // rule, public client, prompt, scope consented to, given how long after the request, asked?
        { ConsentRule.Remember, false, "", null, 0, true },
        { ConsentRule.Remember, false, "", "openid val:a", -1_000_000, false },
        { ConsentRule.Remember, false, "", "val:a profile openid", -1, false },
        { ConsentRule.Remember, false, "", "openid", -1, true },
        { ConsentRule.Remember, false, "", "openid", 1, true },
        { ConsentRule.Remember, false, "prompt=consent", "openid val:a", -1, true },
        { ConsentRule.Remember, false, "prompt=consent", "openid val:a", 0, false },
        { ConsentRule.Remember, false, "prompt=consent", "openid", 1, true },
        { ConsentRule.Remember, true, "", "openid val:a", -1, true },
        { ConsentRule.Remember, true, "", "openid val:a", 0, false },
        { ConsentRule.Remember, true, "", null, 0, true },
        { ConsentRule.Always, false, "", "openid val:a", -1, true },
        { ConsentRule.Always, false, "", "openid val:a", 0, false },
        { ConsentRule.Always, false, "", "openid", 0, true },
        { ConsentRule.Always, false, "", null, 0, true },
        { ConsentRule.Implied, false, "", null, 0, false },
        { ConsentRule.Implied, false, "prompt=consent", null, 0, true },
        { ConsentRule.Implied, false, "prompt=consent", "openid val:a", 0, false },
    };

    [Theory]
    [MemberData(nameof(Consents))]
    public void Consent_is_asked_for_by_rule_prompt_and_what_was_given(ConsentRule rule, bool isPublic, string prompt, string? scope, long after, bool asked)
    {
        var client = Samples.Client with { Consent = rule, AuthMethods = isPublic ? [ClientAuthMethod.None] : Samples.Client.AuthMethods };
        var step = Decide(prompt, AskedAt - 1, scope is null ? null : Given(scope, AskedAt + after), client);
        if (asked)
            Assert.Equal("openid val:a", Assert.IsType<AuthorizationStep.AskConsent>(step).Scope.Text);
        else
            Assert.Equal("openid val:a", Assert.IsType<AuthorizationStep.Issue>(step).Scope.Text);
    }

    [Fact]
    public void The_consent_of_another_user_or_to_another_client_is_none()
    {
        Assert.IsType<AuthorizationStep.Issue>(Decide("", AskedAt - 1, Given()));
        Assert.IsType<AuthorizationStep.AskConsent>(Decide("", AskedAt - 1, Given() with { Subject = "u-BBBBBBBBBBBBBBBBBBBBBB" }));
        Assert.IsType<AuthorizationStep.AskConsent>(Decide("", AskedAt - 1, Given() with { ClientId = "other" }));
    }

    [Fact]
    [Proves("TS 33.434", "5.2.6")]
    public void Scopes_that_the_user_does_not_have_are_neither_asked_for_nor_issued()
    {
        var issued = Assert.IsType<AuthorizationStep.Issue>(Decide("scope=openid val:a val:b keyreeve.admin", AskedAt - 1, Given("openid val:a")));
        Assert.Equal("openid val:a", issued.Scope.Text);
        var asked = Assert.IsType<AuthorizationStep.AskConsent>(Decide("scope=val:b openid val:a", AskedAt - 1, null));
        Assert.Equal("openid val:a", asked.Scope.Text);
    }

    [Theory]
    [InlineData("val:b")]
    [InlineData("keyreeve.admin")]
    [InlineData("val:b keyreeve.admin")]
    [InlineData(" ")]
    [Proves("TS 33.434", "5.2.6")]
    public void When_no_scope_is_left_the_answer_is_a_refusal(string scope) =>
        Assert.Equal(RefusalCode.ScopeNotAllowed, Refused(Decide("scope=" + scope, AskedAt - 1, Given(), Samples.PlainClient)));

    private static Consent Given(string scope = "openid val:a", long? at = null) => new(Samples.User.Subject, Samples.ClientId, Samples.Scopes(scope), at ?? AskedAt - 1000);

    private static RefusalCode Refused(AuthorizationStep step)
    {
        var reason = Assert.IsType<AuthorizationStep.Refuse>(step).Reason;
        return Samples.Refused(reason.Code, (Outcome<string>)reason).Code;
    }

    private static AuthorizationStep Decide(string ask, long? loginAt) => Decide(ask, loginAt, Given(at: AskedAt));

    private static AuthorizationStep Decide(string ask, long? loginAt, Consent? consent, Client? client = null, DateTimeOffset? now = null)
    {
        client ??= Samples.Client;
        var form = Samples.Form($"client_id=sim-c&redirect_uri={Samples.Redirect}&response_type=code&state=s&acr_values=3gpp:acr:password"
            + $"&code_challenge={Samples.Challenge}&code_challenge_method=S256&{(ask.StartsWith("scope=", StringComparison.Ordinal) ? "" : "scope=openid+val:a&")}{ask}");
        var request = Samples.Granted(AuthorizationRequest.Decide(form, Samples.Granted(AuthorizationTarget.Decide(form, client)), Samples.Catalogue));
        return AuthorizationStep.Decide(request, loginAt is null ? null : Samples.LoggedIn(Samples.User, loginAt.Value), consent, Samples.Catalogue, AskedAt, now ?? Samples.Now);
    }
}
