using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    private async Task<User> AddUserAsync(User user) => Value(await Stores.Directory.SaveUserAsync(user, create: true, null, Entry("user.added"), None));

    [Fact]
    public async Task A_user_comes_back_with_every_field()
    {
        var full = Samples.FullUser();
        // It comes with configurations of VAL servers, never with the user.
        Assert.Equal([nameof(User.ProvisionedServiceIds)], RecordText.Unset(full));
        await AddUserAsync(full);
        await AddUserAsync(Samples.User());

        Assert.Equal(RecordText.Of(full), RecordText.Of(await Stores.Directory.FindUserAsync(full.Subject, None)));
        Assert.Equal(RecordText.Of(full), RecordText.Of(await Stores.Directory.FindUserByNameAsync(full.Username, None)));
        Assert.Equal(RecordText.Of(Samples.User() with { Version = 1 }), RecordText.Of(await Stores.Directory.FindUserAsync(Samples.User().Subject, None)));
        Assert.Equal(RecordText.Of(full), RecordText.Of((await Stores.Directory.ListUsersAsync(null, 10, None)).Single(user => user.Subject == full.Subject)));
    }

    [Fact]
    public async Task A_saved_user_replaces_every_field()
    {
        var full = Samples.FullUser();
        await AddUserAsync(full);
        var bare = Samples.User("other name") with { Subject = full.Subject, SecurityStamp = "stamp-2" };
        var saved = Value(await Stores.Directory.SaveUserAsync(bare, create: false, 1, Entry(), None));
        Assert.Equal(2, saved.Version);
        Assert.Equal(RecordText.Of(bare with { Version = 2 }), RecordText.Of(await Stores.Directory.FindUserAsync(full.Subject, None)));
        Assert.Null(await Stores.Directory.FindUserByNameAsync(full.Username, None));
    }

    [Fact]
    public async Task Services_of_a_user_are_kept_once_each_and_in_ordinal_order()
    {
        var saved = await AddUserAsync(Samples.User() with { ValServiceIds = ["b", "B", "a", "b"] });
        Assert.Equal(["B", "a", "b"], saved.ValServiceIds);
        Assert.Equal(["B", "a", "b"], (await Stores.Directory.FindUserAsync(saved.Subject, None))!.ValServiceIds);
    }

    [Fact]
    public async Task A_user_is_found_by_name_whatever_the_case_and_a_subject_only_exactly()
    {
        var user = await AddUserAsync(Samples.User("Alice"));
        Assert.NotNull(await Stores.Directory.FindUserByNameAsync("aLICE", None));
        Assert.Null(await Stores.Directory.FindUserByNameAsync("alice ", None));
        Assert.Null(await Stores.Directory.FindUserByNameAsync("al_ce", None));
        Assert.Null(await Stores.Directory.FindUserAsync(user.Subject.ToUpperInvariant(), None));
    }

    [Fact]
    public async Task A_name_that_would_be_stored_as_another_finds_nobody_and_is_not_saved()
    {
        // Lone surrogates become U+FFFD on their way into UTF-8: three names would be one.
        await AddUserAsync(Samples.User("\uFFFD"));
        await AddRecordAsync(Samples.Record("\uFFFD"));
        foreach (var name in new[] { "\uD800", "\uDC00", "x\uD800", "\uDC00\uD800", "a\0" })
        {
            Assert.Null(await Stores.Directory.FindUserByNameAsync(name, None));
            Assert.Null(await Stores.Directory.FindClientAsync(name, None));
            Assert.Null(await Stores.Directory.FindDeviceAsync(name, None));
            Assert.Null(await Stores.KeyRecords.FindActiveAsync(name, KmIdentity.ServiceOnly, Now, None));
            Assert.Equal(RefusalCode.InvalidParameter, Code(await Stores.Directory.SaveUserAsync(Samples.User() with { Username = name }, create: true, null, Entry(), None)));
            Assert.Equal(RefusalCode.InvalidParameter, Code(await Stores.Directory.SaveClientAsync(Samples.Client(name), create: true, null, Entry(), None)));
            Assert.Equal(RefusalCode.InvalidParameter, Code(await Stores.Directory.SaveDeviceAsync(new() { ValUeId = name }, create: true, null, Entry(), None)));
            Assert.Equal(RefusalCode.InvalidParameter,
                Code(await Stores.Directory.SaveServiceAsync(new() { ServiceId = name, Name = "n", Audience = "a" }, create: true, null, Entry(), None)));
            Assert.Equal(RefusalCode.InvalidParameter, Stores.KeyRecords.WhyNot(name, KmIdentity.ServiceOnly)!.Code);
            await Assert.ThrowsAsync<ArgumentException>(() => Stores.KeyRecords.SaveAsync(
                [new(Samples.Record("fine"), Samples.Version(), []), new(Samples.Record(name), Samples.Version(), [])], _ => Entry(), None));
        }
        Assert.Null(await Stores.KeyRecords.FindActiveAsync("fine", KmIdentity.ServiceOnly, Now, None));
        await AddUserAsync(Samples.User("\U0001F600 o'Neill \"; --"));
        Assert.NotNull(await Stores.Directory.FindUserByNameAsync("\U0001F600 o'Neill \"; --", None));
    }

    [Fact]
    public async Task A_taken_name_is_a_conflict_for_a_new_user_and_for_a_renamed_one()
    {
        await AddUserAsync(Samples.User("alice"));
        var bob = await AddUserAsync(Samples.User("bob"));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveUserAsync(Samples.User("ALICE"), create: true, null, Entry("refused"), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveUserAsync(bob with { Username = "Alice" }, create: false, null, Entry("refused"), None)));
        Value(await Stores.Directory.SaveUserAsync(bob with { Username = "BOB" }, create: false, null, Entry(), None));
        Assert.DoesNotContain("refused", await AuditKindsAsync());
    }

    [Fact]
    public async Task Of_many_users_who_take_one_name_at_once_one_gets_it()
    {
        var outcomes = await AtOnceAsync(20, i => Stores.Directory.SaveUserAsync(Samples.User($"user {i}") with { Username = "same" }, create: true, null, Entry(), None));
        Assert.Single(outcomes, outcome => outcome.Succeeded(out _, out _));
        Assert.Single(await Stores.Directory.ListUsersAsync(null, 100, None));
    }

    [Fact]
    public async Task Versions_decide_who_saves_a_user()
    {
        var user = await AddUserAsync(Samples.User());
        Assert.Equal(1, user.Version);
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveUserAsync(user, create: true, null, Entry(), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveUserAsync(user, create: false, 2, Entry(), None)));
        Assert.Equal(RefusalCode.NotFound, Code(await Stores.Directory.SaveUserAsync(Samples.User("nobody"), create: false, null, Entry(), None)));
        Assert.Equal(2, Value(await Stores.Directory.SaveUserAsync(user, create: false, 1, Entry(), None)).Version);
        Assert.Equal(3, Value(await Stores.Directory.SaveUserAsync(user, create: false, null, Entry(), None)).Version);
    }

    [Fact]
    public async Task Of_many_saves_that_read_one_version_one_succeeds()
    {
        var user = await AddUserAsync(Samples.User());
        var outcomes = await AtOnceAsync(20, i => Stores.Directory.SaveUserAsync(user with { DisplayName = $"name {i}" }, create: false, 1, Entry(), None));
        var winner = Value(Assert.Single(outcomes, outcome => outcome.Succeeded(out _, out _)));
        Assert.Equal(winner.DisplayName, (await Stores.Directory.FindUserAsync(user.Subject, None))!.DisplayName);
    }

    [Fact]
    [Proves("TS 33.434", "A.2.1.2")]
    public async Task A_removed_subject_is_never_given_again_but_its_name_may_be()
    {
        var user = await AddUserAsync(Samples.User());
        Assert.True(await Stores.Directory.RemoveUserAsync(user.Subject, Entry(), None));
        Assert.False(await Stores.Directory.RemoveUserAsync(user.Subject, Entry(), None));
        Assert.Null(await Stores.Directory.FindUserAsync(user.Subject, None));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveUserAsync(user, create: true, null, Entry(), None)));
        await ReopenAsync("node-1");
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveUserAsync(user, create: true, null, Entry(), None)));
        await AddUserAsync(user with { Subject = Samples.User("another").Subject });
    }

    [Fact]
    public async Task With_a_user_go_sessions_codes_families_and_consents_of_that_user_alone()
    {
        var alice = await AddUserAsync(Samples.User("alice") with { ValServiceIds = ["a"] });
        var bob = await AddUserAsync(Samples.User("bob"));
        foreach (var user in new[] { alice, bob })
        {
            await Stores.Sessions.AddAsync(Samples.Session(user.Username, user.Subject), Entry(), None);
            await Stores.Grants.AddCodeAsync(Samples.Code(user.Username) with { Subject = user.Subject }, Entry(), None);
            await Stores.Grants.AddCodeAsync(Samples.Code(user.Username + " used") with { Subject = user.Subject }, Entry(), None);
            Assert.True(await Stores.Grants.RedeemCodeAsync(Samples.Hash(user.Username + " used"), Now, Samples.Family(user.Username) with { Subject = user.Subject }, Entry(), None));
            await Stores.Grants.SaveConsentAsync(new(user.Subject, "client", Samples.Family().Scope, Now), Entry(), None);
        }

        Assert.True(await Stores.Directory.RemoveUserAsync(alice.Subject, Entry(), None));
        foreach (var (user, stays) in new[] { (alice, false), (bob, true) })
        {
            Assert.Equal(stays, await Stores.Sessions.FindAsync(Samples.Hash(user.Username), None) is not null);
            Assert.Equal(stays, await Stores.Grants.FindCodeAsync(Samples.Hash(user.Username), None) is not null);
            Assert.Equal(stays, await Stores.Grants.FindFamilyAsync(user.Username, None) is not null);
            Assert.Equal(stays, await Stores.Grants.FindConsentAsync(user.Subject, "client", None) is not null);
        }
        Assert.False(await Stores.Grants.RedeemCodeAsync(Samples.Hash("alice"), Now, null, Entry(), None));
    }

    [Theory]
    [InlineData("stamp-2", false, true)]
    [InlineData("stamp-1", true, true)]
    [InlineData("stamp-1", false, false)]
    public async Task New_credentials_or_a_switched_off_user_end_the_sessions(string stamp, bool disabled, bool ends)
    {
        var user = await AddUserAsync(Samples.User());
        await Stores.Sessions.AddAsync(Samples.Session("cookie", user.Subject), Entry(), None);
        await Stores.Sessions.AddAsync(Samples.Session("bystander", "u-other"), Entry(), None);
        Value(await Stores.Directory.SaveUserAsync(user with { SecurityStamp = stamp, Disabled = disabled, DisplayName = "x" }, create: false, null, Entry(), None));
        Assert.Equal(ends, await Stores.Sessions.FindAsync(Samples.Hash("cookie"), None) is null);
        Assert.NotNull(await Stores.Sessions.FindAsync(Samples.Hash("bystander"), None));
    }

    [Fact]
    public async Task A_hundred_failed_logins_at_once_count_a_hundred()
    {
        var user = await AddUserAsync(Samples.User());
        var counts = await AtOnceAsync(100, _ => Stores.Directory.CountFailedLoginAsync(user.Subject, None));
        Assert.Equal(Enumerable.Range(1, 100), counts.Order());
        Assert.Equal(100, (await Stores.Directory.FindUserAsync(user.Subject, None))!.FailedLogins);
        Assert.Equal(0, await Stores.Directory.CountFailedLoginAsync("u-nobody", None));
    }

    [Fact]
    public async Task A_lock_counts_anew_and_is_not_written_away_by_who_read_before_it()
    {
        var user = await AddUserAsync(Samples.User());
        await Stores.Directory.CountFailedLoginAsync(user.Subject, None);
        await Stores.Directory.LockAsync(user.Subject, 5000, Entry("user.locked"), None);
        await Stores.Directory.LockAsync(user.Subject, 9000, Entry("user.locked"), None);
        var locked = (await Stores.Directory.FindUserAsync(user.Subject, None))!;
        Assert.Equal((0, 2, 9000L), (locked.FailedLogins, locked.LockCount, locked.LockedUntil));
        Assert.Equal(2, (await AuditKindsAsync()).Count(kind => kind == "user.locked"));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveUserAsync(user, create: false, user.Version, Entry(), None)));

        await Stores.Directory.ClearFailedLoginsAsync(user.Subject, None);
        var cleared = (await Stores.Directory.FindUserAsync(user.Subject, None))!;
        Assert.Equal((0, 0, 0L), (cleared.FailedLogins, cleared.LockCount, cleared.LockedUntil));
    }

    [Fact]
    public async Task A_rehash_does_not_undo_a_new_password()
    {
        var user = await AddUserAsync(Samples.User() with { PasswordHash = "old" });
        await Stores.Directory.ReplacePasswordHashAsync(user.Subject, "old", "rehashed", None);
        Assert.Equal("rehashed", (await Stores.Directory.FindUserAsync(user.Subject, None))!.PasswordHash);
        await Stores.Directory.ReplacePasswordHashAsync(user.Subject, "old", "late", None);
        Assert.Equal("rehashed", (await Stores.Directory.FindUserAsync(user.Subject, None))!.PasswordHash);
    }

    [Fact]
    public async Task Users_page_by_cursor_without_loss()
    {
        for (var i = 0; i < 23; i++)
            await AddUserAsync(Samples.User($"user {i}") with { ValServiceIds = i % 3 == 0 ? [] : ["a", "b", "c"] });
        var all = await AllPagesAsync<User>(last => Stores.Directory.ListUsersAsync(last?.Subject, 5, None));
        Assert.Equal(23, all.Count);
        Assert.Equal(all.Select(user => user.Subject).Order(StringComparer.Ordinal), all.Select(user => user.Subject));
        Assert.Equal(15, all.Count(user => user.ValServiceIds.Count == 3));
    }

    [Fact]
    public async Task A_session_comes_back_with_every_field_and_ends_once()
    {
        var session = Samples.Session("cookie", "u-x");
        Assert.Empty(RecordText.Unset(session));
        await Stores.Sessions.AddAsync(session, Entry(), None);
        Assert.Equal(RecordText.Of(session), RecordText.Of(await Stores.Sessions.FindAsync(session.Hash, None)));
        await Stores.Sessions.RemoveAsync(session.Hash, Entry("session.ended"), None);
        await Stores.Sessions.RemoveAsync(session.Hash, Entry("session.ended"), None);
        Assert.Null(await Stores.Sessions.FindAsync(session.Hash, None));
        Assert.Single(await AuditKindsAsync(), kind => kind == "session.ended");
    }

    [Fact]
    public async Task Sweeping_sessions_takes_the_oldest_that_are_over_and_no_more_than_asked()
    {
        for (var i = 0; i < 10; i++)
            await Stores.Sessions.AddAsync(Samples.Session($"cookie {i}", "u-x") with { ExpiresAt = 1000 + i }, Entry(), None);
        Assert.Equal(3, await Stores.Sessions.DeleteExpiredAsync(1004, 3, None));
        Assert.Null(await Stores.Sessions.FindAsync(Samples.Hash("cookie 2"), None));
        Assert.NotNull(await Stores.Sessions.FindAsync(Samples.Hash("cookie 3"), None));
        Assert.Equal(2, await Stores.Sessions.DeleteExpiredAsync(1004, 100, None));
        Assert.NotNull(await Stores.Sessions.FindAsync(Samples.Hash("cookie 5"), None));
        Assert.Equal(0, await Stores.Sessions.DeleteExpiredAsync(1004, 100, None));
    }
}
