using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Slices.Tests.Seal.Contract;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// A server with two VAL servers, and a caller of the APIs of TS 29.549. Every exchange of every test is held against 3GPP's files
/// where they are there, so that no test can do what the contract does not know.
/// </summary>
public sealed class SealCaller : IAsyncLifetime
{
    public const string Configurations = "/ss-ipp/v1/configurations";
    public const string Profiles = "/ss-upr/v1/val-services";
    public const string KeyRecords = "/ss-kir/v1/key-records";
    public const string Pump = "pump-control";
    public const string Fleet = "fleet-tracking";

    private readonly ApiContract[] _contracts = OpenApiFiles.Find() is { } files ? ApiContract.All(files) : [];
    private readonly string[] _settings;
    private int _names;

    public SealCaller() => _settings = [];

    private SealCaller(string[] settings) => _settings = settings;

    public OpenIdServer Host { get; private set; } = null!;

    public TestServer Server => Host.Server;

    public LogLines Log { get; } = new();

    public static async Task<SealCaller> StartAsync(params string[] settings)
    {
        var started = new SealCaller(settings);
        await started.InitializeAsync();
        return started;
    }

    public async ValueTask InitializeAsync()
    {
        Host = await OpenIdServer.StartAsync(_settings);
        Host.Service<Microsoft.Extensions.Logging.ILoggerFactory>().AddProvider(Log);
        await Host.AddClientAsync(ValServer("fleet-server", Fleet));
        await Host.AddClientAsync(ValServer("idle-server"));
    }

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    public static Client ValServer(string clientId, params string[] owned) => new()
    {
        ClientId = clientId,
        Name = clientId,
        Grants = [GrantType.ClientCredentials],
        Scopes = ScopeList.Of(["seal:identity_provisioning", "seal:user_profile", "seal:key_management"]),
        OwnedServices = [.. owned],
    };

    /// <summary>A name that no other test uses.</summary>
    public string NewName(string prefix = "user") => prefix + "-" + Interlocked.Increment(ref _names).ToString(CultureInfo.InvariantCulture);

    /// <summary>A token of a VAL server for one of the APIs.</summary>
    public async Task<string> TokenAsync(string scope, string clientId = "val-server")
    {
        var (status, body, _) = await new SealFlow(Server, clientId).TokenAsync(new() { ["grant_type"] = "client_credentials", ["scope"] = scope });
        Assert.Equal(HttpStatusCode.OK, status);
        return (string)body["access_token"]!;
    }

    public async Task<JsonObject> SignInAsync(SimUser user, string scope) =>
        await new SealFlow(Server) { Parameters = { ["scope"] = scope } }.TokensAsync(user);

    public async Task ChangeServiceAsync(string serviceId, Func<ValService, ValService> change)
    {
        var directory = Host.Service<IDirectory>();
        var service = (await directory.ListServicesAsync(CancellationToken.None)).Single(s => s.ServiceId == serviceId);
        var entry = new Keyreeve.Core.Audit.AuditEntry { Kind = "test", Outcome = Keyreeve.Core.Audit.AuditOutcome.Changed, At = 1, Actor = "system" };
        Assert.True((await directory.SaveServiceAsync(change(service), create: false, null, entry, CancellationToken.None)).Succeeded(out _, out _));
        await Host.Service<Keyreeve.Core.Snapshots.SnapshotState>().RefreshAsync(CancellationToken.None);
    }

    public Task<ApiAnswer> ProvisionAsync(string token, string valServerId, params (string Service, string[] Ids)[] services) =>
        SendAsync(HttpMethod.Post, Configurations, token, Config(valServerId, services).ToJsonString());

    /// <summary>A document; an id that begins with "ue-" is a VAL UE.</summary>
    public static JsonObject Config(string valServerId, params (string Service, string[] Ids)[] services) => new()
    {
        ["valServerId"] = valServerId,
        ["valSvcConf"] = new JsonArray([.. services.Select(s => (JsonNode)new JsonObject
        {
            ["valServiceId"] = s.Service,
            ["idList"] = new JsonArray([.. s.Ids.Select(i => (JsonNode)new JsonObject { [i.StartsWith("ue-", StringComparison.Ordinal) ? "valUeId" : "valUserId"] = i })]),
        })]),
    };

    /// <summary>Sends it as it is, and holds the exchange against the contract.</summary>
    public async Task<ApiAnswer> SendAsync(HttpMethod method, string pathAndQuery, string? token, string? body = null, string contentType = "application/json", params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, pathAndQuery.StartsWith("http", StringComparison.Ordinal) ? new Uri(pathAndQuery).PathAndQuery : pathAndQuery);
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            if (contentType.Length > 0)
                request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        }
        using var response = await Host.Http.SendAsync(request, TestContext.Current.CancellationToken);
        var answer = new ApiAnswer(response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken),
            response.Headers.Concat(response.Content.Headers).ToDictionary(h => h.Key, h => string.Join(", ", h.Value), StringComparer.OrdinalIgnoreCase));
        var sent = request.RequestUri!.OriginalString;
        if (_contracts.FirstOrDefault(c => sent.StartsWith(c.BasePath, StringComparison.Ordinal)) is { } contract)
            Assert.Empty(contract.Check(new(method.Method, sent, body is null ? null : contentType, body, (int)answer.Status, answer.MediaType, answer.Text, answer.Headers)));
        return answer;
    }
}

/// <summary>What came back.</summary>
public sealed record ApiAnswer(HttpStatusCode Status, string Text, IReadOnlyDictionary<string, string> Headers)
{
    public string? MediaType => Headers.TryGetValue("Content-Type", out var type) ? type.Split(';')[0] : null;

    public JsonObject Json => JsonNode.Parse(Text)!.AsObject();

    public JsonArray List => JsonNode.Parse(Text)!.AsArray();

    public string Location => Headers["Location"];

    public string ETag => Headers["ETag"];

    public string? Cause => (string?)Json["cause"];

    public string? Param => (string?)Json["invalidParams"]?[0]?["param"];

    public ApiAnswer Is(HttpStatusCode status)
    {
        Assert.True(status == Status, $"{Status}: {Text}");
        Assert.True(status == HttpStatusCode.NoContent || Headers["Cache-Control"].Contains("no-store", StringComparison.Ordinal), "nobody keeps it");
        return this;
    }

    /// <summary>A problem document, with a challenge exactly when it is 401, or 403 for the scope.</summary>
    public ApiAnswer Refused(HttpStatusCode status, string? param = null)
    {
        Is(status);
        Assert.Equal("application/problem+json", MediaType);
        Assert.Equal((int)status, (int)Json["status"]!);
        Assert.Equal(param, Param);
        return this;
    }
}
