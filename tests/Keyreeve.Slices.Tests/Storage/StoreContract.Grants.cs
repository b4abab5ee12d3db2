using Keyreeve.Core.Grants;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    private async Task<RefreshFamily> AddFamilyAsync(RefreshFamily family)
    {
        await Stores.Grants.AddCodeAsync(Samples.Code("for " + family.FamilyId), Entry(), None);
        Assert.True(await Stores.Grants.RedeemCodeAsync(Samples.Hash("for " + family.FamilyId), Now, family, Entry(), None));
        return family;
    }

    private static Revocation OfGrant(string grantId) => new(RevocationKind.Grant, grantId, Now, Now + 300);

    [Fact]
    public async Task A_code_comes_back_with_every_field()
    {
        // The security stamp is compared when the code is added, and not stored.
        Assert.Equal(["SecurityStamp"], RecordText.Unset(Samples.FullCode()));
        foreach (var code in new[] { Samples.Code(), Samples.FullCode() })
        {
            await Stores.Grants.AddCodeAsync(code, Entry(), None);
            Assert.Equal(RecordText.Of(code), RecordText.Of(await Stores.Grants.FindCodeAsync(code.Hash, None)));
        }
        Assert.Null(await Stores.Grants.FindCodeAsync(Samples.Hash("unknown"), None));
    }

    [Fact]
    public async Task A_code_is_not_added_when_its_login_has_ended_meanwhile()
    {
        var user = Samples.User();
        await AddUserAsync(user);
        Assert.True(await Stores.Grants.AddCodeAsync(Samples.Code() with { Hash = Samples.Hash("a"), Subject = user.Subject, SecurityStamp = user.SecurityStamp }, Entry(), None));
        Assert.False(await Stores.Grants.AddCodeAsync(Samples.Code() with { Hash = Samples.Hash("b"), Subject = user.Subject, SecurityStamp = "an older stamp" }, Entry(), None));
        Assert.Null(await Stores.Grants.FindCodeAsync(Samples.Hash("b"), None));
        Assert.True((await Stores.Directory.SaveUserAsync(user with { Disabled = true }, create: false, null, Entry(), None)).Succeeded(out _, out _));
        Assert.False(await Stores.Grants.AddCodeAsync(Samples.Code() with { Hash = Samples.Hash("c"), Subject = user.Subject, SecurityStamp = user.SecurityStamp }, Entry(), None));
    }

    [Fact]
    public async Task Ending_a_session_ends_what_stands_on_it_at_once_and_nothing_else()
    {
        var user = Samples.User();
        await AddUserAsync(user);
        foreach (var cookie in (string[])["left", "kept"])
        {
            await Stores.Sessions.AddAsync(Samples.Session(cookie, user.Subject), Entry(), None);
            await Stores.Grants.AddCodeAsync(CodeOf("waiting " + cookie, cookie), Entry(), None);
            await Stores.Grants.AddCodeAsync(CodeOf("redeemed " + cookie, cookie), Entry(), None);
            await Stores.Grants.RedeemCodeAsync(Samples.Hash("redeemed " + cookie), Now, null, Entry(), None);
            await AddFamilyAsync(Samples.Family("family " + cookie) with { SessionId = "sid-" + cookie });
        }
        var revoked = new List<string>();
        Assert.False(await EndAsync("u-somebody-else"));
        Assert.Empty(revoked);
        Assert.True(await EndAsync(user.Subject));
        Assert.Equal(["family left", "grant-redeemed left"], revoked.Order(StringComparer.Ordinal));
        Assert.Equal(2, (await Stores.Revocations.LoadAsync(0, Now, None)).Count);
        Assert.Equal("logout of 2", Assert.Single(await AuditKindsAsync(), kind => kind.StartsWith("logout", StringComparison.Ordinal)));
        Assert.Null(await Stores.Sessions.FindAsync(Samples.Hash("left"), None));
        Assert.Null(await Stores.Grants.FindCodeAsync(Samples.Hash("waiting left"), None));
        Assert.NotEqual(0, (await Stores.Grants.FindFamilyAsync("family left", None))!.EndedAt);
        Assert.NotNull(await Stores.Sessions.FindAsync(Samples.Hash("kept"), None));
        Assert.NotNull(await Stores.Grants.FindCodeAsync(Samples.Hash("waiting kept"), None));
        Assert.Equal(0, (await Stores.Grants.FindFamilyAsync("family kept", None))!.EndedAt);
        Assert.False(await EndAsync(user.Subject));
        // A code that was decided while the session stood, and comes a moment later.
        Assert.False(await Stores.Grants.AddCodeAsync(CodeOf("late", "left") with { SecurityStamp = user.SecurityStamp }, Entry(), None));
        Assert.True(await Stores.Grants.AddCodeAsync(CodeOf("in time", "kept") with { SecurityStamp = user.SecurityStamp }, Entry(), None));

        AuthorizationCode CodeOf(string name, string cookie) => Samples.Code(name) with { Subject = user.Subject, SessionId = "sid-" + cookie };

        Task<bool> EndAsync(string subject) => Stores.Grants.EndSessionAsync(subject, "sid-left", Now * 1000, id =>
        {
            revoked.Add(id);
            return OfGrant(id);
        }, grants => Entry($"logout of {grants}"), None);
    }

    [Fact]
    public async Task A_family_comes_back_with_every_field()
    {
        Assert.Empty(RecordText.Unset(Samples.FullFamily()));
        foreach (var family in new[] { Samples.Family(), Samples.FullFamily() })
        {
            await AddFamilyAsync(family);
            Assert.Equal(RecordText.Of(family), RecordText.Of(await Stores.Grants.FindFamilyAsync(family.FamilyId, None)));
        }
        Assert.Null(await Stores.Grants.FindFamilyAsync("unknown", None));
    }

    [Fact]
    public async Task Of_fifty_redemptions_of_one_code_exactly_one_succeeds_and_starts_its_family()
    {
        await Stores.Grants.AddCodeAsync(Samples.Code(), Entry(), None);
        var redeemed = await AtOnceAsync(50, i => Stores.Grants.RedeemCodeAsync(Samples.Hash("code"), Now + i, Samples.Family($"family {i}"), Entry("code.redeemed"), None));
        var winner = Array.IndexOf(redeemed, true);
        Assert.Single(redeemed, won => won);
        Assert.Equal(Now + winner, (await Stores.Grants.FindCodeAsync(Samples.Hash("code"), None))!.RedeemedAt);
        for (var i = 0; i < 50; i++)
            Assert.Equal(i == winner, await Stores.Grants.FindFamilyAsync($"family {i}", None) is not null);
        Assert.Single(await AuditKindsAsync(), kind => kind == "code.redeemed");
    }

    [Fact]
    public async Task A_code_is_redeemed_without_family_for_a_client_that_may_not_refresh()
    {
        await Stores.Grants.AddCodeAsync(Samples.Code(), Entry(), None);
        Assert.True(await Stores.Grants.RedeemCodeAsync(Samples.Hash("code"), Now, null, Entry(), None));
        Assert.False(await Stores.Grants.RedeemCodeAsync(Samples.Hash("code"), Now, null, Entry(), None));
        Assert.False(await Stores.Grants.RedeemCodeAsync(Samples.Hash("unknown"), Now, null, Entry(), None));
    }

    [Fact]
    public async Task A_redemption_whose_family_cannot_be_written_leaves_the_code_as_it_was()
    {
        await AddFamilyAsync(Samples.Family("taken"));
        await Stores.Grants.AddCodeAsync(Samples.Code(), Entry(), None);
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => Stores.Grants.RedeemCodeAsync(Samples.Hash("code"), Now, Samples.Family("taken"), Entry("lost"), None));
        Assert.Equal(0, (await Stores.Grants.FindCodeAsync(Samples.Hash("code"), None))!.RedeemedAt);
        Assert.DoesNotContain("lost", await AuditKindsAsync());
    }

    [Fact]
    public async Task A_time_that_would_mean_not_redeemed_is_refused()
    {
        await Stores.Grants.AddCodeAsync(Samples.Code(), Entry(), None);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Stores.Grants.RedeemCodeAsync(Samples.Hash("code"), 0, null, Entry(), None));
    }

    [Fact]
    public async Task Of_eight_rotations_at_once_exactly_one_succeeds()
    {
        var family = await AddFamilyAsync(Samples.Family());
        var candidates = Enumerable.Range(0, 8).Select(i => Samples.Rotated(family, $"token {i}")).ToArray();
        var rotated = await AtOnceAsync(8, i => Stores.Grants.RotateAsync(candidates[i], Entry("rotated"), None));
        Assert.Single(rotated, won => won);
        Assert.Equal(RecordText.Of(candidates[Array.IndexOf(rotated, true)]), RecordText.Of(await Stores.Grants.FindFamilyAsync("family", None)));
        Assert.Single(await AuditKindsAsync(), kind => kind == "rotated");
    }

    [Fact]
    public async Task A_rotation_changes_neither_who_nor_what_nor_the_absolute_end()
    {
        var family = await AddFamilyAsync(Samples.Family());
        var next = Samples.Rotated(family, "next");
        Assert.True(await Stores.Grants.RotateAsync(
            next with { ClientId = "other", Subject = "u-other", Scope = ScopeList.Of(["openid", "admin"]), AbsoluteExpiresAt = long.MaxValue, EndedAt = 0 }, Entry(), None));
        Assert.Equal(RecordText.Of(next), RecordText.Of(await Stores.Grants.FindFamilyAsync("family", None)));
    }

    [Fact]
    public async Task An_ended_family_neither_rotates_nor_counts_and_its_end_stays()
    {
        var family = await AddFamilyAsync(Samples.Family());
        await Stores.Grants.EndGrantAsync("family", 5000, OfGrant("family"), Entry(), None);
        await Stores.Grants.EndGrantAsync("family", 6000, OfGrant("family"), Entry(), None);
        Assert.False(await Stores.Grants.RotateAsync(Samples.Rotated(family, "next"), Entry(), None));
        Assert.False(await Stores.Grants.CountReuseAsync("family", 0, 10, Entry(), None));
        Assert.Equal(RecordText.Of(family with { EndedAt = 5000 }), RecordText.Of(await Stores.Grants.FindFamilyAsync("family", None)));
    }

    [Fact]
    public async Task Reuse_is_counted_to_the_limit_and_no_further()
    {
        await AddFamilyAsync(Samples.Family());
        var counted = await AtOnceAsync(40, _ => Stores.Grants.CountReuseAsync("family", 0, 7, Entry(), None));
        Assert.Equal(7, counted.Count(yes => yes));
        Assert.Equal(7, (await Stores.Grants.FindFamilyAsync("family", None))!.Reuses);
        Assert.False(await Stores.Grants.CountReuseAsync("family", 1, 100, Entry(), None));
        Assert.False(await Stores.Grants.CountReuseAsync("unknown", 0, 100, Entry(), None));
    }

    [Fact]
    public async Task Ending_a_grant_revokes_its_tokens_with_and_without_a_family()
    {
        await AddFamilyAsync(Samples.Family());
        await Stores.Grants.EndGrantAsync("family", Now, OfGrant("family"), Entry("grant.ended"), None);
        await Stores.Grants.EndGrantAsync("no family", Now, OfGrant("no family"), Entry("grant.ended"), None);
        Assert.Equal([OfGrant("family"), OfGrant("no family")], await RevocationsAsync(Now));
        Assert.Equal(2, await VersionOfAsync(Topic.Revocations));
        Assert.Equal(2, (await AuditKindsAsync()).Count(kind => kind == "grant.ended"));
    }

    [Fact]
    public async Task A_consent_comes_back_and_is_replaced()
    {
        var consent = new Consent("u-x", "client", ScopeList.Of(["openid", "val:a"]), Now);
        await Stores.Grants.SaveConsentAsync(consent, Entry(), None);
        Assert.Equal(RecordText.Of(consent), RecordText.Of(await Stores.Grants.FindConsentAsync("u-x", "client", None)));
        var wider = consent with { Scope = ScopeList.Of(["openid", "val:a", "val:b"]), GivenAt = Now + 1 };
        await Stores.Grants.SaveConsentAsync(wider, Entry(), None);
        Assert.Equal(RecordText.Of(wider), RecordText.Of(await Stores.Grants.FindConsentAsync("u-x", "client", None)));
        Assert.Null(await Stores.Grants.FindConsentAsync("u-x", "Client", None));
        Assert.Null(await Stores.Grants.FindConsentAsync("client", "u-x", None));
    }

    [Fact]
    public async Task Sweeping_grants_keeps_codes_while_a_replay_must_be_known_and_families_while_they_live()
    {
        var remember = (long)RedeemCode.RememberAfterExpiry.TotalSeconds;
        for (var i = 0; i < 6; i++)
        {
            await Stores.Grants.AddCodeAsync(Samples.Code($"code {i}") with { ExpiresAt = Now + i }, Entry(), None);
            await Stores.Grants.RedeemCodeAsync(Samples.Hash($"code {i}"), Now, Samples.Family($"family {i}") with { IdleExpiresAt = (Now + remember + i) * 1000 }, Entry(), None);
        }

        Assert.Equal(0, await Stores.Grants.DeleteExpiredAsync(Now + remember - 1, 100, None));
        Assert.Equal(2, await Stores.Grants.DeleteExpiredAsync(Now + remember + 2, 2, None));
        Assert.Null(await Stores.Grants.FindCodeAsync(Samples.Hash("code 1"), None));
        Assert.NotNull(await Stores.Grants.FindCodeAsync(Samples.Hash("code 2"), None));
        Assert.NotNull(await Stores.Grants.FindFamilyAsync("family 0", None));
        Assert.Equal(4, await Stores.Grants.DeleteExpiredAsync(Now + remember + 2, 100, None));
        Assert.Null(await Stores.Grants.FindFamilyAsync("family 2", None));
        Assert.NotNull(await Stores.Grants.FindFamilyAsync("family 3", None));
        Assert.NotNull(await Stores.Grants.FindCodeAsync(Samples.Hash("code 3"), None));
    }
}
