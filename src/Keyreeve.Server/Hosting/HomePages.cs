using Keyreeve.Server.Demo;
using Keyreeve.Web.Http;
using Keyreeve.Web.Pages;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Keyreeve.Server.Hosting;

/// <summary>The page at the root: what runs here and where to go next.</summary>
internal static class HomePages
{
    public static void Map(IEndpointRouteBuilder routes, ServerParts parts) => routes.MapMethods("/", ["GET", "HEAD"], context =>
    {
        PageHeaders.Apply(context.Response);
        return new RazorComponentResult<HomePage>(new Dictionary<string, object?>
        {
            [nameof(HomePage.Issuer)] = parts.Issuer,
            [nameof(HomePage.Demo)] = parts.Options.Demo,
            [nameof(HomePage.DemoUsers)] = parts.Options.Demo ? DemoData.UserNames : [],
            [nameof(HomePage.TryNext)] = parts.Options.Demo ? FirstScreen.TryNext(parts.Folder.Root, parts.Issuer) : [],
        }).ExecuteAsync(context);
    }).On(Listener.Https);
}
