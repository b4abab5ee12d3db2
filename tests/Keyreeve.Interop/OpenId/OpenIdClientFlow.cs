using System.Text.Json.Nodes;
using Keyreeve.Interop.Peers;
using Keyreeve.Testing;

namespace Keyreeve.Interop.OpenId;

/// <summary>openid-client as one registered client, with the user who logs in for it.</summary>
public sealed class OpenIdClientFlow : IAsyncDisposable
{
    public const string RedirectUri = "http://127.0.0.1:8400/callback";
    public const string SealScope = "openid profile val:pump-control seal:key_management";
    public const string PlainScope = "openid profile email val:pump-control";

    private readonly InteropWorld _world;

    private OpenIdClientFlow(InteropWorld world, RelyingParty party) => (_world, Party) = (world, party);

    public RelyingParty Party { get; }

    /// <summary>The parameters that openid-client does not make itself.</summary>
    public JsonObject Parameters { get; private set; } = [];

    /// <summary>What discovery found.</summary>
    public JsonNode Metadata { get; private set; } = null!;

    /// <summary>A node process that is nobody yet.</summary>
    public static async Task<OpenIdClientFlow> StartAsync(InteropWorld world) => new(world, await RelyingParty.StartAsync(world.OpenIdClient, world.Server));

    /// <summary>A demo client with its registered method.</summary>
    public static async Task<OpenIdClientFlow> OfDemoClientAsync(InteropWorld world, string clientId, string method = "client_secret_basic")
    {
        var flow = await StartAsync(world);
        await flow.BecomeAsync(clientId, method, (string)world.Server.Client(clientId)["clientSecret"]!, strict: clientId == "seal-client");
        return flow;
    }

    /// <summary>Discovery as this client; <paramref name="strict"/> adds what table A.4.2.2-1 demands beyond OpenID Connect.</summary>
    public async Task BecomeAsync(string clientId, string method, string? secret, bool strict)
    {
        Metadata = await Party.AskAsync("discover", new()
        {
            ["issuer"] = _world.Server.Issuer,
            ["clientId"] = clientId,
            ["method"] = method,
            ["secret"] = secret,
            ["idTokenAlg"] = strict ? "ES256" : "RS256",
        });
        Parameters = new() { ["scope"] = strict ? SealScope : PlainScope };
        if (strict)
            Parameters["acr_values"] = "3gpp:acr:password";
    }

    /// <summary>The authorization URL as the library builds it.</summary>
    public async Task<string> AuthorizeAsync() =>
        (string)(await Party.AskAsync("authorize", new() { ["redirectUri"] = RedirectUri, ["parameters"] = Parameters.DeepClone() }))!;

    /// <summary>Sends a user to the URL; returns where the browser ended.</summary>
    public async Task<Arrival> VisitAsync(string address, string username = "alice") => await new SimUser(_world.Server, username).GoAsync(address);

    /// <summary>The whole way to a callback.</summary>
    public async Task<string> CallbackAsync(string username = "alice") =>
        (await VisitAsync(await AuthorizeAsync(), username)).Location ?? throw new InvalidOperationException("the browser did not come back");

    /// <summary>The whole way to tokens that the library has checked.</summary>
    public async Task<JsonNode> TokensAsync(string username = "alice") => await RedeemAsync(await CallbackAsync(username));

    public Task<JsonNode> RedeemAsync(string callback) => Party.AskAsync("redeem", new() { ["callback"] = callback });

    public async Task<bool> IsActiveAsync(string token) => (bool)(await Party.AskAsync("introspect", new() { ["token"] = token }))["active"]!;

    public ValueTask DisposeAsync() => Party.DisposeAsync();
}
