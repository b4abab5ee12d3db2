using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Keyreeve.Tests.Client;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Tests.AspNetCore;

/// <summary>An issuer over real TLS: metadata, keys, introspection, each to be spoilt or switched off.</summary>
public sealed class TokenIssuer : IAsyncDisposable
{
    public const string Audience = "https://val.example/pump-control";

    private int _keyFetches;
    private int _introspections;

    public TokenIssuer()
    {
        Published = [Key.PublicJwk!];
        Peer.Script = (request, stream, cancel) =>
        {
            var (status, body) = Answer(request);
            return ScriptedPeer.AnswerAsync(stream, status, "Content-Type: application/json\r\n", body, cancel);
        };
    }

    public ScriptedPeer Peer { get; } = new();

    public string Issuer => $"https://localhost:{Peer.Port}";

    public string RootsPem => Peer.Certificate.ExportCertificatePem();

    public SetClock Clock { get; } = new(ScriptedSim.Start);

    public ClientSigningKey Key { get; } = ScriptedSim.NewKey("k1");

    public List<JsonWebKey> Published { get; set; }

    /// <summary>Paths that answer 503 for now.</summary>
    public HashSet<string> Away { get; } = [];

    public bool Active { get; set; } = true;

    public int KeyFetches => Volatile.Read(ref _keyFetches);

    public int Introspections => Volatile.Read(ref _introspections);

    /// <summary>Claims of a good access token, to be spoilt.</summary>
    public JsonObject Claims(params (string Name, JsonNode? Value)[] spoilt)
    {
        var now = Clock.Now.ToUnixTimeSeconds();
        var claims = new JsonObject
        {
            ["iss"] = Issuer,
            ["sub"] = "u-1",
            ["aud"] = new JsonArray("https://other.example", Audience),
            ["exp"] = now + 300,
            ["iat"] = now,
            ["jti"] = "t-1",
            ["client_id"] = "seal-client",
            ["scope"] = "openid val:pump-control",
            ["auth_time"] = now - 60,
            ["acr"] = "3gpp:acr:password",
            ["val_user_id"] = "sip:alice@val.example",
            ["val_service_ids"] = new JsonArray("fleet-tracking", "pump-control"),
        };
        foreach (var (name, value) in spoilt)
        {
            claims.Remove(name);
            if (value is not null)
                claims[name] = value;
        }
        return claims;
    }

    public string Token(params (string Name, JsonNode? Value)[] spoilt) => ScriptedSim.Sign(Claims(spoilt), Key, "at+jwt");

    /// <summary>A token of which header and payload are text, signed by whoever.</summary>
    public static string Raw(string header, string payload, Func<byte[], byte[]> sign)
    {
        var input = Base64UrlStrict.Encode(Encoding.UTF8.GetBytes(header)) + "." + Base64UrlStrict.Encode(Encoding.UTF8.GetBytes(payload));
        return input + "." + Base64UrlStrict.Encode(sign(Encoding.ASCII.GetBytes(input)));
    }

    public async ValueTask DisposeAsync()
    {
        await Peer.DisposeAsync();
        Key.Dispose();
    }

    private (string Status, string Body) Answer(PeerRequest request)
    {
        if (request.Path == "/jwks")
            Interlocked.Increment(ref _keyFetches);
        if (request.Path == "/introspect")
            Interlocked.Increment(ref _introspections);
        if (Away.Contains(request.Path))
            return ("503 Service Unavailable", "{}");
        return request.Path switch
        {
            "/.well-known/openid-configuration" => ("200 OK", Metadata().ToJsonString()),
            "/jwks" => ("200 OK", KeySet()),
            "/introspect" => ("200 OK", new JsonObject { ["active"] = Active }.ToJsonString()),
            _ => ("404 Not Found", "{}"),
        };
    }

    private JsonObject Metadata() => new()
    {
        ["issuer"] = Issuer,
        ["authorization_endpoint"] = Issuer + "/authorize",
        ["token_endpoint"] = Issuer + "/token",
        ["jwks_uri"] = Issuer + "/jwks",
        ["introspection_endpoint"] = Issuer + "/introspect",
    };

    private string KeySet()
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            JsonWebKeySet.Of(Published).WritePublic(json);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
