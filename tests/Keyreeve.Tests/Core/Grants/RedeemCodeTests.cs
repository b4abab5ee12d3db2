using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Grants;

using Client = Keyreeve.Core.Identity.Client;

[Proves("TS 33.434", "A.4.2.4")]
public sealed class RedeemCodeTests
{
    private static readonly OpaqueToken Code = OpaqueToken.Generate();

    private static readonly AuthorizationCode Row = new()
    {
        Hash = Code.Hash,
        ClientId = Samples.ClientId,
        Subject = Samples.User.Subject,
        RedirectUri = Samples.Redirect,
        RedirectUriSent = true,
        Challenge = Samples.Challenge,
        Scope = Samples.Scopes("openid val:a"),
        Authentication = Samples.Login,
        GrantId = "grantgrantgrantgrant22",
        SessionId = "sid",
        ExpiresAt = Samples.Now.ToUnixTimeSeconds() + 60,
    };

    private static readonly RedeemCode.Request Good = new(Code, Samples.Redirect, Samples.Verifier);

    private static AuthorizationCode Redeemed => Row with { RedeemedAt = Samples.Now.ToUnixTimeSeconds() };

    [Fact]
    public void The_right_client_with_the_right_verifier_gets_what_was_granted() => Assert.Same(Row, Samples.Granted(Decide(Good, Row)));

    [Fact]
    public void A_code_lives_until_its_end_and_not_a_second_longer()
    {
        Samples.Granted(Decide(Good, Row, now: Samples.Now.AddSeconds(59.999)));
        Samples.Refused(RefusalCode.CodeExpired, Decide(Good, Row, now: Samples.Now.AddSeconds(60)));
    }

    [Fact]
    public void A_second_use_is_a_replay_even_after_the_end()
    {
        Samples.Refused(RefusalCode.CodeReplayed, Decide(Good, Redeemed));
        Samples.Refused(RefusalCode.CodeReplayed, Decide(Good, Redeemed, now: Samples.Now.AddMinutes(5)));
        // Who has the code alone (from a log, a history) could not have redeemed it, and does not end the grant by trying.
        Samples.Refused(RefusalCode.VerifierMismatch, Decide(Good with { Verifier = null }, Redeemed));
        Samples.Refused(RefusalCode.CodeReplayed, Decide(Good, Redeemed, user: Samples.User with { Disabled = true }));
    }

    [Fact]
    public void A_replay_by_another_client_is_no_replay()
    {
        // Else a leaked code would be a way to log users out.
        var other = Samples.Client with { ClientId = "other" };
        Samples.Refused(RefusalCode.CodeOfAnotherClient, Decide(Good, Redeemed, other));
        Samples.Refused(RefusalCode.CodeOfAnotherClient, Decide(Good, Row, other));
        Samples.Refused(RefusalCode.CodeOfAnotherClient, Decide(Good, Row, Samples.Client with { ClientId = "SIM-C" }));
        Samples.Refused(RefusalCode.CodeOfAnotherClient, Decide(Good, Redeemed, other, now: Samples.Now.AddMinutes(5)));
    }

    [Fact]
    public void An_unknown_code_is_refused() => Samples.Refused(RefusalCode.CodeUnknown, Decide(Good, null));

    [Theory]
    [InlineData("https://client.example/cb/")]
    [InlineData("https://CLIENT.example/cb")]
    [InlineData("https://evil.example/cb")]
    [InlineData(null)]
    public void The_redirect_uri_must_be_repeated_as_it_was(string? redirectUri)
    {
        Samples.Refused(RefusalCode.RedirectUriMismatch, Decide(Good with { RedirectUri = redirectUri }, Row));
        Samples.Refused(RefusalCode.RedirectUriMismatch, Decide(Good with { RedirectUri = redirectUri, Verifier = null }, Row with { Challenge = null }, Samples.PlainClient));
    }

    [Fact]
    public void A_loopback_port_is_bound_to_the_code()
    {
        var row = Row with { RedirectUri = "http://127.0.0.1:8400/cb" };
        Samples.Granted(Decide(Good with { RedirectUri = "http://127.0.0.1:8400/cb" }, row));
        Samples.Refused(RefusalCode.RedirectUriMismatch, Decide(Good with { RedirectUri = "http://127.0.0.1:8401/cb" }, row));
    }

