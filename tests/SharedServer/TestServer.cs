using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Keyreeve.Engines.Tls;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Testing;

/// <summary>
/// A whole server in this process, on free loopback ports and a temporary folder, with the demo data. Tests speak to it over the
/// network like anybody else; only its clock can be moved (by minutes at most: certificates are checked by the real one).
/// </summary>
public sealed class TestServer : IAsyncDisposable
{
    private readonly KeyreeveServer _server;
    private readonly string _path;
    private readonly bool _keep;

    private TestServer(KeyreeveServer server, ShiftedTime time, string path, bool keep)
    {
        (_server, Time, _path, _keep) = (server, time, path, keep);
        Demo = JsonNode.Parse(File.ReadAllText(server.Folder.Demo))!.AsObject();
    }

    public ShiftedTime Time { get; }

    public JsonObject Demo { get; }

    public string Issuer => _server.Issuer;

    public KeyreeveServer Server => _server;

    public DataFolder Folder => _server.Folder;

    /// <summary>Starts one. Password hashing is made cheap, the rest is as shipped unless a setting ("Name=Value") says otherwise.</summary>
    public static async Task<TestServer> StartAsync(params string[] settings) => await StartAsync(Directory.CreateTempSubdirectory("keyreeve-test-").FullName, keep: false, settings);

    /// <summary>Starts one on a folder that outlives it when <paramref name="keep"/> is set.</summary>
    public static async Task<TestServer> StartAsync(string path, bool keep, params string[] settings)
    {
        var time = new ShiftedTime();
        string[] defaults = ["Listeners:https:Address=127.0.0.1:0", "Listeners:mtls:Address=127.0.0.1:0", "Listeners:health:Address=127.0.0.1:0", "Passwords:Iterations=10000"];
        var flags = defaults.Concat(settings).Select(s => new KeyValuePair<string, string>(s[..s.IndexOf('=')], s[(s.IndexOf('=') + 1)..]));
        var options = new ServerOptions(path, SettingsReader.Read(null, [], flags), Demo: true, Quiet: true);
        return new(await KeyreeveServer.StartAsync(options, time, Console.Error.WriteLine, CancellationToken.None), time, path, keep);
    }

    /// <summary>Starts a second node on the PostgreSQL database of another one: a folder of its own, the same KEK, the same issuer.</summary>
    public static async Task<TestServer> StartBesideAsync(TestServer other, params string[] settings)
    {
        var path = Directory.CreateTempSubdirectory("keyreeve-test-").FullName;
        File.Copy(other.Folder.Path("kek"), Path.Combine(path, "kek"));
        return await StartAsync(path, keep: false, ["Issuer=" + other.Issuer, .. settings]);
    }

    /// <summary>A client that trusts this server's CA and nothing else; no redirects, no cookies.</summary>
    public HttpClient NewClient(string listener = "https", X509Certificate2? certificate = null)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(Folder.CaPem);
        var handler = TlsProfile.CreateHandler(roots, certificate);
        var endPoint = _server.EndPoints[listener];
        return new HttpClient(handler) { BaseAddress = new Uri(listener == "health" ? $"http://{endPoint}" : $"https://localhost:{endPoint.Port}"), Timeout = TimeSpan.FromSeconds(30) };
    }

    public JsonObject Client(string clientId) => Demo["clients"]!.AsArray().Select(c => c!.AsObject()).First(c => (string)c["clientId"]! == clientId);

    public JsonObject User(string username) => Demo["users"]!.AsArray().Select(u => u!.AsObject()).First(u => (string)u["username"]! == username);

    /// <summary>The Authorization header of a demo client.</summary>
    public AuthenticationHeaderValue Basic(string clientId) =>
        AuthenticationHeaderValue.Parse(BasicCredentials.Write(clientId, (string)Client(clientId)["clientSecret"]!));

    /// <summary>Waits until it is so: a slow machine gets its time, and a server that never does it fails the test.</summary>
    public async Task WaitForAsync(Func<Task<bool>> isSo)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await isSo())
            await Task.Delay(100, patience.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.Application.StopAsync();
        await _server.DisposeAsync();
        if (!_keep)
            Directory.Delete(_path, recursive: true);
    }
}

/// <summary>The system's clock, moved; or standing still, for tests of exact limits. Timers run on either way.</summary>
public sealed class ShiftedTime : TimeProvider
{
    private long _ticks;
    private long _standing;

    public void Advance(TimeSpan by)
    {
        if (Interlocked.Read(ref _standing) != 0)
            Interlocked.Add(ref _standing, by.Ticks);
        else
            Interlocked.Add(ref _ticks, by.Ticks);
    }

    /// <summary>From here on it is this moment, or now, until it is advanced.</summary>
    public void StandStill(DateTimeOffset? at = null) => Interlocked.Exchange(ref _standing, (at ?? GetUtcNow()).UtcTicks);

    public override DateTimeOffset GetUtcNow() => Interlocked.Read(ref _standing) is var standing and not 0
        ? new DateTimeOffset(standing, TimeSpan.Zero)
        : base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _ticks));
}
