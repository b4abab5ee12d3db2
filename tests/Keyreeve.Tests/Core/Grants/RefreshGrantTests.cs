using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Core.Grants;

using Client = Keyreeve.Core.Identity.Client;

[Proves("TS 33.434", "A.5")]
public sealed class RefreshGrantTests
{
    private const string FamilyId = "familyfamilyfamilyfami";

    private static readonly RefreshToken First = new(FamilyId, OpaqueToken.Generate());

    private static readonly RefreshFamily Started = new()
    {
        FamilyId = FamilyId,
        ClientId = Samples.ClientId,
        Subject = Samples.User.Subject,
        Scope = Samples.Scopes("openid val:a seal:key_management"),
        Authentication = Samples.Login,
        Generation = 0,
        CurrentHash = First.Secret.Hash,
        RotatedAt = Samples.Now.ToUnixTimeMilliseconds(),
        IdleExpiresAt = Samples.Now.AddDays(14).ToUnixTimeMilliseconds(),
        AbsoluteExpiresAt = Samples.Now.AddDays(90).ToUnixTimeMilliseconds(),
    };

    [Fact]
    public void The_current_token_is_rotated()
    {
        var fresh = OpaqueToken.Generate();
        var later = Samples.Now.AddDays(1);
        var decision = Samples.Granted(Decide(First, Started, fresh: fresh, now: later));
        Assert.True(decision.Rotated);
        Assert.Equal((FamilyId, fresh.Reveal()), (decision.Token.FamilyId, decision.Token.Secret.Reveal()));
        Assert.Equal("openid val:a seal:key_management", decision.Scope.Text);
        var family = decision.Family;
        Assert.Equal((1, 0, 0, later.ToUnixTimeMilliseconds(), later.AddDays(14).ToUnixTimeMilliseconds(), Started.AbsoluteExpiresAt),
            (family.Generation, family.Reuses, family.EndedAt, family.RotatedAt, family.IdleExpiresAt, family.AbsoluteExpiresAt));
        Assert.Equal(fresh.Hash, family.CurrentHash);
        Assert.Equal(First.Secret.Hash, family.PreviousHash);
        Assert.Equal((Started.ClientId, Started.Subject, Started.Scope, Started.Authentication), (family.ClientId, family.Subject, family.Scope, family.Authentication));
    }

    [Fact]
    public void The_one_before_it_gets_the_same_successor_within_the_grace()
    {
        var (second, family) = Rotate(First, Started, Samples.Now);
        foreach (var seconds in new[] { 0, 0.001, 30, 60 })
        {
            var decision = Samples.Granted(Decide(First, family, now: Samples.Now.AddSeconds(seconds)));
            Assert.False(decision.Rotated);
            Assert.Equal(second.Reveal(), decision.Token.Reveal());
            Assert.Same(family, decision.Family);
        }
        Samples.Granted(Decide(second, family));
    }

    [Fact]
    public void After_the_grace_it_is_theft()
    {
        var (second, family) = Rotate(First, Started, Samples.Now);
        Samples.Refused(RefusalCode.RefreshReplayed, Decide(First, family, now: Samples.Now.AddMilliseconds(60_001)));
        Samples.Granted(Decide(second, family, now: Samples.Now.AddMilliseconds(60_001)));
    }

    [Fact]
    public void At_the_limit_of_reuse_it_is_theft()
    {
        var (_, family) = Rotate(First, Started, Samples.Now);
        Samples.Granted(Decide(First, family with { Reuses = 9 }));
        Samples.Refused(RefusalCode.RefreshReplayed, Decide(First, family with { Reuses = 10 }));
        Samples.Refused(RefusalCode.RefreshReplayed, Decide(First, family with { Reuses = 11 }));
    }

    [Fact]
    public void A_rotation_starts_the_count_of_reuse_anew()
    {
        var (second, family) = Rotate(First, Started, Samples.Now);
        var (_, again) = Rotate(second, family with { Reuses = 9 }, Samples.Now.AddSeconds(10));
        Assert.Equal((0, 2), (again.Reuses, again.Generation));
    }

