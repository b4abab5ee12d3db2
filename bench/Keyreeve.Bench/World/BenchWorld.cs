using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Keyreeve.Bench.Sides;

namespace Keyreeve.Bench.World;

/// <summary>
/// The people and things of one server: number i of each is derived from i, so that the filling and the load agree without a list of
/// millions. All are copies of the demo's, except for what names them.
/// </summary>
internal sealed class BenchWorld(MeasuredProcess server, int size)
{
    public const string ServiceId = "pump-control";
    public const string CodeClient = "seal-client";
    public const string Callback = "http://127.0.0.1:8400/callback";
    public const string CodeScope = "openid offline_access val:pump-control";
    public const string MachineClient = "machine-client";

    private readonly JsonElement _demo = JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(Path.Combine(server.Folder, "demo.json")));

    /// <summary>Users, sessions, consents, refresh families, clients and key records: so many of each.</summary>
    public int Size { get; } = size;

    /// <summary>Refresh tokens after their first rotation, by number.</summary>
    public string?[] Refreshed { get; } = new string?[size];

    /// <summary>Access tokens to ask about.</summary>
    public IReadOnlyList<string> Tokens { get; private set; } = [];

    /// <summary>The VAL server's token for key requests.</summary>
    public string KeyToken { get; private set; } = "";

    public string SKmsUri => _demo.GetProperty("skmsUri").GetString()!;

    public static string ClientId(int i) => Numbered("bench-", i, 10);

    public static string UserName(int i) => Numbered("user-", i, 10);

    public static string Subject(int i) => Numbered("u-", i, 22);

    public static string ValUserId(int i) => Numbered("sip:user-", i, 10) + "@val.example";

    public static string FamilyId(int i) => Numbered("", i, 22);

    /// <summary>The octets of the cookie of user i.</summary>
    public static byte[] SessionSecret(int i) => Secret("session", i);

    /// <summary>The octets of the secret part of the first refresh token of family i.</summary>
    public static byte[] RefreshSecret(int i) => Secret("refresh", i);

    public static string SessionCookie(int i) => "__Host-keyreeve-session=" + Base64Url.EncodeToString(SessionSecret(i));

    public string RefreshToken(int i) => Refreshed[i] ?? FamilyId(i) + "." + Base64Url.EncodeToString(RefreshSecret(i));

    /// <summary>The Authorization header of a demo client, or of copy <paramref name="clientId"/> of it: a copy has the same secret.</summary>
    public string Basic(string clientId, string copyOf) => string.Concat("Basic ", Convert.ToBase64String(Encoding.ASCII.GetBytes(clientId + ":" + SecretOf(copyOf))));

    /// <summary>Makes the tokens that the rows need.</summary>
    public async Task PrepareAsync()
    {
        KeyToken = await TokenAsync("val-server", "val-server", "seal:key_management");
        var tokens = new List<string>();
        // Fewer than the server remembers: the row is about remembered signatures.
        for (var i = 0; i < 256; i++)
        {
            var clientId = ClientId((int)((long)i * Size / 256));
            tokens.Add(await TokenAsync(clientId, MachineClient, "val:fleet-tracking"));
        }
        Tokens = tokens;
    }

    public string SubjectOf(string username) => Member("users", "username", username).GetProperty("sub").GetString()!;

    private async Task<string> TokenAsync(string clientId, string copyOf, string scope)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/token")
        {
            Content = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("scope", scope)]),
        };
        request.Headers.TryAddWithoutValidation("Authorization", Basic(clientId, copyOf));
        using var response = await server.Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode
            ? JsonSerializer.Deserialize<JsonElement>(text).GetProperty("access_token").GetString()!
            : throw new BenchException($"no token for {clientId}: {text}");
    }

    private readonly Dictionary<string, string> _secrets = [];

    private string SecretOf(string clientId)
    {
        if (!_secrets.TryGetValue(clientId, out var secret))
            _secrets[clientId] = secret = Member("clients", "clientId", clientId).GetProperty("clientSecret").GetString()!;
        return secret;
    }

    private JsonElement Member(string list, string key, string value) => _demo.GetProperty(list).EnumerateArray().First(e => e.GetProperty(key).GetString() == value);

    private static string Numbered(string prefix, int i, int digits) => prefix + i.ToString(CultureInfo.InvariantCulture).PadLeft(digits, '0');

    private static byte[] Secret(string kind, int i) => SHA256.HashData(Encoding.ASCII.GetBytes(Numbered(kind, i, 10)));
}
