using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Keyreeve.Client;
using Spectre.Console;

namespace Keyreeve.Server.Tour;

/// <summary>
/// TS 33.434 clause 5.4 with two servers: a user of the primary VAL system is authorized in the serving one by exchange, is refused where the
/// trust is not set up, and is cut off when the primary revokes.
/// </summary>
internal sealed class InterconnectionScenes(TourStage primary, string serving, TourOperator servingOperators, X509Certificate2Collection servingRoots, TourPrinter print, TourSpoil spoil, TimeProvider clock)
{
    private const string Service = "joint-response";
    private const string Audience = "https://serving.example/joint-response";
    private const string Callback = "http://127.0.0.1:8400/callback";
    private const string ValUserId = "sip:carla@primary.example";

    /// <summary>Seconds that a token of a partner's user lives in the serving system.</summary>
    private const int TokenSeconds = 60;

    private readonly string _primary = primary.Issuer.AbsoluteUri.TrimEnd('/');

    internal async Task<TourStop?> PlayAsync(CancellationToken cancel)
    {
        print.Figure("5.4", "Interconnection: a primary and a serving VAL system");
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(primary.CaPem);
        using var operators = new TourOperator(primary, roots);
        using var tunnel = new TourTunnel(roots);
        using var http = new TourHttp(servingRoots);

        print.Step("5.4", 0, "the operators of both systems register their own side");
        var (stop, asking, cast) = await SetUpPrimaryAsync(operators, cancel);
        if (cast is null)
            return stop;
        (stop, var visitor, var jointServer) = await SetUpServingAsync(cancel);
        if (visitor is null || jointServer is null)
            return stop;
        print.Facts(("primary VAL system", _primary), ("serving VAL system", serving), ("VAL service", Service));

        print.Step("5.4", 0, "the VAL client authenticates its user toward its own (primary) system alone");
        var found = await SimClient.DiscoverAsync(tunnel.Http, new SimClientOptions
        {
            Issuer = _primary,
            ClientId = cast.SimC.ClientId,
            Credential = ClientCredential.OfSecret(cast.SimC.Secret),
            RedirectUri = cast.SimC.RedirectUri,
        }, clock, cancel);
        if (!found.Succeeded(out var simC, out var failure))
            return SealScenes.StopOf("OpenID provider metadata of " + _primary, failure);
        // Figure 5.2.4-1 was shown above; here it is only played.
        var silent = new TourPrinter(AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(TextWriter.Null) }), clock);
        (stop, var tokens) = await new SealSignIn(cast, roots, silent, TourSpoil.None).PlayAsync(simC, cancel);
        if (tokens is null)
            return stop;
        print.Token("access token of the primary system", tokens.AccessToken);
        if (spoil == TourSpoil.RevokedAtPrimary && await simC.RevokeAsync(tokens.AccessToken, cancel) is { } unrevoked)
            return SealScenes.StopOf("the revocation that this spoilt tour begins with", unrevoked);

        print.Step("5.4", 0, "where the trust is not set up, the partner's token leads to nothing");
        if (await RefusedAsync(http, visitor, tokens.AccessToken, cancel) is { } let)
            return let;
        print.Held("the serving system does not know the issuer: refused");

        print.Step("5.4", 0, "the serving system trusts the primary: which clients, which VAL services, and where to ask");
        if (spoil != TourSpoil.NoTrust && await TrustAsync(asking, visitor, cancel) is { } distrusted)
            return distrusted;
        print.Facts(("issuer", _primary), ("keys", _primary + "/jwks"), ("asked at every exchange", _primary + "/introspect"), ("VAL services", Service), ("clients", visitor.ClientId));

        print.Step("5.4", 0, "user authorization takes place in the serving system: token exchange (RFC 8693)");
        var exchanged = await ExchangeAsync(http, visitor, tokens.AccessToken, cancel);
        if (exchanged is not { Status: 200 } || exchanged.Text("access_token") is not { } text)
            return new("an access token of the serving system", exchanged.Describe());
        var served = new TokenText(text);
        print.Token("access token of the serving system", served);
        if (!await IsActiveAsync(http, jointServer, served, cancel))
            return new("active: true from introspection in the serving system", "active: false");
        print.Held($"{jointServer.ClientId} of the serving system accepts it; it names no VAL user ID of the serving system");

        print.Step("5.4", 0, "the primary revokes, and the serving system gives nothing more");
        if (await simC.RevokeAsync(tokens.AccessToken, cancel) is { } notRevoked)
            return SealScenes.StopOf("HTTP 200 from the revocation endpoint of the primary", notRevoked);
        if (await RefusedAsync(http, visitor, tokens.AccessToken, cancel) is { } stillLet)
            return stillLet;
        print.Held($"the primary says that its token is not active: refused; what was made of it ends within {TokenSeconds} s");

        print.Step("5.4", 0, "the serving system trusts no more, and what stands ends at once");
        if (await servingOperators.ChangeAsync("issuers/" + Uri.EscapeDataString(_primary), issuer => issuer["disabled"] = true, cancel) is { } undone)
            return undone;
        if (await IsActiveAsync(http, jointServer, served, cancel))
            return new("active: false from introspection after the trust has ended", "active: true");
        print.Held("introspection in the serving system: not active");
        return null;
    }

    /// <summary>In the primary system: the partner's VAL service, whose tokens are for the serving system; the user; and the serving system as one who may ask.</summary>
    private async Task<(TourStop? Stop, string AskingSecret, DemoCast? Cast)> SetUpPrimaryAsync(TourOperator operators, CancellationToken cancel)
    {
        if (await operators.DoAsync(HttpMethod.Post, "services", new() { ["serviceId"] = Service, ["name"] = "Joint response", ["audience"] = serving }, cancel) is { } stop)
            return (stop, "", null);
        var (unmade, password) = await operators.MakeAsync("users", new() { ["username"] = "carla", ["valUserId"] = ValUserId, ["valServiceIds"] = new JsonArray(Service) }, "generatedPassword", cancel);
        if (unmade is not null)
            return (unmade, "", null);
        (unmade, var secret) = await operators.MakeAsync("clients", new()
        {
            ["clientId"] = "roaming-client",
            ["name"] = "Roaming client",
            ["redirectUris"] = new JsonArray(Callback),
            ["scopes"] = $"openid val:{Service}",
        }, "clientSecret", cancel);
        if (unmade is not null)
            return (unmade, "", null);
        (unmade, var asking) = await operators.MakeAsync("clients", new()
        {
            ["clientId"] = "serving-system",
            ["name"] = "Serving VAL system",
            ["profile"] = "openid",
            ["grants"] = new JsonArray("client_credentials"),
            ["audience"] = serving,
        }, "clientSecret", cancel);
        if (unmade is not null)
            return (unmade, "", null);
        var roaming = new DemoCast.Party("roaming-client", new TokenText(secret), Callback, $"openid val:{Service}", true, null);
        var carla = new DemoCast.Person("carla", password, ValUserId, Service, "");
        return (null, asking, new DemoCast { User = carla, Other = carla, SimC = roaming, ValServer = roaming, SKmsUri = "" });
    }

    /// <summary>In the serving system: the VAL service, its VAL server, and the client that exchanges.</summary>
    private async Task<(TourStop? Stop, DemoCast.Party? Visitor, DemoCast.Party? JointServer)> SetUpServingAsync(CancellationToken cancel)
    {
        if (await servingOperators.DoAsync(HttpMethod.Post, "services", new() { ["serviceId"] = Service, ["name"] = "Joint response", ["audience"] = Audience }, cancel) is { } stop)
            return (stop, null, null);
        var (unmade, visitor) = await servingOperators.MakeAsync("clients", new()
        {
            ["clientId"] = "visitor",
            ["name"] = "Gateway for visitors",
            ["profile"] = "openid",
            ["grants"] = new JsonArray("urn:ietf:params:oauth:grant-type:token-exchange"),
            ["scopes"] = "val:" + Service,
        }, "clientSecret", cancel);
        if (unmade is not null)
            return (unmade, null, null);
        (unmade, var server) = await servingOperators.MakeAsync("clients", new()
        {
            ["clientId"] = "joint-server",
            ["name"] = "Joint response server",
            ["grants"] = new JsonArray("client_credentials"),
            ["scopes"] = "val:" + Service,
            ["audience"] = Audience,
        }, "clientSecret", cancel);
        return unmade is not null ? (unmade, null, null) : (null,
            new("visitor", new TokenText(visitor), "", "val:" + Service, false, null),
            new("joint-server", new TokenText(server), "", "val:" + Service, false, Audience));
    }

    private Task<TourStop?> TrustAsync(string asking, DemoCast.Party visitor, CancellationToken cancel) => servingOperators.DoAsync(HttpMethod.Post, "issuers", new()
    {
        ["issuer"] = _primary,
        ["name"] = "Primary VAL system",
        ["jwksUri"] = _primary + "/jwks",
        ["scopes"] = "val:" + Service,
        ["clients"] = new JsonArray(visitor.ClientId),
        ["federated"] = true,
        ["introspectionUri"] = _primary + "/introspect",
        ["introspectionClientId"] = "serving-system",
        ["introspectionSecret"] = asking,
        ["tokenSeconds"] = TokenSeconds,
    }, cancel);

    private Task<TourAnswer> ExchangeAsync(TourHttp http, DemoCast.Party visitor, TokenText token, CancellationToken cancel) => http.PostFormAsync(serving + "/token", visitor,
    [
        new("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        new("subject_token", token.Reveal()),
        new("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ], cancel);

    private async Task<TourStop?> RefusedAsync(TourHttp http, DemoCast.Party visitor, TokenText token, CancellationToken cancel)
    {
        var answer = await ExchangeAsync(http, visitor, token, cancel);
        return answer.Status == 400 && answer.Text("error") == "invalid_request" ? null : new("HTTP 400 invalid_request for the exchange", answer.Describe());
    }

    private async Task<bool> IsActiveAsync(TourHttp http, DemoCast.Party jointServer, TokenText token, CancellationToken cancel) =>
        (await http.PostFormAsync(serving + "/introspect", jointServer, [new("token", token.Reveal())], cancel)).Text("active") == "true";
}
