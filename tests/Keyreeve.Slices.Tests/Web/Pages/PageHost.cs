using Keyreeve.Web.Pages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Pages;

/// <summary>A web server on loopback that shows one page at "/page" with the headers of the product, and its assets.</summary>
public sealed class PageHost : IAsyncDisposable
{
    private readonly WebApplication app;

    private PageHost(WebApplication app, HttpClient client) => (this.app, Client) = (app, client);

    public HttpClient Client { get; }

    public static async Task<PageHost> StartAsync(IResult page, string? nonce = null, IReadOnlyList<string>? formTargets = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddRazorComponents();
        builder.Services.AddAntiforgery();
        builder.Services.AddSingleton(Branding.Default);
        builder.Services.AddSingleton<IDataProtectionProvider>(new EphemeralDataProtectionProvider()); // nothing in the home folder
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.MapPageAssets();
        app.MapGet("/page", (HttpContext context) =>
        {
            PageHeaders.Apply(context.Response, nonce, formTargets);
            return page;
        });
        await app.StartAsync(TestContext.Current.CancellationToken);
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return new PageHost(app, new HttpClient { BaseAddress = new Uri(address) });
    }

    /// <summary>Renders one page through the whole server and gives its text.</summary>
    public static async Task<string> RenderAsync<TPage>(Dictionary<string, object?> parameters) where TPage : IComponent
    {
        await using var host = await StartAsync(new RazorComponentResult<TPage>(parameters));
        using var response = await host.Client.GetAsync("/page", TestContext.Current.CancellationToken);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("text/html; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        return await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await app.DisposeAsync();
    }
}
