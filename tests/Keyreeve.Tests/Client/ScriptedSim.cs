using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Keyreeve.Client;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Client;

/// <summary>A clock that stands where it is put.</summary>
public sealed class SetClock(DateTimeOffset now) : TimeProvider
{
    public DateTimeOffset Now { get; set; } = now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => Now;

    public override long GetTimestamp() => Now.UtcTicks;
}

/// <summary>A SIM-S that says what the test tells it to, at the border of HTTP.</summary>
public sealed class ScriptedSim : HttpMessageHandler
{
    public const string Issuer = "https://sim-s.example";
    public const string ClientId = "sim-c";
    public const string Redirect = "http://127.0.0.1:8400/callback";

    public static readonly DateTimeOffset Start = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);

    public ScriptedSim()
    {
        Metadata = new()
        {
            ["issuer"] = Issuer,
            ["authorization_endpoint"] = Issuer + "/authorize",
            ["token_endpoint"] = Issuer + "/token",
            ["jwks_uri"] = Issuer + "/jwks",
            ["revocation_endpoint"] = Issuer + "/revoke",
            ["introspection_endpoint"] = Issuer + "/introspect",
            ["code_challenge_methods_supported"] = new JsonArray("S256"),
            ["authorization_response_iss_parameter_supported"] = true,
        };
        Published = [Key.PublicJwk!];
    }

    public SetClock Clock { get; } = new(Start);

    public ClientSigningKey Key { get; } = NewKey("k1");

    public JsonObject Metadata { get; }

    public List<JsonWebKey> Published { get; set; }

    public Dictionary<string, (int Status, string Body)> Answers { get; } = [];

    public List<(string Path, string Body, string? Authorization)> Seen { get; } = [];

    /// <summary>The detached signature of the last request, or null.</summary>
    public string? Signature { get; private set; }

    /// <summary>The last address, whole.</summary>
    public Uri? Address { get; private set; }

    /// <summary>Seconds, of every answer.</summary>
    public int? RetryAfter { get; set; }

    public int KeyFetches => Seen.Count(s => s.Path == "/jwks");

    public static ClientSigningKey NewKey(string kid) => ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256), kid);

    public async Task<SimClient> ClientAsync(ClientCredential? credential = null, int leeway = 30, string redirect = Redirect)
    {
        var result = await DiscoverAsync(credential, leeway, redirect);
        Assert.True(result.Succeeded(out var client, out var failure), failure?.Describe());
        return client;
    }

    public Task<ClientResult<SimClient>> DiscoverAsync(ClientCredential? credential = null, int leeway = 30, string redirect = Redirect) => SimClient.DiscoverAsync(
        new HttpClient(this, disposeHandler: false),
        new SimClientOptions
        {
            Issuer = Issuer,
            ClientId = ClientId,
            Credential = credential ?? ClientCredential.OfSecret(new ClientSecretText("the secret")),
            RedirectUri = redirect,
            Leeway = TimeSpan.FromSeconds(leeway),
        },
        Clock,
        TestContext.Current.CancellationToken);

    public static ScopeList Scopes => ScopeList.Of(["openid", "seal:key_management"]);

    public static string Callback(AuthenticationRequest request, string more = "") =>
        $"{Redirect}?code=the-code&state={request.State.Reveal()}&iss={Uri.EscapeDataString(Issuer)}{more}";

    public AuthenticationResponse.Code CodeOf(SimClient client, AuthenticationRequest request) =>
        Assert.IsType<AuthenticationResponse.Code>(client.ReadResponse(request, Callback(request)));

    /// <summary>Claims of a good ID token, to be spoilt.</summary>
    public JsonObject IdClaims(string? nonce, string accessToken = "access-1") => new()
    {
        ["iss"] = Issuer,
        ["sub"] = "user-1",
        ["aud"] = ClientId,
        ["exp"] = Start.ToUnixTimeSeconds() + 300,
        ["iat"] = Start.ToUnixTimeSeconds(),
        ["nonce"] = nonce,
        ["at_hash"] = Base64UrlStrict.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(accessToken)).AsSpan(0, 16)),
    };

    public static string Sign(JsonObject claims, IJwsSigner key, string? typ = "JWT") =>
        JwsWriter.Write(JwsWriter.Header(key, typ), Encoding.UTF8.GetBytes(claims.ToJsonString()), key);

    public void AnswerTokens(string? idToken, string accessToken = "access-1", string? refresh = "refresh-1")
    {
        var body = new JsonObject { ["access_token"] = accessToken, ["token_type"] = "Bearer", ["expires_in"] = 300 };
        if (idToken is not null)
            body["id_token"] = idToken;
        if (refresh is not null)
            body["refresh_token"] = refresh;
        Answers["/token"] = (200, body.ToJsonString());
    }

    /// <summary>One whole exchange with the ID token that the test makes of the good claims.</summary>
    public async Task<ClientResult<TokenSet>> ExchangeAsync(Func<JsonObject, string> idToken, int leeway = 30)
    {
        var client = await ClientAsync(leeway: leeway);
        var request = client.NewRequest(Scopes);
        AnswerTokens(idToken(IdClaims(request.Nonce.Reveal())));
        return await client.ExchangeAsync(CodeOf(client, request), TestContext.Current.CancellationToken);
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var path = request.RequestUri!.AbsolutePath;
        var sent = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
        Seen.Add((path, sent, request.Headers.Authorization?.ToString()));
        (Address, Signature) = (request.RequestUri, request.Headers.TryGetValues("X-JWS-Signature", out var signatures) ? signatures.Single() : null);
        var (status, body) = path switch
        {
            "/.well-known/openid-configuration" when !Answers.ContainsKey(path) => (200, Metadata.ToJsonString()),
            "/jwks" when !Answers.ContainsKey(path) => (200, KeySet()),
            _ => Answers.GetValueOrDefault(path, (404, "{}")),
        };
        var response = new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        if (RetryAfter is { } seconds)
            response.Headers.RetryAfter = new(TimeSpan.FromSeconds(seconds));
        return response;
    }

    private string KeySet()
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            JsonWebKeySet.Of(Published).WritePublic(json);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
