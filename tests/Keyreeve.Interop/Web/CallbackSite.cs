using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Interop.Web;

/// <summary>What came to the redirect URI.</summary>
public sealed record Callback(string Method, string Query, string? ContentType, IReadOnlyDictionary<string, string> Parameters)
{
    public string? this[string name] => Parameters.GetValueOrDefault(name);
}

/// <summary>The client's own web server: a loopback port of this moment, as RFC 8252 7.3 has it.</summary>
public sealed class CallbackSite : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly Channel<Callback> _arrived = Channel.CreateUnbounded<Callback>();

    private CallbackSite(WebApplication application) => _application = application;

    /// <summary>The redirect URI.</summary>
    public string RedirectUri => _application.Urls.Single() + "/callback";

    public static async Task<CallbackSite> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var site = new CallbackSite(builder.Build());
        site._application.Map("/callback", site.HandleAsync);
        site._application.Map("/favicon.ico", () => Results.NoContent());
        await site._application.StartAsync();
        return site;
    }

    /// <summary>Waits for the browser to come.</summary>
    public async Task<Callback> NextAsync()
    {
        using var clock = new CancellationTokenSource(Visitor.Patience);
        return await _arrived.Reader.ReadAsync(clock.Token);
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private async Task HandleAsync(HttpContext context)
    {
        var request = context.Request;
        var posted = request.HasFormContentType;
        var parameters = posted ? (await request.ReadFormAsync()).ToDictionary(p => p.Key, p => p.Value.ToString()) : request.Query.ToDictionary(p => p.Key, p => p.Value.ToString());
        context.Response.ContentType = "text/html; charset=utf-8";
        await context.Response.WriteAsync("<!DOCTYPE html><html lang=\"en\"><title>arrived</title><h1>arrived</h1></html>");
        await _arrived.Writer.WriteAsync(new(request.Method, request.QueryString.Value ?? "", request.ContentType, parameters));
    }
}
