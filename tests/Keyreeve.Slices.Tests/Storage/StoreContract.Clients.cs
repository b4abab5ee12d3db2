using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

public abstract partial class StoreContract
{
    private async Task<Client> AddClientAsync(Client client) => Value(await Stores.Directory.SaveClientAsync(client, create: true, null, Entry("client.added"), None));

    [Fact]
    public async Task A_client_comes_back_with_every_field()
    {
        var full = Samples.FullClient();
        Assert.Empty(RecordText.Unset(full).Except([nameof(Client.Profile), nameof(Client.Consent), nameof(Client.IdTokenAlgorithm)]));
        await AddClientAsync(full);
        await AddClientAsync(Samples.Client());

        Assert.Equal(RecordText.Of(full), RecordText.Of(await Stores.Directory.FindClientAsync("full", None)));
        Assert.Equal(RecordText.Of(Samples.Client() with { Version = 1 }), RecordText.Of(await Stores.Directory.FindClientAsync("client", None)));
        Assert.Equal([RecordText.Of(Samples.Client() with { Version = 1 }), RecordText.Of(full)], (await Stores.Directory.ListClientsAsync(null, 10, None)).Select(RecordText.Of));
        foreach (var thumbprint in full.CertificateThumbprints)
            Assert.Equal(RecordText.Of(full), RecordText.Of(await Stores.Directory.FindClientByCertificateAsync(thumbprint, None)));
    }

    [Fact]
    public async Task A_saved_client_replaces_every_field()
    {
        var full = await AddClientAsync(Samples.FullClient());
        var bare = Samples.Client("full");
        Value(await Stores.Directory.SaveClientAsync(bare, create: false, 1, Entry(), None));
        Assert.Equal(RecordText.Of(bare with { Version = 2 }), RecordText.Of(await Stores.Directory.FindClientAsync("full", None)));
        Assert.Null(await Stores.Directory.FindClientByCertificateAsync(full.CertificateThumbprints[0], None));
    }

    [Fact]
    public async Task Every_enumeration_of_a_client_survives()
    {
        foreach (var algorithm in JwsAlgorithms.All)
            foreach (var consent in Enum.GetValues<ConsentRule>())
                foreach (var profile in Enum.GetValues<ClientProfile>())
                {
                    var client = Samples.Client($"{algorithm}-{consent}-{profile}") with
                    {
                        IdTokenAlgorithm = algorithm,
                        Consent = consent,
                        Profile = profile,
                        AuthMethods = [.. Enum.GetValues<ClientAuthMethod>()],
                        Grants = [.. Enum.GetValues<GrantType>()],
                        Version = 1,
                    };
                    await AddClientAsync(client);
                    Assert.Equal(RecordText.Of(client), RecordText.Of(await Stores.Directory.FindClientAsync(client.ClientId, None)));
                }
    }