    [Fact]
    public void The_redirect_uri_may_be_left_out_where_it_was_left_out_or_pkce_stands_for_it()
    {
        Samples.Granted(Decide(Good with { RedirectUri = null }, Row, Samples.PlainClient));
        Samples.Granted(Decide(Good with { RedirectUri = null, Verifier = null }, Row with { Challenge = null, RedirectUriSent = false }, Samples.PlainClient));
        Samples.Granted(Decide(Good, Row with { RedirectUriSent = false }, Samples.PlainClient));
        Samples.Refused(RefusalCode.RedirectUriMismatch, Decide(Good with { RedirectUri = "https://evil.example/cb" }, Row with { RedirectUriSent = false }, Samples.PlainClient));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK")]
    [InlineData(Samples.Challenge)]
    [Proves("RFC 7636", "4.6")]
    public void A_verifier_that_does_not_fit_is_refused(string? verifier) => Samples.Refused(RefusalCode.VerifierMismatch, Decide(Good with { Verifier = verifier }, Row));

    [Fact]
    [Proves("RFC 7636", "4.6")]
    public void A_verifier_for_a_code_without_challenge_is_the_downgrade_attack()
    {
        Samples.Refused(RefusalCode.VerifierMismatch, Decide(Good, Row with { Challenge = null }));
        Samples.Granted(Decide(Good with { Verifier = null }, Row with { Challenge = null }));
        Samples.Refused(RefusalCode.VerifierMismatch, Decide(Good, Row with { Challenge = "damaged" }));
    }

    [Fact]
    public void A_user_who_was_switched_off_a_second_ago_gets_nothing()
    {
        Samples.Refused(RefusalCode.UserUnavailable, Decide(Good, Row, user: Samples.User with { Disabled = true }));
        Assert.False(RedeemCode.Decide(Good, Samples.Authenticated(Samples.Client), Row, null, Samples.Now).Succeeded(out _, out var refusal));
        Assert.Equal(RefusalCode.UserUnavailable, refusal.Code);
    }

    [Fact]
    public void All_refusals_of_a_code_tell_the_peer_the_same()
    {
        var texts = new[]
        {
            Decide(Good, null), Decide(Good, Redeemed), Decide(Good, Row, Samples.Client with { ClientId = "other" }), Decide(Good, Row, now: Samples.Now.AddHours(1)),
            Decide(Good with { Verifier = null }, Row), Decide(Good with { RedirectUri = null }, Row), Decide(Good, Row, user: Samples.User with { Disabled = true }),
        }.Select(outcome =>
        {
            Assert.False(outcome.Succeeded(out _, out var refusal));
            return refusal.Peer;
        });
        Assert.Single(texts.Distinct());
    }

    [Theory]
    [InlineData("redirect_uri=x&code_verifier=y", "code", RefusalCode.MissingParameter)]
    [InlineData("code=&redirect_uri=x&code_verifier=y", "code", RefusalCode.MissingParameter)]
    [InlineData("code=CODE&code_verifier=y", "redirect_uri", RefusalCode.MissingParameter)]
    [InlineData("code=CODE&redirect_uri=x", "code_verifier", RefusalCode.MissingParameter)]
    [InlineData("code=CODE&code=CODE&redirect_uri=x&code_verifier=y", "code", RefusalCode.MissingParameter)]
    [InlineData("code=short&redirect_uri=x&code_verifier=y", null, RefusalCode.CodeUnknown)]
    public void The_form_must_hold_what_the_table_asks_for(string form, string? param, RefusalCode code) =>
        Assert.Equal(param, Samples.Refused(code, RedeemCode.Request.Read(Samples.Form(form.Replace("CODE", Code.Reveal(), StringComparison.Ordinal)), Samples.Client)).Param);

    [Fact]
    public void The_form_is_read_as_sent_and_never_printed()
    {
        var form = $"code={Code.Reveal()}&redirect_uri={Samples.Redirect}&code_verifier={Samples.Verifier}";
        var read = Samples.Granted(RedeemCode.Request.Read(Samples.Form(form), Samples.Client));
        Assert.True(read.Code.Has(Row.Hash));
        Assert.Equal((Samples.Redirect, Samples.Verifier), (read.RedirectUri, read.Verifier));
        Assert.DoesNotContain(Samples.Verifier, read.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Code.Reveal(), read.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Row.GrantId, Row.ToString(), StringComparison.Ordinal);
        Samples.Granted(RedeemCode.Request.Read(Samples.Form("code=" + Code.Reveal()), Samples.PlainClient));
    }

    [Fact]
    [Proves("TS 33.434", "A.5")]
    [Proves("TS 33.434", "5.2.3")]
    public void A_family_starts_for_a_client_that_may_refresh_only()
    {
        var first = OpaqueToken.Generate();
        Assert.Null(RedeemCode.StartFamily(Row, Samples.Client with { Grants = [GrantType.AuthorizationCode] }, first, Samples.Policy, Samples.Now));
        var family = RedeemCode.StartFamily(Row, Samples.Client, first, Samples.Policy, Samples.Now)!;
        Assert.Equal((Row.GrantId, Row.ClientId, Row.Subject, Row.Scope, Row.Authentication, Row.SessionId),
            (family.FamilyId, family.ClientId, family.Subject, family.Scope, family.Authentication, family.SessionId));
        Assert.Equal(first.Hash, family.CurrentHash);
        Assert.Equal((0, null, null, 0, 0), (family.Generation, family.PreviousHash, family.SealedSuccessor, family.Reuses, family.EndedAt));
        Assert.Equal(Samples.Now.AddDays(14).ToUnixTimeMilliseconds(), family.IdleExpiresAt);
        Assert.Equal(Samples.Now.AddDays(90).ToUnixTimeMilliseconds(), family.AbsoluteExpiresAt);
        Assert.Equal(Samples.Now.ToUnixTimeMilliseconds(), family.RotatedAt);
        var shortLived = RedeemCode.StartFamily(Row, Samples.Client, first, Samples.Policy with { RefreshAbsolute = TimeSpan.FromHours(1) }, Samples.Now)!;
        Assert.Equal(Samples.Now.AddHours(1).ToUnixTimeMilliseconds(), shortLived.IdleExpiresAt);
    }

    private static Outcome<AuthorizationCode> Decide(RedeemCode.Request asked, AuthorizationCode? row, Client? client = null, User? user = null, DateTimeOffset? now = null) =>
        RedeemCode.Decide(asked, Samples.Authenticated(client ?? Samples.Client), row, user ?? Samples.User, now ?? Samples.Now);
}
