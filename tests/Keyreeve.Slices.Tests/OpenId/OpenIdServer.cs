using System.Collections.Immutable;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Web;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Testing;
using Keyreeve.Web.Login;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// A running server for the tests of one class, with a door to its store for what no peer can do: register a special client,
/// switch a user off, read the audit.
/// </summary>
public sealed class OpenIdServer : IAsyncLifetime
{
    public const string Callback = "http://127.0.0.1:8400/callback";

    /// <summary>What changes state writes its audit line in the same transaction: counting these lines tells whether anything happened.</summary>
    private static readonly string[] Traces = ["authorize", "consent", "login", "session.ended", "logout", "grant.ended", "token.revoked", "token.authorization_code"];

    private readonly string[] _settings;

    public OpenIdServer() => _settings = [];

    private OpenIdServer(string[] settings) => _settings = settings;

    public TestServer Server { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public string Issuer => Server.Issuer;

    public static async Task<OpenIdServer> StartAsync(params string[] settings)
    {
        var started = new OpenIdServer(settings);
        await started.InitializeAsync();
        return started;
    }

    public async ValueTask InitializeAsync()
    {
        Server = await TestServer.StartAsync(_settings);
        Http = Server.NewClient();
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
    }

    public T Service<T>()
        where T : notnull => Server.Server.Application.Services.GetRequiredService<T>();

    public SimUser NewUser(string username = "alice") => new(Server, username);

    public SealFlow NewFlow(string clientId = "seal-client") => new(Server, clientId);

    /// <summary>A flow of a client that is registered without PKCE.</summary>
    public SealFlow PlainFlow(string clientId)
    {
        var flow = NewFlow(clientId);
        foreach (var name in (string[])["code_challenge", "code_challenge_method", "acr_values"])
            flow.Parameters.Remove(name);
        flow.Parameters["scope"] = "openid";
        return flow;
    }

    /// <summary>Registers a client; its secret is known to <see cref="TestServer.Basic"/> afterwards.</summary>
    public async Task AddClientAsync(Client client, string? secretText = null)
    {
        var (secret, text) = ClientSecret.Generate(Server.Time.GetUtcNow());
        if (secretText is not null)
            (secret, text) = (ClientSecret.Of(secretText, Server.Time.GetUtcNow()), secretText);
        if (!client.IsPublic && !client.AuthMethods.Contains(ClientAuthMethod.PrivateKeyJwt))
            client = client with { Secrets = [secret] };
        Demand(await Service<IDirectory>().SaveClientAsync(client, create: true, null, Entry("client.saved", client.ClientId), CancellationToken.None));
        await Service<SnapshotState>().RefreshAsync(CancellationToken.None);
        Server.Demo["clients"]!.AsArray().Add(new JsonObject { ["clientId"] = client.ClientId, ["clientSecret"] = text });
    }

    public async Task ChangeClientAsync(string clientId, Func<Client, Client> change)
    {
        var client = await Service<IDirectory>().FindClientAsync(clientId, CancellationToken.None);
        Demand(await Service<IDirectory>().SaveClientAsync(change(client!), create: false, null, Entry("client.saved", clientId), CancellationToken.None));
        await Service<SnapshotState>().RefreshAsync(CancellationToken.None);
    }

    /// <summary>Adds a person of that name, like alice otherwise.</summary>
    public async Task<SimUser> AddUserAsync(string username, params string[] services)
    {
        var user = new User
        {
            Subject = User.NewSubject(),
            Username = username,
            SecurityStamp = username,
            ValUserId = $"sip:{username}@val.example",
            ValServiceIds = services.Length > 0 ? services : ["pump-control"],
        };
        var password = "password of " + username;
        user = user with { PasswordHash = Service<IPasswordHasher<Account>>().HashPassword(new Account(user), password) };
        Demand(await Service<IDirectory>().SaveUserAsync(user, create: true, null, Entry("user.saved", user.Subject), CancellationToken.None));
        Server.Demo["users"]!.AsArray().Add(new JsonObject { ["username"] = username, ["password"] = password, ["sub"] = user.Subject });
        return NewUser(username);
    }

    public async Task ChangeUserAsync(string username, Func<User, User> change)
    {
        var user = await Service<IDirectory>().FindUserByNameAsync(username, CancellationToken.None);
        Demand(await Service<IDirectory>().SaveUserAsync(change(user!), create: false, null, Entry("user.saved", user!.Subject), CancellationToken.None));
        await Service<SnapshotState>().RefreshAsync(CancellationToken.None);
    }

    /// <summary>How often anything was granted, ended or changed so far.</summary>
    public async Task<int> TracesAsync()
    {
        var audit = Service<IAuditStore>();
        var count = 0;
        foreach (var (node, last, _) in await audit.HeadsAsync(CancellationToken.None))
        {
            for (var after = 0L; after < last;)
            {
                var lines = await audit.ReadAsync(node, after, 500, CancellationToken.None);
                foreach (var line in lines)
                    using (var json = JsonDocument.Parse(line.Json))
                        if (json.RootElement.GetProperty("outcome").GetString() != "Refused" && Traces.Contains(json.RootElement.GetProperty("kind").GetString()))
                            count++;
                after = lines[^1].Sequence;
            }
        }
        return count;
    }

    public Task<Answer> GetAsync(string address, string? bearer = null) =>
        SendAsync(new(HttpMethod.Get, address) { Headers = { Authorization = bearer is null ? null : new("Bearer", bearer) } });

    /// <summary>As above, with the address exactly as written: the URI class repairs what an attacker would not.</summary>
    public Task<Answer> GetRawAsync(string address) =>
        SendAsync(new(HttpMethod.Get, new Uri(Http.BaseAddress!.GetLeftPart(UriPartial.Authority) + address, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true })));