    [Fact]
    public void An_older_generation_or_a_guess_is_theft_at_any_time()
    {
        var (second, family) = Rotate(First, Started, Samples.Now);
        var (_, third) = Rotate(second, family, Samples.Now);
        Samples.Refused(RefusalCode.RefreshReplayed, Decide(First, third));
        Samples.Refused(RefusalCode.RefreshReplayed, Decide(new RefreshToken(FamilyId, OpaqueToken.Generate()), Started));
        Samples.Refused(RefusalCode.RefreshReplayed, Decide(new RefreshToken(FamilyId, OpaqueToken.Generate()), third));
    }

    [Fact]
    public void A_family_that_was_ended_stays_ended()
    {
        var (second, family) = Rotate(First, Started, Samples.Now);
        foreach (var token in new[] { First, second, new RefreshToken(FamilyId, OpaqueToken.Generate()) })
            Samples.Refused(RefusalCode.RefreshUnknown, Decide(token, family with { EndedAt = 1 }));
        Samples.Refused(RefusalCode.RefreshUnknown, Decide(First, null));
    }

    [Fact]
    public void An_unused_family_dies_and_a_busy_one_at_its_absolute_end()
    {
        Samples.Granted(Decide(First, Started, now: Samples.Now.AddDays(14).AddMilliseconds(-1)));
        Samples.Refused(RefusalCode.RefreshExpired, Decide(First, Started, now: Samples.Now.AddDays(14)));
        var busy = Started with { IdleExpiresAt = Started.AbsoluteExpiresAt + 1 };
        Samples.Granted(Decide(First, busy, now: Samples.Now.AddDays(90).AddMilliseconds(-1)));
        Samples.Refused(RefusalCode.RefreshExpired, Decide(First, busy, now: Samples.Now.AddDays(90)));
        var (_, rotated) = Rotate(First, busy, Samples.Now.AddDays(89));
        Assert.Equal(Started.AbsoluteExpiresAt, rotated.IdleExpiresAt);
        // The one before the current dies with the family, whatever the grace says.
        var (_, late) = Rotate(First, busy, Samples.Now.AddDays(90).AddSeconds(-1));
        Samples.Refused(RefusalCode.RefreshExpired, Decide(First, late, now: Samples.Now.AddDays(90)));
    }

    [Fact]
    public void Another_client_gets_nothing_and_ends_nothing()
    {
        var other = Samples.Client with { ClientId = "other" };
        foreach (var token in new[] { First, new RefreshToken(FamilyId, OpaqueToken.Generate()) })
            foreach (var family in new[] { Started, Started with { EndedAt = 1 }, Rotate(First, Started, Samples.Now).Family })
                Samples.Refused(RefusalCode.RefreshOfAnotherClient, Decide(token, family, client: other));
    }

    [Fact]
    public void A_user_who_was_switched_off_or_removed_gets_nothing()
    {
        var (_, family) = Rotate(First, Started, Samples.Now);
        foreach (var row in new[] { Started, family })
            Samples.Refused(RefusalCode.UserUnavailable, Decide(First, row, user: Samples.User with { Disabled = true }));
        Samples.Refused(RefusalCode.UserUnavailable, RefreshGrant.Decide(First, ScopeList.Empty, Samples.Authenticated(Samples.Client), Started, null, Samples.Catalogue, Samples.Policy, OpaqueToken.Generate(), Samples.Now));
        // Theft is told as theft all the same.
        Samples.Refused(RefusalCode.RefreshReplayed, Decide(new RefreshToken(FamilyId, OpaqueToken.Generate()), Started, user: Samples.User with { Disabled = true }));
    }

    [Theory]
    [InlineData("val:a", "val:a")]
    [InlineData("seal:key_management openid", "seal:key_management openid")]
    [InlineData("openid val:a seal:key_management", "openid val:a seal:key_management")]
    public void The_scope_may_be_narrower_and_the_family_keeps_its_own(string asked, string granted)
    {
        var decision = Samples.Granted(Decide(First, Started, asked: asked));
        Assert.Equal(granted, decision.Scope.Text);
        Assert.Equal(Started.Scope, decision.Family.Scope);
    }

