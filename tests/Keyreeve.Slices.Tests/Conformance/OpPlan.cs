using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Conformance;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// What the conformance plans share: the two statically registered clients of the OpenID Foundation's suite, and its steps. The
/// tests bear the names of the suite's modules, so that a run of the suite and ours can be laid side by side.
/// </summary>
public abstract class OpPlan(OpenIdServer server) : IAsyncLifetime
{
    protected const string ClientId = "op-suite", SecondClientId = "op-suite-2";

    protected OpenIdServer Server { get; } = server;

    /// <summary><c>response_mode</c> of the plan; null sends none.</summary>
    protected virtual string? Mode => null;

    public async ValueTask InitializeAsync()
    {
        // One server serves the whole class.
        if (await Server.Service<IDirectory>().FindClientAsync(ClientId, CancellationToken.None) is not null)
            return;
        await Server.AddClientAsync(NewClient(ClientId));
        await Server.AddClientAsync(NewClient(SecondClientId));
    }

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>A client as the suite wants it: plain OpenID, no PKCE, everything that is the default of OpenID Connect.</summary>
    protected static Client NewClient(string clientId) => new()
    {
        ClientId = clientId,
        Name = clientId,
        Profile = ClientProfile.OpenId,
        AuthMethods = [ClientAuthMethod.SecretBasic, ClientAuthMethod.SecretPost],
        RedirectUris = [OpenIdServer.Callback],
        PostLogoutRedirectUris = ["https://rp.example/signed-out", "https://rp.example/signed-out?lang=en"],
        Scopes = ScopeList.Of(["openid", "profile", "email", "offline_access"]),
        PkceOptional = true,
        IdTokenAlgorithm = JwsAlgorithm.RS256,
    };

    /// <summary>A request of the plan with parameters added or (by null) taken away.</summary>
    protected SealFlow Request(params (string Name, string? Value)[] changes)
    {
        var flow = Server.PlainFlow(ClientId);
        foreach (var (name, value) in changes.Prepend(("response_mode", Mode)))
            if (value is null)
                flow.Parameters.Remove(name);
            else
                flow.Parameters[name] = value;
        return flow;
    }

    /// <summary>The authorization response: at the redirect URI, in the mode of the plan, with state and iss.</summary>
    protected Dictionary<string, string> Response(Arrival arrival)
    {
        var fields = Fields(arrival);
        Assert.Equal("state-123", fields["state"]);
        Assert.Equal(Server.Issuer, fields["iss"]);
        return fields;
    }

    /// <summary>The same as it came.</summary>
    protected Dictionary<string, string> Fields(Arrival arrival)
    {
        if (Mode != "form_post")
        {
            Assert.StartsWith(OpenIdServer.Callback + "?", arrival.Location, StringComparison.Ordinal);
            Assert.Equal(HttpStatusCode.SeeOther, arrival.Response.StatusCode);
            var query = System.Web.HttpUtility.ParseQueryString(arrival.Location![(arrival.Location!.IndexOf('?', StringComparison.Ordinal) + 1)..]);
            return query.AllKeys.ToDictionary(k => k!, k => query[k]!, StringComparer.Ordinal);
        }
        Assert.Null(arrival.Location);
        Assert.Null(arrival.Response.Headers.Location);
        Assert.Equal(HttpStatusCode.OK, arrival.Response.StatusCode);
        Assert.Contains($"method=\"post\" action=\"{OpenIdServer.Callback}\"", arrival.Html, StringComparison.Ordinal);
        Assert.Contains("<noscript>", arrival.Html, StringComparison.Ordinal);
        Assert.True(arrival.Response.Headers.CacheControl!.NoStore);
        return SimUser.Form(arrival.Html!)!;
    }

    /// <summary>Signs in where needed, consents, redeems; the tokens and the claims of the ID token.</summary>
    protected async Task<(JsonObject Tokens, JsonObject Claims)> TokensAsync(SealFlow flow, SimUser user)
    {
        user.Seen.Clear();
        var code = Response(await user.GoAsync(flow.AuthorizeAddress))["code"];
        var (status, tokens, response) = await flow.RedeemAsync(code, flow.Parameters.ContainsKey("code_challenge") ? SealFlow.Verifier : null);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.True(response.Headers.CacheControl!.NoStore);
        return (tokens, OpenIdServer.ClaimsOf((string)tokens["id_token"]!));
    }

    /// <summary>The error at the redirect URI.</summary>
    protected async Task<string> ErrorAsync(SealFlow flow, SimUser user)
    {
        var fields = Response(await user.GoAsync(flow.AuthorizeAddress));
        Assert.DoesNotContain("code", fields.Keys);
        return fields["error"];
    }

    /// <summary>The key of the published set that a token names verifies it.</summary>
    protected async Task AssertSignedAsync(string token, string algorithm)
    {
        Assert.True(JsonWebKeySet.TryRead(System.Text.Encoding.UTF8.GetBytes((await Server.GetAsync("/jwks")).Text), out var keys, out _));
        Assert.True(JwsCompact.TryRead(token, out var jws, out _));
        Assert.Equal(algorithm, jws.Header.Algorithm.Name());
        Assert.True(JwsKey.TryFromJwk(Assert.Single(keys.WithKid(jws.Header.Kid)), out var key, out _));
        using (key)
            Assert.True(jws.Verify(key));
    }

    /// <summary>A page for people instead of any redirect.</summary>
    protected static void AssertErrorPage(Arrival arrival)
    {
        Assert.Null(arrival.Location);
        Assert.Equal(HttpStatusCode.BadRequest, arrival.Response.StatusCode);
        Assert.Equal("text/html", arrival.Response.Content.Headers.ContentType!.MediaType);
    }

    protected static string Text(JsonObject of, string name) => (string)of[name]!;
}
