using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Policy;

public sealed class ScopeCatalogueTests
{
    [Fact]
    [Proves("TS 33.434", "5.2.6")]
    public void A_user_grants_services_that_are_mapped_and_no_operator_scope()
    {
        var asked = Samples.Scopes("keyreeve.admin val:b val:a seal:key_management openid unknown keyreeve.audit.read");
        Assert.Equal("val:a seal:key_management openid", Samples.Catalogue.GrantableTo(Samples.User, asked).Text);
        Assert.Equal("seal:key_management openid", Samples.Catalogue.GrantableTo(Samples.User with { ValServiceIds = ["A", "aa", ""] }, asked).Text);
    }

    [Fact]
    public void Audiences_stand_once_in_the_order_of_the_scopes()
    {
        Assert.Equal(["https://b.example", Samples.Issuer + "/seal/km", Samples.Issuer + "/userinfo"], Samples.Catalogue.AudienceOf(Samples.Scopes("val:b seal:key_management openid profile seal:key_provisioning")));
        Assert.Equal(["https://a.example"], Samples.Catalogue.AudienceOf(Samples.Scopes("val:a")));
        Assert.Equal([Samples.Catalogue.UserInfoAudience], Samples.Catalogue.AudienceOf(Samples.Scopes("openid email")));
    }

    [Fact]
    public void A_scope_that_was_removed_meanwhile_opens_no_audience_and_breaks_nothing()
    {
        Assert.Equal([Samples.Catalogue.UserInfoAudience], Samples.Catalogue.AudienceOf(Samples.Scopes("val:gone")));
        Assert.Equal(["https://a.example"], Samples.Catalogue.AudienceOf(Samples.Scopes("val:gone val:a")));
    }

    [Fact]
    public void A_renamed_scope_or_a_service_hides_no_other_scope()
    {
        var catalogue = new ScopeCatalogue(Samples.Issuer, [new ValService { ServiceId = "x", Name = "X", Audience = "https://x.example" }],
            new Dictionary<string, string> { ["seal:group_management"] = "openid", ["seal:key_management"] = "km", ["seal:location_management"] = "val:x" });
        Assert.Equal(ScopeKind.OpenId, catalogue.Find("openid")!.Kind);
        Assert.Equal(("km", ScopeKind.Seal), (catalogue.KeyManagement, catalogue.Find("km")!.Kind));
        Assert.Null(catalogue.Find("seal:key_management"));
        Assert.Equal(ScopeKind.Seal, catalogue.Find("val:x")!.Kind);
    }

    [Fact]
    [Proves("TS 33.434", "5.2.2")]
    public void A_SEAL_server_elsewhere_is_called_what_the_setting_says_and_each_has_a_name_of_its_own()
    {
        var catalogue = new ScopeCatalogue(Samples.Issuer, [], null, new Dictionary<string, string> { ["seal:location_management"] = "https://lm.example" });
        Assert.Equal([Samples.Issuer + "/seal/cm", Samples.Issuer + "/seal/gm", "https://lm.example"], ScopeCatalogue.Elsewhere.Select(s => catalogue.Find(s)!.Audience));
    }

    [Fact]
    public void The_metadata_tell_no_services_and_no_operator_scopes()
    {
        Assert.DoesNotContain(Samples.Catalogue.Supported, s => s.StartsWith("val:", StringComparison.Ordinal) || s.StartsWith("keyreeve.", StringComparison.Ordinal));
        Assert.Contains("openid", Samples.Catalogue.Supported);
        Assert.Null(Samples.Catalogue.Find("OPENID"));
    }

    [Fact]
    [Proves("TS 33.434", "A.2.1.3")]
    public void Seal_clients_always_learn_the_val_claims_and_others_for_a_val_or_seal_scope()
    {
        var claims = Samples.Catalogue.ValClaimsOf(Samples.Client, Samples.User, Samples.Scopes("openid"))!;
        Assert.Equal(("val-grace", "ue-1"), (claims.ValUserId, claims.ValUeId));
        Assert.Equal(["a"], claims.ValServiceIds);
        Assert.Null(Samples.Catalogue.ValClaimsOf(Samples.PlainClient, Samples.User, Samples.Scopes("openid profile unknown")));
        Assert.NotNull(Samples.Catalogue.ValClaimsOf(Samples.PlainClient, Samples.User, Samples.Scopes("val:a")));
        Assert.NotNull(Samples.Catalogue.ValClaimsOf(Samples.PlainClient, Samples.User, Samples.Scopes("openid seal:group_management")));
    }

    [Fact]
    [Proves("TS 33.434", "5.2.3")]
    public void Defaults_are_short_and_within_the_leeway_that_the_table_allows()
    {
        var policy = new TokenPolicy();
        Assert.InRange(policy.Leeway, TimeSpan.Zero, TimeSpan.FromSeconds(30));
        Assert.InRange(policy.Code, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
        Assert.InRange(policy.AccessToken, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(10));
        Assert.True(policy.RefreshIdle < policy.RefreshAbsolute && policy.RefreshGrace >= TimeSpan.FromSeconds(30));
    }
}