    [Theory]
    [InlineData("profile")] // the client may ask for it, the user did not grant it
    [InlineData("openid val:b")]
    [InlineData("openid OPENID")]
    [InlineData("unknown")]
    [InlineData("keyreeve.admin")]
    public void The_scope_may_not_be_wider(string asked)
    {
        Assert.Equal("scope", Samples.Refused(RefusalCode.ScopeNotAllowed, Decide(First, Started, asked: asked)).Param);
        Samples.Refused(RefusalCode.ScopeNotAllowed, Decide(First, Rotate(First, Started, Samples.Now).Family, asked: asked));
    }

    [Fact]
    [Proves("TS 33.434", "5.2.6")]
    public void What_the_user_or_the_client_has_lost_is_not_granted_again()
    {
        var withoutService = Samples.User with { ValServiceIds = [] };
        Assert.Equal("openid seal:key_management", Samples.Granted(Decide(First, Started, user: withoutService)).Scope.Text);
        Samples.Refused(RefusalCode.ScopeNotAllowed, Decide(First, Started, asked: "val:a", user: withoutService));
        var narrower = Samples.Client with { Scopes = Samples.Scopes("openid val:a") };
        Assert.Equal("openid val:a", Samples.Granted(Decide(First, Started, client: narrower)).Scope.Text);
        Samples.Refused(RefusalCode.ScopeNotAllowed, Decide(First, Started, asked: "seal:key_management", client: narrower));
        Assert.Equal("openid val:a", Samples.Granted(Decide(First, Rotate(First, Started, Samples.Now).Family, client: narrower)).Scope.Text);
        Samples.Refused(RefusalCode.ScopeNotAllowed, Decide(First, Started, client: Samples.Client with { Scopes = ScopeList.Empty }));
    }

    [Fact]
    public void A_row_that_something_else_has_changed_gives_nothing_away()
    {
        var (_, family) = Rotate(First, Started, Samples.Now);
        Samples.Refused(RefusalCode.RefreshUnknown, Decide(First, family with { SealedSuccessor = null }));
        Samples.Refused(RefusalCode.RefreshUnknown, Decide(First, family with { SealedSuccessor = new byte[59] }));
        Samples.Refused(RefusalCode.RefreshReplayed, Decide(First, family with { PreviousHash = [] }));
    }

    [Fact]
    public void All_refusals_of_a_token_tell_the_peer_the_same_and_a_family_is_never_printed()
    {
        var texts = new[]
        {
            Decide(First, null), Decide(First, Started with { EndedAt = 1 }), Decide(First, Started, client: Samples.Client with { ClientId = "other" }),
            Decide(First, Started, now: Samples.Now.AddYears(1)), Decide(new RefreshToken(FamilyId, OpaqueToken.Generate()), Started), Decide(First, Started, user: Samples.User with { Disabled = true }),
        }.Select(outcome =>
        {
            Assert.False(outcome.Succeeded(out _, out var refusal));
            Assert.DoesNotContain(FamilyId, refusal.ToString(), StringComparison.Ordinal);
            return refusal.Peer;
        });
        Assert.Single(texts.Distinct());
        Assert.DoesNotContain(FamilyId, Started.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(FamilyId, Samples.Granted(Decide(First, Started)).ToString(), StringComparison.Ordinal);
    }

    private static (RefreshToken Token, RefreshFamily Family) Rotate(RefreshToken token, RefreshFamily family, DateTimeOffset now)
    {
        var decision = Samples.Granted(Decide(token, family, now: now));
        Assert.True(decision.Rotated);
        return (decision.Token, decision.Family);
    }

    private static Outcome<RefreshGrant.Decision> Decide(RefreshToken token, RefreshFamily? family, string asked = "", Client? client = null, User? user = null, OpaqueToken? fresh = null, DateTimeOffset? now = null) =>
        RefreshGrant.Decide(token, Samples.Scopes(asked), Samples.Authenticated(client ?? Samples.Client), family, user ?? Samples.User, Samples.Catalogue, Samples.Policy, fresh ?? OpaqueToken.Generate(), now ?? Samples.Now);
}
