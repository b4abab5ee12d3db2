using System.Net;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Keyreeve.Web.Pages;
using Microsoft.AspNetCore.Http.HttpResults;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Pages;

public sealed class PageAssetsTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_address_in_a_page_is_served_under_the_hash_of_its_content_and_may_be_kept_for_good()
    {
        await using var host = await StartAsync();
        var html = await host.Client.GetStringAsync("/page", Stop);
        var paths = Regex.Matches(html, "(?:src|href)=\"(/[^\"]*)\"").Select(match => match.Groups[1].Value).ToList();
        Assert.Equal([PageAssets.CssPath, PageAssets.FaviconPath, PageAssets.LogoPath], paths);
        foreach (var path in paths)
        {
            using var response = await host.Client.GetAsync(path, Stop);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal("public, max-age=31536000, immutable", Header(response, "Cache-Control"));
            Assert.Equal("nosniff", Header(response, "X-Content-Type-Options"));
            Assert.Equal(
                path.EndsWith(".css", StringComparison.Ordinal) ? "text/css; charset=utf-8" : "image/svg+xml",
                response.Content.Headers.ContentType?.ToString());
            var hash = Convert.ToHexStringLower(SHA256.HashData(await response.Content.ReadAsByteArrayAsync(Stop)))[..8];
            Assert.Matches($@"^/assets/[a-z]+\.{hash}\.(css|svg)$", path);
        }
    }

    [Theory]
    [InlineData("/assets/app.css")]
    [InlineData("/assets/app.00000000.css")]
    [InlineData("/assets/..%2Fappsettings.json")]
    [InlineData("/assets/")]
    public async Task Any_other_asset_is_not_found_and_not_kept(string path)
    {
        await using var host = await StartAsync();
        using var response = await host.Client.GetAsync(path, Stop);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.DoesNotContain("immutable", Header(response, "Cache-Control"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task HEAD_tells_the_length_without_the_content_and_POST_is_refused()
    {
        await using var host = await StartAsync();
        using var head = await host.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, PageAssets.CssPath), Stop);
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.True(head.Content.Headers.ContentLength > 1000);
        using var post = await host.Client.PostAsync(PageAssets.CssPath, null, Stop);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, post.StatusCode);
    }

    [Fact]
    public async Task The_old_favicon_address_answers_too_but_is_not_kept_for_good()
    {
        await using var host = await StartAsync();
        using var response = await host.Client.GetAsync("/favicon.ico", Stop);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("image/svg+xml", response.Content.Headers.ContentType?.ToString());
        Assert.Equal("public, max-age=86400", Header(response, "Cache-Control"));
    }

    [Fact]
    public async Task The_style_sheet_asks_for_nothing_else()
    {
        await using var host = await StartAsync();
        var css = await host.Client.GetStringAsync(PageAssets.CssPath, Stop);
        Assert.DoesNotContain("url(", css, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("@import", css, StringComparison.OrdinalIgnoreCase);
        foreach (var query in new[] { "prefers-color-scheme: dark", "prefers-reduced-motion: reduce", ":focus-visible" })
            Assert.Contains(query, css, StringComparison.Ordinal);
    }

    private static Task<PageHost> StartAsync() => PageHost.StartAsync(new RazorComponentResult<MessagePage>(SamplePages.Message("calm")));

    private static string Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : "";
}
