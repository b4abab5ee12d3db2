using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Seal;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>Configurations of VAL servers, what they give, and profiles.</summary>
public abstract partial class StoreContract
{
    private static readonly DateTimeOffset Moment = DateTimeOffset.FromUnixTimeSeconds(Now);

    private static KmIdentity ValUser(string id) => new(KmIdentityKind.User, id);

    private static StoredConfiguration Given(string configId, string clientId, params (string Service, string[] Users)[] services) => new(configId, new ValServicesConfig
    {
        ValServerId = clientId,
        Services = [.. services.Select(s => new ValServiceParams(s.Service, [.. s.Users.Select(ValUser), new(KmIdentityKind.Device, "ue")]))],
        SuppFeat = "0",
    }, 0);

    private async Task AddValServerAsync(string clientId, params string[] owned) =>
        Value(await Stores.Directory.SaveClientAsync(new Client { ClientId = clientId, Name = clientId, OwnedServices = [.. owned] }, create: true, null, Entry(), None));

    private async Task<StoredConfiguration> GiveAsync(StoredConfiguration asked, bool create = true) =>
        Value(await Stores.Configurations.SaveAsync(asked, create, null, Moment, Entry(), None));

    private async Task<string[]> EndedAsync() => [.. (await Stores.Revocations.LoadAsync(-1, Now, None)).Where(r => r.Kind == RevocationKind.Subject).Select(r => r.Value).Order(StringComparer.Ordinal)];

    [Fact]
    [Proves("TS 33.434", "5.2.3")]
    public async Task A_configuration_comes_back_in_its_order_with_all_it_has()
    {
        await AddValServerAsync("v", "s1", "s2");
        // More rows than one INSERT takes, and an order that is no order of texts.
        var many = Enumerable.Range(0, 250).Select(i => $"u{(i * 7) % 250}").ToArray();
        var saved = await GiveAsync(Given("c", "v", ("s2", many), ("s1", ["z", "a"])));
        Assert.Equal(1, saved.Version);
        foreach (var found in new[] { await Stores.Configurations.FindAsync("v", "c", None), (await Stores.Configurations.ListAsync("v", null, None)).Single(), (await Stores.Configurations.ListAsync("v", ["c", "d"], None)).Single() })
            Assert.Equal(RecordText.Of(saved), RecordText.Of(found));
        Assert.Null(await Stores.Configurations.FindAsync("w", "c", None));
        Assert.Empty(await Stores.Configurations.ListAsync("w", null, None));
        Assert.Empty(await Stores.Configurations.ListAsync("w", ["c"], None));
    }

    [Fact]
    [Proves("TS 33.434", "5.2.3")]
    public async Task What_is_provisioned_is_read_with_users_and_devices_beside_what_operators_gave()
    {
        await AddValServerAsync("v", "s1", "s2");
        var user = await AddUserAsync(Samples.User("grace") with { ValUserId = "g", ValServiceIds = ["s1", "s0"] });
        Value(await Stores.Directory.SaveDeviceAsync(new Device { ValUeId = "ue" }, create: true, null, Entry(), None));
        await GiveAsync(Given("c1", "v", ("s2", ["g"]), ("s1", ["g"])));
        await GiveAsync(Given("c2", "v", ("s2", ["g"])));
        foreach (var read in new[] { await Stores.Directory.FindUserAsync(user.Subject, None), await Stores.Directory.FindUserByNameAsync("grace", None), (await Stores.Directory.ListUsersAsync(null, 10, None)).Single() })
        {
            Assert.Equal(["s0", "s1"], read!.ValServiceIds);
            Assert.Equal(["s1", "s2"], read.ProvisionedServiceIds);
            Assert.Equal(["s0", "s1", "s2"], read.AllServiceIds);
        }
        Assert.Equal(["s1", "s2"], (await Stores.Directory.FindDeviceAsync("ue", None))!.AllServiceIds);
        Assert.Equal(["s1", "s2"], (await Stores.Directory.ListDevicesAsync(null, 10, None)).Single().ProvisionedServiceIds);
        // Saving the user as it was read makes nothing the operator's own.
        var again = Value(await Stores.Directory.SaveUserAsync((await Stores.Directory.FindUserAsync(user.Subject, None))!, create: false, null, Entry(), None));
        Assert.Equal((2, 2), (again.ValServiceIds.Count, again.ProvisionedServiceIds.Count));
    }

    [Fact]
    [Proves("TS 33.434", "5.2.3")]
    public async Task Who_loses_a_service_has_the_tokens_ended_in_the_same_write_and_nobody_else()
    {
        await AddValServerAsync("v", "s1");
        var names = new[] { "by-operator", "by-another", "only", "stays" };
        foreach (var name in names)
            await AddUserAsync(Samples.User(name) with { ValUserId = name, ValServiceIds = name == "by-operator" ? ["s1"] : [] });
        await GiveAsync(Given("c", "v", ("s1", names)));
        await GiveAsync(Given("other", "v", ("s1", ["by-another"])));
        Assert.Empty(await EndedAsync());
        var before = await VersionOfAsync(Topic.Revocations);
        await GiveAsync(Given("c", "v", ("s1", ["stays"])), create: false);
        Assert.Equal([Samples.User("only").Subject], await EndedAsync());
        Assert.True(await VersionOfAsync(Topic.Revocations) > before, "no node was told");
        var ended = (await Stores.Revocations.LoadAsync(-1, Now, None)).Single();
        Assert.Equal(Now + 1, ended.IssuedUntil);
        Value(await Stores.Configurations.RemoveAsync("v", "c", null, Moment, Entry(), None));
        Assert.Equal(new[] { Samples.User("only").Subject, Samples.User("stays").Subject }.Order(StringComparer.Ordinal), await EndedAsync());
    }