    [Fact]
    public async Task Versions_decide_who_saves_a_client()
    {
        var client = await AddClientAsync(Samples.Client());
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveClientAsync(client, create: true, null, Entry(), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveClientAsync(client, create: false, 7, Entry(), None)));
        Assert.Equal(RefusalCode.NotFound, Code(await Stores.Directory.SaveClientAsync(Samples.Client("nobody"), create: false, null, Entry(), None)));
        Assert.Equal(2, Value(await Stores.Directory.SaveClientAsync(client, create: false, 1, Entry(), None)).Version);
    }

    [Fact]
    public async Task A_certificate_names_one_client_only()
    {
        var full = await AddClientAsync(Samples.FullClient());
        var thief = await AddClientAsync(Samples.Client("thief"));
        var version = await VersionOfAsync(Topic.Clients);
        var taking = thief with { Name = "changed", CertificateThumbprints = [full.CertificateThumbprints[0]] };
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveClientAsync(taking, create: false, null, Entry("refused"), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveClientAsync(taking with { ClientId = "new" }, create: true, null, Entry("refused"), None)));
        Assert.Equal("full", (await Stores.Directory.FindClientByCertificateAsync(full.CertificateThumbprints[0], None))!.ClientId);
        Assert.Equal("A client", (await Stores.Directory.FindClientAsync("thief", None))!.Name);
        Assert.Null(await Stores.Directory.FindClientAsync("new", None));
        Assert.Equal(version, await VersionOfAsync(Topic.Clients));
        Assert.DoesNotContain("refused", await AuditKindsAsync());
    }

    [Fact]
    public async Task With_a_client_go_its_certificates_codes_families_and_consents()
    {
        var full = await AddClientAsync(Samples.FullClient());
        await AddClientAsync(Samples.Client("other"));
        foreach (var id in new[] { "full", "other" })
        {
            await Stores.Grants.AddCodeAsync(Samples.Code(id) with { ClientId = id }, Entry(), None);
            await Stores.Grants.AddCodeAsync(Samples.Code(id + " used") with { ClientId = id }, Entry(), None);
            Assert.True(await Stores.Grants.RedeemCodeAsync(Samples.Hash(id + " used"), Now, Samples.Family(id) with { ClientId = id }, Entry(), None));
            await Stores.Grants.SaveConsentAsync(new("u-x", id, Samples.Family().Scope, Now), Entry(), None);
        }

        Assert.True(await Stores.Directory.RemoveClientAsync("full", Entry(), None));
        Assert.False(await Stores.Directory.RemoveClientAsync("full", Entry(), None));
        Assert.Null(await Stores.Directory.FindClientByCertificateAsync(full.CertificateThumbprints[0], None));
        foreach (var (id, stays) in new[] { ("full", false), ("other", true) })
        {
            Assert.Equal(stays, await Stores.Directory.FindClientAsync(id, None) is not null);
            Assert.Equal(stays, await Stores.Grants.FindCodeAsync(Samples.Hash(id), None) is not null);
            Assert.Equal(stays, await Stores.Grants.FindFamilyAsync(id, None) is not null);
            Assert.Equal(stays, await Stores.Grants.FindConsentAsync("u-x", id, None) is not null);
        }
        await AddClientAsync(Samples.Client("heir") with { CertificateThumbprints = full.CertificateThumbprints });
    }

    [Fact]
    public async Task Clients_page_by_cursor_without_loss()
    {
        for (var i = 0; i < 17; i++)
            await AddClientAsync(Samples.Client($"client {i}") with { CertificateThumbprints = [$"{i}-a", $"{i}-b"] });
        var all = await AllPagesAsync<Client>(last => Stores.Directory.ListClientsAsync(last?.ClientId, 4, None));
        Assert.Equal(Enumerable.Range(0, 17).Select(i => $"client {i}").Order(StringComparer.Ordinal), all.Select(client => client.ClientId));
        Assert.All(all, client => Assert.Equal(2, client.CertificateThumbprints.Length));
    }

    [Fact]
    public async Task Saving_and_removing_tells_the_nodes_and_nothing_else_does()
    {
        await AddClientAsync(Samples.Client());
        Assert.Equal((1, 0), (await VersionOfAsync(Topic.Clients), await VersionOfAsync(Topic.Services)));
        await Stores.Directory.RemoveClientAsync("client", Entry(), None);
        await Stores.Directory.RemoveClientAsync("client", Entry(), None);
        Assert.Equal(2, await VersionOfAsync(Topic.Clients));
        Value(await Stores.Directory.SaveServiceAsync(new() { ServiceId = "s", Name = "S", Audience = "a" }, create: true, null, Entry(), None));
        await Stores.Directory.RemoveServiceAsync("s", Entry(), None);
        Assert.Equal((2, 2), (await VersionOfAsync(Topic.Clients), await VersionOfAsync(Topic.Services)));
    }

    [Fact]
    public async Task A_service_comes_back_with_every_field_in_ordinal_order()
    {
        foreach (var id in new[] { "b", "a", "B" })
            Value(await Stores.Directory.SaveServiceAsync(new() { ServiceId = id, Name = "N " + id, Audience = "aud " + id }, create: true, null, Entry(), None));
        Assert.Equal(["B", "a", "b"], (await Stores.Directory.ListServicesAsync(None)).Select(service => service.ServiceId));
        var saved = new ValService { ServiceId = "a", Name = "new", Audience = "new audience", AcrValues = ["phr", "3gpp:acr:password"], KeyFailuresUri = "https://val.example/failures" };
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveServiceAsync(saved, create: true, null, Entry(), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveServiceAsync(saved, create: false, 3, Entry(), None)));
        Value(await Stores.Directory.SaveServiceAsync(saved, create: false, 1, Entry(), None));
        Assert.Equal(RecordText.Of(saved with { Version = 2 }), RecordText.Of((await Stores.Directory.ListServicesAsync(None)).Single(service => service.ServiceId == "a")));
    }

    [Fact]
    public async Task With_a_service_go_its_mappings_and_who_had_them_is_changed()
    {
        Value(await Stores.Directory.SaveServiceAsync(new() { ServiceId = "s", Name = "S", Audience = "a" }, create: true, null, Entry(), None));
        var has = await AddUserAsync(Samples.User("has") with { ValServiceIds = ["s", "t"] });
        var hasNot = await AddUserAsync(Samples.User("has not") with { ValServiceIds = ["t"] });
        Value(await Stores.Directory.SaveDeviceAsync(new() { ValUeId = "ue", ValServiceIds = ["s"] }, create: true, null, Entry(), None));

        Assert.True(await Stores.Directory.RemoveServiceAsync("s", Entry(), None));
        Assert.False(await Stores.Directory.RemoveServiceAsync("s", Entry(), None));
        var after = (await Stores.Directory.FindUserAsync(has.Subject, None))!;
        Assert.Equal(["t"], after.ValServiceIds);
        Assert.Equal(2, after.Version);
        Assert.Equal(1, (await Stores.Directory.FindUserAsync(hasNot.Subject, None))!.Version);
        var device = (await Stores.Directory.FindDeviceAsync("ue", None))!;
        Assert.Empty(device.ValServiceIds);
        Assert.Equal(2, device.Version);
    }

    [Fact]
    public async Task A_device_comes_back_pages_and_goes()
    {
        for (var i = 0; i < 7; i++)
            Value(await Stores.Directory.SaveDeviceAsync(new() { ValUeId = $"ue {i}", ValServiceIds = ["a", "b"] }, create: true, null, Entry(), None));
        var all = await AllPagesAsync<Device>(last => Stores.Directory.ListDevicesAsync(last?.ValUeId, 3, None));
        Assert.Equal(Enumerable.Range(0, 7).Select(i => $"ue {i}"), all.Select(device => device.ValUeId));
        Assert.All(all, device => Assert.Equal(RecordText.Of(device), RecordText.Of(new Device { ValUeId = device.ValUeId, ValServiceIds = ["a", "b"], Version = 1 })));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveDeviceAsync(all[0], create: true, null, Entry(), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveDeviceAsync(all[0], create: false, 2, Entry(), None)));
        Assert.Equal(RefusalCode.NotFound, Code(await Stores.Directory.SaveDeviceAsync(new() { ValUeId = "x" }, create: false, null, Entry(), None)));
        Assert.Equal(2, Value(await Stores.Directory.SaveDeviceAsync(all[0] with { ValServiceIds = ["c"] }, create: false, 1, Entry(), None)).Version);
        Assert.Equal(["c"], (await Stores.Directory.FindDeviceAsync("ue 0", None))!.ValServiceIds);
        Assert.True(await Stores.Directory.RemoveDeviceAsync("ue 0", Entry(), None));
        Assert.False(await Stores.Directory.RemoveDeviceAsync("ue 0", Entry(), None));
        Assert.Null(await Stores.Directory.FindDeviceAsync("ue 0", None));
    }
}
