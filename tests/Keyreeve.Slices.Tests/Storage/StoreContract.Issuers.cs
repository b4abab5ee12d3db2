using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    [Fact]
    public async Task A_trusted_issuer_comes_back_with_every_field_and_is_replaced_whole()
    {
        var full = Samples.FullIssuer();
        Assert.Empty(RecordText.Unset(full));
        Value(await Stores.Directory.SaveIssuerAsync(full, create: true, null, Entry("issuer.added"), None));
        Assert.Equal(RecordText.Of(full), RecordText.Of(Assert.Single(await Stores.Directory.ListIssuersAsync(None))));

        var bare = new TrustedIssuer { Issuer = full.Issuer, Name = "Bare", Links = TrustedIssuer.NoLinks };
        Value(await Stores.Directory.SaveIssuerAsync(bare, create: false, 1, Entry(), None));
        Assert.Equal(RecordText.Of(bare with { Version = 2 }), RecordText.Of(Assert.Single(await Stores.Directory.ListIssuersAsync(None))));
    }

    [Fact]
    public async Task Trusted_issuers_are_told_apart_octet_by_octet_and_versions_are_compared()
    {
        foreach (var id in (string[])["https://b.example", "https://a.example", "https://B.example"])
            Value(await Stores.Directory.SaveIssuerAsync(Samples.FullIssuer() with { Issuer = id }, create: true, null, Entry(), None));
        Assert.Equal(["https://B.example", "https://a.example", "https://b.example"], (await Stores.Directory.ListIssuersAsync(None)).Select(i => i.Issuer));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveIssuerAsync(Samples.FullIssuer() with { Issuer = "https://a.example" }, create: true, null, Entry(), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Directory.SaveIssuerAsync(Samples.FullIssuer() with { Issuer = "https://a.example" }, create: false, 7, Entry(), None)));
        Assert.Equal(RefusalCode.NotFound, Code(await Stores.Directory.SaveIssuerAsync(Samples.FullIssuer() with { Issuer = "https://c.example" }, create: false, 1, Entry(), None)));
        Assert.Equal(3, await VersionOfAsync(Topic.Issuers));
        Assert.True(await Stores.Directory.RemoveIssuerAsync("https://a.example", Entry(), None));
        Assert.False(await Stores.Directory.RemoveIssuerAsync("https://a.example", Entry(), None));
        Assert.Equal((4, 2), (await VersionOfAsync(Topic.Issuers), (await Stores.Directory.ListIssuersAsync(None)).Count));
    }

    [Fact]
    public async Task The_resource_servers_of_an_audience_are_found_and_nobody_else()
    {
        await AddClientAsync(Samples.Client("b") with { Audience = "https://rs.example", CertificateThumbprints = ["1", "2"] });
        await AddClientAsync(Samples.Client("a") with { Audience = "https://rs.example" });
        await AddClientAsync(Samples.Client("c") with { Audience = "https://RS.example" });
        await AddClientAsync(Samples.Client("d"));
        var found = await Stores.Directory.FindClientsByAudienceAsync("https://rs.example", None);
        Assert.Equal(["a", "b"], found.Select(c => c.ClientId));
        Assert.Equal(["1", "2"], found[1].CertificateThumbprints);
        Assert.Empty(await Stores.Directory.FindClientsByAudienceAsync("", None));
        Assert.Empty(await Stores.Directory.FindClientsByAudienceAsync("\ud800", None));
    }
}
