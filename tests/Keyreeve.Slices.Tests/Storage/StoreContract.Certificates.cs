using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    private static readonly DateTimeOffset Then = DateTimeOffset.FromUnixTimeSeconds(Now);

    [Fact]
    public async Task A_certificate_is_read_as_it_was_registered()
    {
        var certificate = Issued("a1") with { ClientId = "val", Name = "Größe \"1\"" };
        Assert.Equal(certificate, Value(await Stores.Certificates.AddAsync(certificate, null, Entry("certificate.issued"), None)));
        Assert.Equal(certificate, await Stores.Certificates.FindAsync("a1", None));
        Assert.Null(await Stores.Certificates.FindAsync("A1", None));
        Assert.Null(await Stores.Certificates.FindAsync("a\0", None));
        Assert.Contains("certificate.issued", await AuditKindsAsync());
        await Assert.ThrowsAnyAsync<Exception>(() => Stores.Certificates.AddAsync(certificate, null, Entry(), None));
    }

    [Fact]
    public async Task Certificates_are_listed_in_pages_and_by_client()
    {
        foreach (var serial in (string[])["c3", "a1", "b2"])
            await Stores.Certificates.AddAsync(Issued(serial) with { ClientId = serial == "b2" ? "other" : "val" }, null, Entry(), None);
        Assert.Equal(["a1", "b2", "c3"], (await AllPagesAsync<IssuedCertificate>(last => Stores.Certificates.ListAsync(null, last?.Serial, 2, None))).Select(c => c.Serial));
        Assert.Equal(["a1", "c3"], (await Stores.Certificates.ListAsync("val", null, 9, None)).Select(c => c.Serial));
    }

    [Fact]
    public async Task A_renewal_takes_the_place_of_one_that_is_good_and_of_no_other()
    {
        await Stores.Certificates.AddAsync(Issued("a1"), null, Entry(), None);
        Value(await Stores.Certificates.AddAsync(Issued("a2"), "a1", Entry(), None));
        Assert.Equal("a2", (await Stores.Certificates.FindAsync("a1", None))!.ReplacedBy);
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Certificates.AddAsync(Issued("a3"), "a1", Entry(), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Certificates.AddAsync(Issued("a3"), "nobody", Entry(), None)));
        Value(await Stores.Certificates.RevokeAsync("a2", X509RevocationReason.Superseded, Then, Build, Entry(), None));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Certificates.AddAsync(Issued("a3"), "a2", Entry(), None)));
        Assert.Null(await Stores.Certificates.FindAsync("a3", None));
    }

    [Fact]
    [Proves("RFC 5280", "5.2.3")]
    public async Task What_is_revoked_is_revoked_once_and_stands_in_a_new_list_with_the_next_number()
    {
        foreach (var serial in (string[])["a1", "a2"])
            await Stores.Certificates.AddAsync(Issued(serial), null, Entry(), None);
        await Stores.Certificates.AddAsync(Issued("f1") with { Authority = CaRole.Capif }, null, Entry(), None);
        Assert.Equal(0, (await Stores.Certificates.LoadRevokedAsync(Then, None)).Count);
        var version = await VersionOfAsync(Topic.Certificates);

        var revoked = Value(await Stores.Certificates.RevokeAsync("a1", X509RevocationReason.KeyCompromise, Then, Build, Entry("certificate.revoked"), None));
        Assert.Equal((Now, X509RevocationReason.KeyCompromise), (revoked.RevokedAt, revoked.Reason));
        Assert.Equal(revoked, await Stores.Certificates.FindAsync("a1", None));
        Assert.Equal(version + 1, await VersionOfAsync(Topic.Certificates));
        Assert.Equal(RefusalCode.Conflict, Code(await Stores.Certificates.RevokeAsync("a1", X509RevocationReason.Superseded, Then, Build, Entry(), None)));
        Assert.Equal(RefusalCode.NotFound, Code(await Stores.Certificates.RevokeAsync("nobody", X509RevocationReason.Superseded, Then, Build, Entry(), None)));
        Value(await Stores.Certificates.RevokeAsync("a2", X509RevocationReason.Unspecified, Then, Build, Entry(), None));
        Value(await Stores.Certificates.RevokeAsync("f1", X509RevocationReason.Unspecified, Then, Build, Entry(), None));

        var all = await Stores.Certificates.LoadRevokedAsync(Then, None);
        Assert.True(all.Names(CaRole.ValMc, "a1") && all.Names(CaRole.ValMc, "A2") && all.Names(CaRole.Capif, "f1"));
        Assert.False(all.Names(CaRole.Capif, "a1") || all.Names(CaRole.ValMc, "a3"));
        Assert.Equal((2L, "a1,a2"), (all.ListOf(CaRole.ValMc)!.Number, System.Text.Encoding.ASCII.GetString(all.ListOf(CaRole.ValMc)!.Der)));
        Assert.Equal((1L, "f1"), (all.ListOf(CaRole.Capif)!.Number, System.Text.Encoding.ASCII.GetString(all.ListOf(CaRole.Capif)!.Der)));
        Assert.Null(all.ListOf(CaRole.Root));
    }

    [Fact]
    [Proves("RFC 5280", "3.3")]
    public async Task An_ended_certificate_stays_in_the_list_until_one_was_made_after_its_end()
    {
        await Stores.Certificates.AddAsync(Issued("a1") with { NotAfter = Now + 10 }, null, Entry(), None);
        Value(await Stores.Certificates.RevokeAsync("a1", X509RevocationReason.Unspecified, Then, Build, Entry(), None));
        Assert.Equal(0, (await Stores.Certificates.LoadRevokedAsync(Then.AddSeconds(11), None)).Count);
        Assert.True(await Stores.Certificates.RenewListAsync(CaRole.ValMc, Then.AddDays(1), Then.AddDays(1), Build, Entry(), None));
        Assert.Equal("a1", System.Text.Encoding.ASCII.GetString((await Stores.Certificates.LoadRevokedAsync(Then, None)).ListOf(CaRole.ValMc)!.Der));
        Assert.True(await Stores.Certificates.RenewListAsync(CaRole.ValMc, Then.AddDays(30), Then.AddDays(30), Build, Entry(), None));
        Assert.Equal("", System.Text.Encoding.ASCII.GetString((await Stores.Certificates.LoadRevokedAsync(Then, None)).ListOf(CaRole.ValMc)!.Der));
    }

    [Fact]
    public async Task A_list_is_made_anew_when_it_is_old_and_by_one_of_those_who_want_to()
    {
        var made = await AtOnceAsync(8, _ => Stores.Certificates.RenewListAsync(CaRole.Servers, Then, Then, Build, Entry(), None));
        Assert.Single(made, true);
        Assert.False(await Stores.Certificates.RenewListAsync(CaRole.Servers, Then, Then.AddHours(1), Build, Entry(), None));
        Assert.True(await Stores.Certificates.RenewListAsync(CaRole.Servers, Then.AddHours(1), Then.AddHours(1), Build, Entry(), None));
        Assert.Equal(2, (await Stores.Certificates.LoadRevokedAsync(Then, None)).ListOf(CaRole.Servers)!.Number);
    }

    [Fact]
    public async Task What_ends_soon_is_found_without_what_was_revoked_or_replaced_and_what_ended_long_ago_is_swept()
    {
        foreach (var (serial, end) in new[] { ("a1", 10L), ("a2", 5L), ("a3", 7L), ("a4", 8L), ("a5", 999_999L), ("a6", -1L) })
            await Stores.Certificates.AddAsync(Issued(serial) with { NotAfter = Now + end }, null, Entry(), None);
        Value(await Stores.Certificates.RevokeAsync("a3", X509RevocationReason.Unspecified, Then, Build, Entry(), None));
        Value(await Stores.Certificates.AddAsync(Issued("a7"), "a4", Entry(), None));
        Assert.Equal(["a2", "a1"], (await Stores.Certificates.EndingAsync(Now, Now + 100, 9, None)).Select(c => c.Serial));
        var sweep = Stores.Sweeps.Single(s => s.Name == "issued_certificates");
        Assert.Equal(0, (await sweep.RunAsync(Then.AddDays(89), 100, None)).Rows);
        Assert.Equal(5, (await sweep.RunAsync(Then.AddDays(91), 100, None)).Rows);
    }

    [Fact]
    public async Task Clients_are_found_by_the_name_in_their_certificate()
    {
        foreach (var (id, name) in new[] { ("a", "san_dns:VAL.example"), ("b", "san_uri:urn:val:B"), ("c", "san_dns:val.example"), ("d", null) })
            Value(await Stores.Directory.SaveClientAsync(Samples.Client(id) with { TlsName = name is null ? null : Named(name) }, create: true, null, Entry(), None));
        Assert.Equal(["a", "c"], await OwnersAsync("san_dns:val.EXAMPLE"));
        Assert.Equal(["b"], await OwnersAsync("san_uri:urn:val:B"));
        Assert.Empty(await OwnersAsync("san_uri:urn:val:b"));
        Assert.Empty(await OwnersAsync("san_uri:val.example"));

        async Task<IEnumerable<string>> OwnersAsync(string name) =>
            RegisteredName.TryRead(name, out var read, out _) ? (await Stores.Directory.FindClientsByTlsNameAsync(read, None)).Select(c => c.ClientId) : [];

        static RegisteredName Named(string text) => RegisteredName.TryRead(text, out var name, out var reason) ? name : throw new ArgumentException(reason);
    }

    private static IssuedCertificate Issued(string serial) => new()
    {
        Serial = serial,
        Authority = CaRole.ValMc,
        Name = "one",
        Thumbprint = "00" + serial,
        Pem = "-----BEGIN CERTIFICATE-----\n",
        NotBefore = Now - 10,
        NotAfter = Now + 90L * 24 * 3600,
        IssuedAt = Now,
    };

    /// <summary>A "list" that shows what it was made of.</summary>
    private static RevocationListRow Build(CaRole authority, IReadOnlyList<RevokedCertificate> revoked, long number) =>
        new(authority, number, System.Text.Encoding.ASCII.GetBytes(string.Join(',', revoked.Select(r => r.SerialNumber))), Now, Now + 1);
}
