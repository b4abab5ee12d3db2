using System.Collections.Frozen;
using System.Reflection;
using Keyreeve.Web.Clients;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Web.Pages;

/// <summary>
/// The style sheet, the pictures and the one script file of our pages. They live inside the assembly and are served under a path that holds
/// the start of their SHA-256, so that a browser may keep them for good and still gets a new one with a new server.
/// </summary>
public static class PageAssets
{
    private static readonly PageAsset Css = Load("app.css", "text/css; charset=utf-8");
    private static readonly PageAsset Logo = Load("logo.svg", "image/svg+xml");
    private static readonly PageAsset Favicon = Load("favicon.svg", "image/svg+xml");
    private static readonly PageAsset Passkey = Load("passkey.js", "text/javascript; charset=utf-8");

    private static readonly FrozenDictionary<string, PageAsset> ByPath =
        new[] { Css, Logo, Favicon, Passkey }.ToFrozenDictionary(asset => asset.Path, StringComparer.Ordinal);

    /// <summary>Path of the style sheet: <c>/assets/app.{first 8 hex digits of its SHA-256}.css</c>.</summary>
    public static string CssPath => Css.Path;

    /// <summary>Path of the product's mark, made like <see cref="CssPath"/>.</summary>
    public static string LogoPath => Logo.Path;

    /// <summary>Path of the picture in the browser's tab, made like <see cref="CssPath"/>.</summary>
    public static string FaviconPath => Favicon.Path;

    /// <summary>Path of the script that asks the browser for a passkey, made like <see cref="CssPath"/>.</summary>
    public static string PasskeyScriptPath => Passkey.Path;

    /// <summary>
    /// Serves the assets for GET and HEAD; 404 for every other name below <c>/assets/</c>.
    /// <c>/favicon.ico</c> is served too, because a browser asks for it when it shows one of our JSON documents.
    /// </summary>
    public static IEndpointRouteBuilder MapPageAssets(this IEndpointRouteBuilder endpoints)
    {
        string[] methods = [HttpMethods.Get, HttpMethods.Head];
        endpoints.MapMethods("/assets/{name}", methods, Serve);
        endpoints.MapMethods("/favicon.ico", methods, context => WriteAsync(Favicon, "public, max-age=86400", context));
        return endpoints;
    }

    private static Task Serve(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "";
        var branding = context.RequestServices.GetService<Branding>();
        if (ByPath.TryGetValue(path, out var asset) || (asset = branding?.Logo) is not null && asset.Path == path || (asset = branding?.Css) is not null && asset.Path == path
            || (asset = context.RequestServices.GetService<ClientLogos>()?.Find(path)) is not null)
            return WriteAsync(asset, "public, max-age=31536000, immutable", context);

        // A page of a newer server may ask an older node for its style sheet: that answer must not be kept.
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        context.Response.Headers.CacheControl = "no-store";
        return Task.CompletedTask;
    }

    private static Task WriteAsync(PageAsset asset, string cacheControl, HttpContext context)
    {
        var response = context.Response;
        response.ContentType = asset.ContentType;
        response.ContentLength = asset.Content.Length;
        response.Headers.CacheControl = cacheControl;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        // An SVG opened by its own address is a document: it gets no rights either.
        response.Headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
        return HttpMethods.IsHead(context.Request.Method)
            ? Task.CompletedTask
            : response.Body.WriteAsync(asset.Content, context.RequestAborted).AsTask();
    }

    private static PageAsset Load(string name, string contentType)
    {
        // An embedded file that is missing is a broken build: the server must not start.
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Keyreeve.Web.Pages." + name)
            ?? throw new InvalidOperationException("The embedded file " + name + " is missing.");
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return PageAsset.Of(name, contentType, content);
    }
}
