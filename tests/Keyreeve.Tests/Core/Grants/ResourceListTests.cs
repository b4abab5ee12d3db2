using Keyreeve.Core.Grants;
using Keyreeve.Core.Refusals;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Core.Grants;

[Proves("RFC 8707", "2")]
public sealed class ResourceListTests
{
    private const string A = "https://a.example";
    private const string B = "https://b.example";

    [Theory]
    [InlineData("a.example")]
    [InlineData("/a")]
    [InlineData("//a.example")]
    [InlineData("https://a.example#")]
    [InlineData("https://a.example#x")]
    [InlineData("https://a.example/ ")]
    [InlineData("https://a.example/\"")]
    [InlineData("https://a.example\\")]
    [InlineData("https://ä.example")]
    [InlineData(":")]
    public void What_is_no_absolute_URI_without_fragment_is_refused(string value) =>
        Samples.Refused(RefusalCode.InvalidTarget, ResourceList.Read(Samples.Form("resource=" + Uri.EscapeDataString(value))));

    [Fact]
    public void A_few_are_read_in_order_each_once_and_many_are_refused()
    {
        Assert.Equal([B, A], Read(B, A, B));
        Assert.Equal(["urn:x:y"], Read("urn:x:y"));
        Assert.Empty(Samples.Granted(ResourceList.Read(Samples.Form("resource=&audience=x"))));
        Assert.Equal(16, Read([.. Enumerable.Range(0, 16).Select(i => $"https://{i}.example")]).Count);
        Samples.Refused(RefusalCode.InvalidTarget, ResourceList.Read(Form([.. Enumerable.Range(0, 17).Select(i => $"https://{i}.example")])));
        Samples.Refused(RefusalCode.InvalidTarget, ResourceList.Read(Form("https://a.example/" + new string('a', 2000))));
    }

    [Theory]
    [InlineData("openid val:a val:b", "", "", "openid val:a val:b")]
    [InlineData("openid val:a val:b", A, "", "val:a")]
    [InlineData("openid val:a val:b", "", B, "val:b")]
    [InlineData("openid val:a val:b", A + " " + B, "", "val:a val:b")]
    [InlineData("openid val:a val:b", A, A + " " + B, "val:a")]
    // Granted, but its scope has gone meanwhile: what is left counts.
    [InlineData("val:a", "", A + " " + B, "val:a")]
    [InlineData("openid val:a", Samples.Issuer + "/userinfo", "", "openid")]
    [Proves("RFC 8707", "2.2")]
    public void A_token_carries_the_scopes_of_its_resources(string scope, string asked, string granted, string expected) =>
        Assert.Equal(expected, Samples.Granted(ResourceList.Narrow(Samples.Scopes(scope), Of(asked), Of(granted), Samples.Catalogue)).Text);

    [Theory]
    [InlineData("val:a val:b", B, A)] // not granted
    [InlineData("val:a val:b", A + " " + B, A)]
    [InlineData("val:a", B, "")] // no scope opens it
    [InlineData("val:a", A + " " + B, "")]
    [InlineData("val:a", B, A + " " + B)] // granted, and out of reach
    [InlineData("val:a", "", B)]
    [InlineData("val:a", A + "/", "")]
    [InlineData("val:a", "HTTPS://a.example", "")]
    [InlineData("unknown", A, "")]
    public void What_is_not_granted_or_out_of_reach_is_refused_and_never_left_out(string scope, string asked, string granted) =>
        Samples.Refused(RefusalCode.InvalidTarget, ResourceList.Narrow(Samples.Scopes(scope), Of(asked), Of(granted), Samples.Catalogue));

    [Fact]
    public void A_list_that_loses_all_its_members_is_refused_for_an_empty_one_would_mean_all()
    {
        Assert.Equal([A], Samples.Granted(Of(A + " " + B).Within(Samples.Scopes("openid val:a"), Samples.Catalogue)));
        Assert.Empty(Samples.Granted(ResourceList.None.Within(Samples.Scopes("openid"), Samples.Catalogue)));
        Samples.Refused(RefusalCode.InvalidTarget, Of(B).Within(Samples.Scopes("openid val:a"), Samples.Catalogue));
    }

    private static ResourceList Of(string text) => ResourceList.Of(text.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    private static ResourceList Read(params string[] values) => Samples.Granted(ResourceList.Read(Form(values)));

    private static ParameterList Form(params string[] values) => Samples.Form(string.Join('&', values.Select(v => "resource=" + Uri.EscapeDataString(v))));
}