    /// <summary>Posts a form exactly as given: repeated names stay repeated.</summary>
    public Task<Answer> PostAsync(string path, AuthenticationHeaderValue? authorization, params (string Name, string Value)[] form) =>
        SendAsync(new(HttpMethod.Post, path)
        {
            Content = new FormUrlEncodedContent(form.Select(f => KeyValuePair.Create(f.Name, f.Value))),
            Headers = { Authorization = authorization },
        });

    public async Task<Answer> SendAsync(HttpRequestMessage request)
    {
        var response = await Http.SendAsync(request);
        return new(response, await response.Content.ReadAsStringAsync());
    }

    public async Task<JsonObject> IntrospectAsync(string clientId, string token)
    {
        var answer = await PostAsync("/introspect", Server.Basic(clientId), ("token", token));
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.True(answer.Response.Headers.CacheControl!.NoStore);
        return answer.Json;
    }

    public async Task<bool> IsActiveAsync(string clientId, string token) => (bool)(await IntrospectAsync(clientId, token))["active"]!;

    /// <summary>The claims of a compact JWS; nothing is verified.</summary>
    public static JsonObject ClaimsOf(string token) => PartOf(token, 1);

    /// <summary>The header of a compact JWS.</summary>
    public static JsonObject HeaderOf(string token) => PartOf(token, 0);

    public static string Query(IEnumerable<KeyValuePair<string, string>> parameters) =>
        "/authorize?" + string.Join('&', parameters.Select(p => p.Key + "=" + Uri.EscapeDataString(p.Value)));

    private static JsonObject PartOf(string token, int index) =>
        JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[index]))!.AsObject();

    private AuditEntry Entry(string kind, string subject) => new()
    {
        Kind = kind,
        Outcome = AuditOutcome.Changed,
        At = Server.Time.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = "system",
        Subject = subject,
    };

    private static void Demand<T>(Outcome<T> outcome)
        where T : notnull
    {
        if (!outcome.Succeeded(out _, out var refusal))
            throw new InvalidOperationException(refusal.Operator);
    }
}

/// <summary>An answer, read to its end.</summary>
public sealed record Answer(HttpResponseMessage Response, string Text)
{
    public HttpStatusCode Status => Response.StatusCode;

    public JsonObject Json => JsonNode.Parse(Text)!.AsObject();

    public string? Error => (string?)Json["error"];

    public string? Location => Response.Headers.Location?.OriginalString;

    /// <summary>A parameter in the query of the Location.</summary>
    public string? this[string name] => Location is null ? null : HttpUtility.ParseQueryString(Location[(Location.IndexOf('?', StringComparison.Ordinal) + 1)..])[name];

    /// <summary>The error of OAuth's JSON endpoints, with the headers that belong to it.</summary>
    public void AssertError(HttpStatusCode status, string error)
    {
        Assert.Equal((status, error), (Status, Error));
        Assert.Equal("application/json", Response.Content.Headers.ContentType!.MediaType);
        Assert.True(Response.Headers.CacheControl!.NoStore);
        Assert.Null(Json["access_token"]);
        AssertDescription((string)Json["error_description"]!);
        // Every 401 names a scheme (RFC 9110 15.5.2), whether or not the caller used the header.
        if (status == HttpStatusCode.Unauthorized)
            Assert.Equal("Basic", Assert.Single(Response.Headers.WwwAuthenticate).Scheme);
        else
            Assert.Empty(Response.Headers.WwwAuthenticate);
    }

    /// <summary>%x20-21 / %x23-5B / %x5D-7E (RFC 6749 4.1.2.1, 5.2)</summary>
    public static void AssertDescription(string text) =>
        Assert.All(text, c => Assert.True(c is >= ' ' and <= '~' and not ('"' or '\\')));
}
