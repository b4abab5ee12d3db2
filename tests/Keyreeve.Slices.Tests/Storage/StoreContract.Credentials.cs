using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    private const long NowMs = Now * 1000;

    private static TotpSecret TotpOf(User user, long lastStep = 0) => new() { Subject = user.Subject, Sealed = Samples.Hash("sealed"), LastStep = lastStep, CreatedAt = NowMs };

    private static Passkey PasskeyOf(User user, string id = "passkey", long signCount = 0) => new()
    {
        CredentialId = Samples.Hash(id),
        Subject = user.Subject,
        Name = "Key \"1\"",
        PublicKey = Encoding.ASCII.GetBytes("cose"),
        SignCount = signCount,
        Transports = ["internal", "hybrid"],
        UserVerified = true,
        BackupEligible = true,
        BackedUp = true,
        CreatedAt = NowMs,
        LastUsedAt = NowMs + 1,
    };

    [Fact]
    public async Task Second_factors_come_back_with_every_field()
    {
        var user = await AddUserAsync(Samples.User());
        var nothing = await Stores.Credentials.FindAsync(user.Subject, None);
        Assert.Equal((null, 0, 0), (nothing.Totp, nothing.Passkeys.Count, nothing.RecoveryCodes));
        Assert.True(await Stores.Credentials.AddTotpAsync(TotpOf(user, 7), Entry("totp"), None));
        Assert.True(await Stores.Credentials.AddPasskeyAsync(PasskeyOf(user), Entry("passkey"), None));
        await Stores.Credentials.ReplaceRecoveryCodesAsync(user.Subject, [Samples.Hash("1"), Samples.Hash("2")], Entry("recovery"), None);
        var all = await Stores.Credentials.FindAsync(user.Subject, None);
        Assert.Equal(RecordText.Of(TotpOf(user, 7)), RecordText.Of(all.Totp));
        Assert.Equal(RecordText.Of(PasskeyOf(user)), RecordText.Of(Assert.Single(all.Passkeys)));
        Assert.Equal(RecordText.Of(PasskeyOf(user)), RecordText.Of(await Stores.Credentials.FindPasskeyAsync(Samples.Hash("passkey"), None)));
        Assert.Equal(2, all.RecoveryCodes);
        Assert.Null(await Stores.Credentials.FindPasskeyAsync(Samples.Hash("other"), None));
        Assert.Equal(["passkey", "recovery", "totp"], (await AuditKindsAsync()).Intersect(["totp", "passkey", "recovery"]).Order());
    }

    [Fact]
    public async Task A_second_authenticator_a_known_passkey_and_factors_of_nobody_are_not_added()
    {
        var (alice, bob) = (await AddUserAsync(Samples.User("alice")), await AddUserAsync(Samples.User("bob")));
        Assert.True(await Stores.Credentials.AddTotpAsync(TotpOf(alice), Entry(), None));
        Assert.False(await Stores.Credentials.AddTotpAsync(TotpOf(alice, 5), Entry("refused"), None));
        Assert.True(await Stores.Credentials.AddPasskeyAsync(PasskeyOf(alice), Entry(), None));
        Assert.False(await Stores.Credentials.AddPasskeyAsync(PasskeyOf(bob), Entry("refused"), None));
        var nobody = Samples.User("nobody");
        Assert.False(await Stores.Credentials.AddTotpAsync(TotpOf(nobody), Entry("refused"), None));
        Assert.False(await Stores.Credentials.AddPasskeyAsync(PasskeyOf(nobody, "new"), Entry("refused"), None));
        Assert.DoesNotContain("refused", await AuditKindsAsync());
    }

    [Fact]
    [Proves("RFC 6238", "5.2")]
    public async Task A_step_is_accepted_once_and_none_before_it_ever()
    {
        var user = await AddUserAsync(Samples.User());
        await Stores.Credentials.AddTotpAsync(TotpOf(user, 100), Entry(), None);
        Assert.False(await Stores.Credentials.UseTotpStepAsync(user.Subject, 100, None));
        Assert.Single(await AtOnceAsync(30, _ => Stores.Credentials.UseTotpStepAsync(user.Subject, 101, None)), used => used);
        Assert.False(await Stores.Credentials.UseTotpStepAsync(user.Subject, 101, None));
        Assert.False(await Stores.Credentials.UseTotpStepAsync(user.Subject, 99, None));
        Assert.True(await Stores.Credentials.UseTotpStepAsync(user.Subject, 103, None));
        Assert.False(await Stores.Credentials.UseTotpStepAsync(user.Subject, 102, None));
        Assert.False(await Stores.Credentials.UseTotpStepAsync("u-nobody", 200, None));
    }

    [Fact]
    public async Task A_recovery_code_is_used_once_by_its_user()
    {
        var (alice, bob) = (await AddUserAsync(Samples.User("alice")), await AddUserAsync(Samples.User("bob")));
        await Stores.Credentials.ReplaceRecoveryCodesAsync(alice.Subject, [Samples.Hash("1"), Samples.Hash("2")], Entry(), None);
        Assert.False(await Stores.Credentials.UseRecoveryCodeAsync(bob.Subject, Samples.Hash("1"), Entry("used"), None));
        Assert.False(await Stores.Credentials.UseRecoveryCodeAsync(alice.Subject, Samples.Hash("3"), Entry("used"), None));
        Assert.Single(await AtOnceAsync(30, _ => Stores.Credentials.UseRecoveryCodeAsync(alice.Subject, Samples.Hash("1"), Entry("used"), None)), used => used);
        Assert.Single(await AuditKindsAsync(), "used");
        await Stores.Credentials.ReplaceRecoveryCodesAsync(alice.Subject, [Samples.Hash("3")], Entry(), None);
        Assert.False(await Stores.Credentials.UseRecoveryCodeAsync(alice.Subject, Samples.Hash("2"), Entry("used"), None));
        Assert.Equal(1, (await Stores.Credentials.FindAsync(alice.Subject, None)).RecoveryCodes);
    }

    [Fact]
    public async Task A_passkey_counts_up_or_never_and_answers_for_its_own_user()
    {
        var user = await AddUserAsync(Samples.User());
        await Stores.Credentials.AddPasskeyAsync(PasskeyOf(user, "counting", 5), Entry(), None);
        await Stores.Credentials.AddPasskeyAsync(PasskeyOf(user, "synchronised", 0), Entry(), None);
        Task<bool> UseAsync(string id, long count, string? subject = null) => Stores.Credentials.UsePasskeyAsync(subject ?? user.Subject, Samples.Hash(id), count, false, NowMs + 9, None);
        Assert.False(await UseAsync("counting", 5));
        Assert.False(await UseAsync("counting", 0));
        Assert.False(await UseAsync("counting", 6, "u-other"));
        Assert.Single(await AtOnceAsync(20, _ => UseAsync("counting", 6)), used => used);
        Assert.True(await UseAsync("synchronised", 0));
        Assert.True(await UseAsync("synchronised", 0));
        var passkey = (await Stores.Credentials.FindPasskeyAsync(Samples.Hash("counting"), None))!;
        Assert.Equal((6, false, NowMs + 9), (passkey.SignCount, passkey.BackedUp, passkey.LastUsedAt));
    }

    [Fact]
    public async Task A_passkey_is_renamed_and_removed_by_its_owner_alone_and_there_are_not_too_many()
    {
        var user = await AddUserAsync(Samples.User());
        await Stores.Credentials.AddPasskeyAsync(PasskeyOf(user), Entry(), None);
        Assert.False(await Stores.Credentials.RenamePasskeyAsync("u-other", Samples.Hash("passkey"), "mine", Entry("refused"), None));
        Assert.False(await Stores.Credentials.RemovePasskeyAsync("u-other", Samples.Hash("passkey"), Entry("refused"), None));
        Assert.True(await Stores.Credentials.RenamePasskeyAsync(user.Subject, Samples.Hash("passkey"), "phone", Entry(), None));
        Assert.Equal("phone", (await Stores.Credentials.FindPasskeyAsync(Samples.Hash("passkey"), None))!.Name);
        var added = await AtOnceAsync(30, i => Stores.Credentials.AddPasskeyAsync(PasskeyOf(user, $"passkey {i}"), Entry(), None));
        Assert.Equal(ICredentialStore.MaxPasskeys - 1, added.Count(a => a));
        Assert.True(await Stores.Credentials.RemovePasskeyAsync(user.Subject, Samples.Hash("passkey"), Entry(), None));
        Assert.Equal(ICredentialStore.MaxPasskeys - 1, (await Stores.Credentials.FindAsync(user.Subject, None)).Passkeys.Count);
        Assert.DoesNotContain("refused", await AuditKindsAsync());
    }

    [Fact]
    public async Task Of_many_attempts_at_once_five_are_taken_and_each_lock_is_twice_as_long()
    {
        var user = await AddUserAsync(Samples.User());
        Task<bool> TakeAsync(long now) => Stores.Credentials.TakeAttemptAsync(user.Subject, now, Entry("locked"), None);
        Assert.Equal(ICredentialStore.MaxAttempts, (await AtOnceAsync(50, _ => TakeAsync(NowMs))).Count(taken => taken));
        Assert.False(await TakeAsync(NowMs + 59_999));
        var at = NowMs + 60_000;
        foreach (var minutes in new[] { 2, 4, 8, 16, 32, 60, 60 })
        {
            for (var i = 0; i < ICredentialStore.MaxAttempts; i++)
                Assert.True(await TakeAsync(at), $"{minutes} minutes, attempt {i}");
            at += minutes * 60_000;
            Assert.False(await TakeAsync(at - 1));
        }
        Assert.Equal(8, (await AuditKindsAsync()).Count(kind => kind == "locked"));
        Assert.True(await Stores.Credentials.ClearAttemptsAsync(user.Subject, Entry(), None));
        Assert.False(await Stores.Credentials.ClearAttemptsAsync(user.Subject, Entry("refused"), None));
        for (var i = 0; i < ICredentialStore.MaxAttempts; i++)
            Assert.True(await TakeAsync(at));
        Assert.False(await TakeAsync(at + 59_999));
        Assert.True(await TakeAsync(at + 60_000));
    }

    [Fact]
    public async Task A_right_code_forgets_the_wrong_ones()
    {
        var user = await AddUserAsync(Samples.User());
        await Stores.Credentials.AddTotpAsync(TotpOf(user), Entry(), None);
        await Stores.Credentials.ReplaceRecoveryCodesAsync(user.Subject, [Samples.Hash("1")], Entry(), None);
        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < ICredentialStore.MaxAttempts - 1; i++)
                Assert.True(await Stores.Credentials.TakeAttemptAsync(user.Subject, NowMs, Entry("locked"), None));
            Assert.True(round < 2 ? await Stores.Credentials.UseTotpStepAsync(user.Subject, round + 1, None) : await Stores.Credentials.UseRecoveryCodeAsync(user.Subject, Samples.Hash("1"), Entry(), None));
        }
        Assert.DoesNotContain("locked", await AuditKindsAsync());
        Assert.False(await Stores.Credentials.TakeAttemptAsync("u-nobody", NowMs, Entry("locked"), None));
    }

    [Fact]
    public async Task A_mark_is_used_once_until_it_is_swept()
    {
        Assert.False(await Stores.Credentials.WasUsedAsync(Samples.Hash("mark"), None));
        Assert.Single(await AtOnceAsync(30, _ => Stores.Credentials.UseOnceAsync(Samples.Hash("mark"), NowMs, None)), first => first);
        Assert.True(await Stores.Credentials.WasUsedAsync(Samples.Hash("mark"), None));
        Assert.True(await Stores.Credentials.UseOnceAsync(Samples.Hash("later"), NowMs + 1, None));
        Assert.Equal(1, await Stores.Credentials.DeleteExpiredAsync(NowMs, 10, None));
        Assert.False(await Stores.Credentials.WasUsedAsync(Samples.Hash("mark"), None));
        Assert.True(await Stores.Credentials.UseOnceAsync(Samples.Hash("mark"), NowMs + 5, None));
        Assert.False(await Stores.Credentials.UseOnceAsync(Samples.Hash("later"), NowMs + 5, None));
    }

    [Fact]
    public async Task With_a_user_go_the_second_factors()
    {
        var user = await AddUserAsync(Samples.User());
        await Stores.Credentials.AddTotpAsync(TotpOf(user), Entry(), None);
        await Stores.Credentials.AddPasskeyAsync(PasskeyOf(user), Entry(), None);
        await Stores.Credentials.ReplaceRecoveryCodesAsync(user.Subject, [Samples.Hash("1")], Entry(), None);
        await Stores.Credentials.TakeAttemptAsync(user.Subject, NowMs, Entry(), None);
        Assert.True(await Stores.Directory.RemoveUserAsync(user.Subject, Entry(), None));
        var left = await Stores.Credentials.FindAsync(user.Subject, None);
        Assert.Equal((null, 0, 0), (left.Totp, left.Passkeys.Count, left.RecoveryCodes));
        Assert.Null(await Stores.Credentials.FindPasskeyAsync(Samples.Hash("passkey"), None));
    }

    [Fact]
    public async Task A_session_is_replaced_by_one_caller_and_listed_and_ended_by_its_owner()
    {
        var user = await AddUserAsync(Samples.User());
        LoginSession SessionOf(string name, long at) => Samples.Session(name, user.Subject) with { SessionId = name, CreatedAt = at, Browser = "Firefox on Linux", Methods = "password totp" };
        await Stores.Sessions.AddAsync(SessionOf("old", 1), Entry(), None);
        await Stores.Sessions.AddAsync(SessionOf("new", 2), Entry(), None);
        await Stores.Sessions.AddAsync(Samples.Session("stranger", "u-other"), Entry(), None);
        var raised = await AtOnceAsync(20, i => Stores.Sessions.ReplaceAsync(Samples.Hash("old"), SessionOf($"raised {i}", 3) with { SessionId = "old" }, Entry("raised"), None));
        Assert.Single(raised, done => done);
        Assert.Single(await AuditKindsAsync(), "raised");
        Assert.False(await Stores.Sessions.ReplaceAsync(Samples.Hash("stranger"), SessionOf("stolen", 4), Entry(), None));
        Assert.Equal(["old", "new"], (await Stores.Sessions.ListAsync(user.Subject, None)).Select(s => s.SessionId));
        Assert.Equal(RecordText.Of(SessionOf("new", 2)), RecordText.Of(await Stores.Sessions.FindAsync(Samples.Hash("new"), None)));
        Assert.False(await Stores.Sessions.EndAsync("u-other", "new", Entry(), None));
        Assert.True(await Stores.Sessions.EndAsync(user.Subject, "old", Entry(), None));
        await Stores.Sessions.AddAsync(SessionOf("third", 5), Entry(), None);
        Assert.Equal(1, await Stores.Sessions.EndOthersAsync(user.Subject, Samples.Hash("new"), Entry(), None));
        Assert.Equal("new", Assert.Single(await Stores.Sessions.ListAsync(user.Subject, None)).SessionId);
        Assert.Equal(1, await Stores.Sessions.EndOthersAsync(user.Subject, null, Entry(), None));
        Assert.NotNull(await Stores.Sessions.FindAsync(Samples.Hash("stranger"), None));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_changed_password_keeps_one_session_and_ends_grants_only_when_asked(bool all)
    {
        var user = await AddUserAsync(Samples.User() with { PasswordHash = "old", MustChangePassword = true, FailedLogins = 2 });
        await Stores.Sessions.AddAsync(Samples.Session("kept", user.Subject), Entry(), None);
        await Stores.Sessions.AddAsync(Samples.Session("ended", user.Subject), Entry(), None);
        await Stores.Grants.AddCodeAsync(Samples.Code("code") with { Subject = user.Subject }, Entry(), None);
        await Stores.Grants.AddCodeAsync(Samples.Code("used") with { Subject = user.Subject }, Entry(), None);
        await Stores.Grants.RedeemCodeAsync(Samples.Hash("used"), Now, Samples.Family("family") with { Subject = user.Subject }, Entry(), None);
        var revocation = all ? new Revocation(RevocationKind.Subject, user.Subject, Now, Now + 60) : null;
        PasswordChange Change(string stamp) => new(user.Subject, stamp, "new", "stamp-2", Samples.Hash("kept"), revocation);
        Assert.False(await Stores.Directory.ChangePasswordAsync(Change("stamp-0"), Entry("refused"), None));
        Assert.True(await Stores.Directory.ChangePasswordAsync(Change("stamp-1"), Entry(), None));
        Assert.False(await Stores.Directory.ChangePasswordAsync(Change("stamp-1"), Entry("refused"), None));
        var after = (await Stores.Directory.FindUserAsync(user.Subject, None))!;
        Assert.Equal(("new", "stamp-2", false, 0, 2), (after.PasswordHash, after.SecurityStamp, after.MustChangePassword, after.FailedLogins, after.Version));
        Assert.Equal("stamp-2", (await Stores.Sessions.FindAsync(Samples.Hash("kept"), None))!.SecurityStamp);
        Assert.Null(await Stores.Sessions.FindAsync(Samples.Hash("ended"), None));
        Assert.Null(await Stores.Grants.FindCodeAsync(Samples.Hash("code"), None));
        Assert.Equal(all, await Stores.Grants.FindFamilyAsync("family", None) is null);
        Assert.Equal(all ? 1 : 0, (await Stores.Revocations.LoadAsync(-1, Now, None)).Count);
        Assert.DoesNotContain("refused", await AuditKindsAsync());
    }

    [Fact]
    public async Task What_a_client_has_from_a_user_is_listed_and_ended_as_a_whole()
    {
        var user = await AddUserAsync(Samples.User());
        foreach (var (name, client) in new[] { ("1", "first"), ("2", "first"), ("3", "second") })
        {
            await Stores.Grants.AddCodeAsync(Samples.Code(name) with { Subject = user.Subject, ClientId = client }, Entry(), None);
            await Stores.Grants.RedeemCodeAsync(Samples.Hash(name), Now, Samples.Family(name) with { Subject = user.Subject, ClientId = client, StartedAt = NowMs }, Entry(), None);
        }
        await Stores.Grants.AddCodeAsync(Samples.Code("waiting") with { Subject = user.Subject, ClientId = "first" }, Entry(), None);
        var consent = new Keyreeve.Core.Grants.Consent(user.Subject, "first", Samples.Family().Scope, Now) { Shown = [new("openid", "Ihre \"Identität\""), new("val:a", "A")] };
        await Stores.Grants.SaveConsentAsync(consent, Entry(), None);
        Assert.Equal(RecordText.Of(consent), RecordText.Of(Assert.Single(await Stores.Grants.ListConsentsAsync(user.Subject, None))));
        var families = await Stores.Grants.ListFamiliesAsync(user.Subject, NowMs, None);
        Assert.Equal(["1", "2", "3"], families.Select(f => f.FamilyId).Order());
        Assert.All(families, f => Assert.Equal(NowMs, f.StartedAt));

        var otherwise = new Revocation(RevocationKind.Subject, user.Subject, Now, Now + 60);
        Assert.Equal(2, await Stores.Grants.EndAccessAsync(user.Subject, "first", NowMs, id => new(RevocationKind.Grant, id, Now, Now + 60), otherwise, Entry("ended"), None));
        Assert.Equal("3", Assert.Single(await Stores.Grants.ListFamiliesAsync(user.Subject, NowMs, None)).FamilyId);
        Assert.Null(await Stores.Grants.FindConsentAsync(user.Subject, "first", None));
        Assert.False(await Stores.Grants.RedeemCodeAsync(Samples.Hash("waiting"), Now, null, Entry(), None));
        Assert.Equal(["1", "2"], (await Stores.Revocations.LoadAsync(-1, Now, None)).Select(r => r.Value).Order());
        // Nothing to refresh with: then what it holds are access tokens, and they end by the user.
        Assert.Equal(0, await Stores.Grants.EndAccessAsync(user.Subject, "first", NowMs, id => new(RevocationKind.Grant, id, Now, Now + 60), otherwise, Entry("ended"), None));
        Assert.Contains(user.Subject, (await Stores.Revocations.LoadAsync(-1, Now, None)).Select(r => r.Value));
    }
}