    [Fact]
    public async Task A_write_that_is_refused_changes_nothing()
    {
        await AddValServerAsync("v", "s1");
        await AddValServerAsync("w", "s1");
        var saved = await GiveAsync(Given("c", "v", ("s1", ["a"])));
        Assert.Equal(RefusalCode.NotOwner, Code(await Stores.Configurations.SaveAsync(Given("d", "v", ("s2", ["a"])), true, null, Moment, Entry("never"), None)));
        Assert.Equal(RefusalCode.NotOwner, Code(await Stores.Configurations.SaveAsync(Given("d", "nobody", ("s1", ["a"])), true, null, Moment, Entry("never"), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Configurations.SaveAsync(Given("c", "v", ("s1", ["b"])), false, 7, Moment, Entry("never"), None)));
        Assert.Equal(RefusalCode.NotFound, Code(await Stores.Configurations.SaveAsync(Given("c", "w", ("s1", ["b"])), false, null, Moment, Entry("never"), None)));
        Assert.Equal(RefusalCode.NotFound, Code(await Stores.Configurations.RemoveAsync("w", "c", null, Moment, Entry("never"), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Configurations.RemoveAsync("v", "c", 7, Moment, Entry("never"), None)));
        Assert.Equal(RecordText.Of(saved), RecordText.Of(await Stores.Configurations.FindAsync("v", "c", None)));
        Assert.DoesNotContain("never", await AuditKindsAsync());
        Assert.Empty(await EndedAsync());
    }

    [Fact]
    public async Task A_VAL_server_has_room_for_so_much_and_no_more()
    {
        await AddValServerAsync("v", "s1");
        for (var i = 0; i < IConfigurationStore.MaxConfigurations; i++)
            await GiveAsync(Given("c" + i, "v", ("s1", ["a"])));
        Assert.Equal(RefusalCode.AccessDenied, Code(await Stores.Configurations.SaveAsync(Given("more", "v", ("s1", ["a"])), true, null, Moment, Entry(), None)));
        // What is there may still be changed.
        Assert.Equal(2, (await GiveAsync(Given("c0", "v", ("s1", ["b"])), create: false)).Version);
    }

    [Fact]
    public async Task A_service_that_is_removed_is_in_no_configuration_and_has_no_profiles()
    {
        foreach (var service in (string[])["s1", "s2"])
            Value(await Stores.Directory.SaveServiceAsync(new ValService { ServiceId = service, Name = service, Audience = service }, create: true, null, Entry(), None));
        await AddValServerAsync("v", "s1", "s2");
        await GiveAsync(Given("both", "v", ("s1", ["a"]), ("s2", ["a"])));
        await GiveAsync(Given("one", "v", ("s1", ["a"])));
        Value(await Stores.Profiles.SaveAsync(Profile("s1"), 0, Entry(), None));
        Assert.True(await Stores.Directory.RemoveServiceAsync("s1", Entry(), None));
        Assert.Equal("s2", (await Stores.Configurations.FindAsync("v", "both", None))!.Config.Services.Single().ServiceId);
        Assert.Null(await Stores.Configurations.FindAsync("v", "one", None));
        Assert.Null(await Stores.Profiles.FindAsync("s1", ValUser("a"), None));
    }

    [Fact]
    public async Task A_profile_is_kept_by_its_three_part_key_with_versions()
    {
        var saved = Value(await Stores.Profiles.SaveAsync(Profile("s1"), 0, Entry(), None));
        Assert.Equal(RecordText.Of(saved), RecordText.Of(await Stores.Profiles.FindAsync("s1", ValUser("a"), None)));
        Assert.Null(await Stores.Profiles.FindAsync("s1", new(KmIdentityKind.Device, "a"), None));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Profiles.SaveAsync(Profile("s1"), 0, Entry(), None)));
        Assert.Equal(2, Value(await Stores.Profiles.SaveAsync(Profile("s1"), 1, Entry(), None)).Version);
        Value(await Stores.Profiles.SaveAsync(Profile("s0"), 0, Entry(), None));
        Assert.Equal(["s0", "s1"], (await Stores.Profiles.OfAsync(ValUser("a"), None)).Select(p => p.ServiceId));
        Assert.Equal(["s1"], (await Stores.Profiles.ListAsync(null, ("s0", ValUser("a")), 10, None)).Select(p => p.ServiceId));
        Assert.Equal(["s0"], (await Stores.Profiles.ListAsync("s0", null, 10, None)).Select(p => p.ServiceId));
        Assert.True(await Stores.Profiles.RemoveAsync("s1", ValUser("a"), Entry(), None));
        Assert.False(await Stores.Profiles.RemoveAsync("s1", ValUser("a"), Entry(), None));
    }

    private static ValProfile Profile(string service) => new() { ServiceId = service, Target = ValUser("a"), SealedDocument = [1, 2, 3], UpdatedAt = Now };
}
