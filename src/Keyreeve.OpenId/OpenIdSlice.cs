using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>OAuth 2.0 and OpenID Connect endpoints: the SIM-S of SEAL (TS 33.434 Annex A), and plain OpenID for everything else.</summary>
public static class OpenIdSlice
{
    /// <summary>The slice's services.</summary>
    public static IServiceCollection AddOpenId(this IServiceCollection services) => services
        .AddSingleton<OpenIdContext>()
        .AddSingleton<Metadata>()
        .AddSingleton<PushedRequests>()
        .AddSingleton<TokenAnswer>();

    /// <summary>The slice's endpoints, in the order of a flow.</summary>
    public static void MapOpenId(this IEndpointRouteBuilder routes)
    {
        string[] pages = [Listener.Https], apis = [Listener.Https, Listener.Mtls], get = ["GET", "HEAD"], post = ["POST"];

        routes.MapMethods("/.well-known/openid-configuration", get, Metadata.HandleAsync).On(apis);
        routes.MapMethods("/.well-known/oauth-authorization-server", get, Metadata.HandleAsync).On(apis);
        routes.MapMethods("/jwks", get, Jwks.HandleAsync).On(apis);

        routes.MapMethods(PushAuthorizationRequest.Path, post, PushAuthorizationRequest.HandleAsync).On(apis).Refusing(OpenIdRefusals.WriteAsync);
        routes.MapMethods("/authorize", ["GET"], Authorize.HandleGetAsync).On(pages);
        routes.MapMethods("/authorize", post, Authorize.HandlePostAsync).On(pages);
        routes.MapMethods(Authorize.ResumePath, ["GET"], Authorize.HandleResumeAsync).On(pages);
        routes.MapMethods("/consent", get, ConsentPages.HandleGetAsync).On(pages);
        routes.MapMethods("/consent", post, ConsentPages.HandlePostAsync).On(pages);

        routes.MapMethods(EndSession.Path, ["GET"], EndSession.HandleGetAsync).On(pages);
        routes.MapMethods(EndSession.Path, post, EndSession.HandlePostAsync).On(pages);
        routes.MapMethods(EndSession.ResumePath, ["GET"], EndSession.HandleResumeAsync).On(pages);
        routes.MapMethods(EndSession.ConfirmPath, post, EndSession.HandleConfirmAsync).On(pages);

        routes.MapMethods("/token", post, TokenEndpoint.HandleAsync).On(apis).Refusing(OpenIdRefusals.WriteAsync);
        routes.MapMethods("/introspect", post, Introspect.HandleAsync).On(apis).Refusing(OpenIdRefusals.WriteAsync);
        routes.MapMethods("/revoke", post, Revoke.HandleAsync).On(apis).Refusing(OpenIdRefusals.WriteAsync);
        routes.MapMethods("/userinfo", ["GET", "POST"], UserInfo.HandleAsync).On(apis).Refusing(OpenIdRefusals.WriteAsync);
        foreach (var path in (string[])["/token", "/revoke", "/userinfo"])
            routes.MapMethods(path, ["OPTIONS"], CrossOrigin.PreflightAsync).On(pages);
    }
}
