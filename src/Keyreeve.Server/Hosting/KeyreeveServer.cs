using System.Net;
using System.Text.Json;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Events;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Seal;
using Keyreeve.Server.Demo;
using Keyreeve.Server.Settings;
using Keyreeve.Server.Telemetry;
using Keyreeve.Storage;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// A server from nothing to running: 1 data folder and KEK, 2 sockets, 3 store, 4 certificates, 5 keys and snapshots, 6 web
/// application, 7 demo data, 8 what was bound is written down. It serves until stopped.
/// </summary>
public sealed class KeyreeveServer : IAsyncDisposable
{
    /// <summary>How long the background may take to end after the listeners are closed.</summary>
    private static readonly TimeSpan LastLines = TimeSpan.FromSeconds(2);

    private readonly List<object> _owned = [];
    private BackgroundWork? _background;
    private TelemetryExport? _telemetry;

    private KeyreeveServer(DataFolder folder) => Folder = Own(folder);

    /// <summary>The data folder.</summary>
    public DataFolder Folder { get; }

    /// <summary>The issuer.</summary>
    public string Issuer { get; private set; } = "";

    /// <summary>What was bound.</summary>
    public IReadOnlyDictionary<string, IPEndPoint> EndPoints { get; private set; } = new Dictionary<string, IPEndPoint>();

    /// <summary>The running application.</summary>
    public WebApplication Application { get; private set; } = null!;

    /// <summary>Starts a server; <paramref name="report"/> gets what an operator should read.</summary>
    [Spec("TS 33.434", "4.2")]
    public static async Task<KeyreeveServer> StartAsync(ServerOptions options, TimeProvider clock, Action<string> report, CancellationToken cancel)
    {
        if (options.Demo && options.Settings.Listeners.Values.FirstOrDefault(l => !l.IsOff && !IPAddress.IsLoopback(l.Host!)) is { } open)
            throw new SettingsException($"--demo serves loopback only, and a listener is set to {open}");
        var server = new KeyreeveServer(DataFolder.Open(options.DataPath, options.Demo));
        try
        {
            await server.RunUpAsync(options, clock, report, cancel);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        // The collector gets its last report in the same time as the audit its last lines.
        var told = _telemetry?.StopAsync(LastLines) ?? Task.CompletedTask;
        // The last audit lines are written before the store goes, also when a slow peer used up the time for stopping.
        if (_background?.ExecuteTask is { } work)
        {
            await Task.WhenAny(work, Task.Delay(LastLines));
            if (work.IsCompletedSuccessfully)
                Folder.EndInOrder();
            _background = null;
        }
        await told;
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            if (_owned[i] is IAsyncDisposable later)
                await later.DisposeAsync();
            else if (_owned[i] is IDisposable now)
                now.Dispose();
        }
        _owned.Clear();
    }

    private async Task RunUpAsync(ServerOptions options, TimeProvider clock, Action<string> report, CancellationToken cancel)
    {
        var settings = options.Settings;
        new KekFiles(Folder).Tidy();
        var kek = Own(await StoreStart.OpenKekAsync(settings, Folder, cancel));
        var sockets = Own(BoundSockets.Bind(settings.Listeners, report));
        EndPoints = sockets.EndPoints;
        Issuer = settings.Issuer ?? $"https://{settings.HostName}:{EndPoints["https"].Port}";

        var database = Own(await StoreStart.OpenDatabaseAsync(settings, Folder, clock, cancel));
        // What is made when it is missing is made by one node at a time, up to the last of it: the pages' keys, made as the application starts.
        await using var alone = await database.AloneAsync("start", cancel);
        var stores = new Stores(database, new RevocationEvents(Issuer, settings.EventReceivers), settings.KeyRecovery);
        await StoreStart.CheckDemoAsync(options, stores, kek, clock, cancel);
        var previous = await PreviousLifeAsync(stores.Audit, clock, cancel);
        var pki = Own(await Pki.OpenAsync(stores.Sealed, kek, settings.HostName, ListBase(settings), clock, cancel));
        await KekKeeper.ClaimAsync(stores.Sealed, kek, clock, cancel);
        var roots = Own(new RootKeys());
        var sealSources = new SealSources(kek, settings);
        await SealStart.OpenAsync(stores.Seal, roots, sealSources, clock, report, cancel);
        var vault = Own(new RecordVault(roots, kek));
        Folder.WritePublic("ca.pem", pki.Root.ExportCertificatePem() + "\n");
        await OperatorCertificates.EnsureFirstAsync(Folder, stores.Sealed, stores.Certificates, kek, pki, isOneOfMany: settings.Postgres is not null, clock, cancel);

        await CertificateCare.EnsureListsAsync(stores.Certificates, pki, RevokedCertificates.None, clock.GetUtcNow(), cancel);

        var pairwise = Own(await PairwiseSubjects.OpenAsync(stores.Sealed, kek, clock, cancel));
        var rotator = new KeyRotator(stores.SigningKeys, kek, settings.Rotation, clock);
        await rotator.RotateAsync(cancel);
        var state = Own(new SnapshotState(stores.Directory, stores.SigningKeys, stores.Revocations, stores.Certificates, stores.Changes, kek, Issuer, settings.ScopeNames, settings.StaleAfter, clock, settings.ScopeAudiences));
        await state.RefreshAsync(cancel);

        var parts = new ServerParts(options, Folder, Issuer, EndPoints, kek, roots, vault, sealSources, stores, pki, new ClientAuthorities(settings.Clients, pki[CaRole.ValMc].Certificate, () => state.RevokedCertificates), state, rotator, pairwise, previous, clock);
        Application = WebHost.Build(parts, sockets);
        Own(Application);
        vault.CatchUpAsync = Application.Services.GetRequiredService<SealKeeper>().CatchUpAsync;
        if ((_telemetry = TelemetryExport.Start(parts, Application.Services)) is { } telemetry)
            Own(telemetry);
        if (options.Demo)
            await DemoData.EnsureAsync(parts, Application.Services, cancel);
        _background = Application.Services.GetServices<IHostedService>().OfType<BackgroundWork>().Single();
        await Application.StartAsync(cancel);
        WriteListeners();
        Application.Services.GetRequiredService<Readiness>().Ready();
    }

    /// <summary>
    /// When the process before this one may last have accepted a key request: replays of it must not pass. One that ended in order
    /// wrote down everything it did; what one that was killed did at the last is not in the audit, so it may have been up to now.
    /// </summary>
    private async Task<PreviousLife> PreviousLifeAsync(AuditStore audit, TimeProvider clock, CancellationToken cancel)
    {
        var last = 0L;
        foreach (var (node, sequence, _) in await audit.HeadsAsync(cancel))
            foreach (var line in await audit.ReadAsync(node, sequence - 1, 1, cancel))
                using (var json = JsonDocument.Parse(line.Json))
                    last = Math.Max(last, json.RootElement.GetProperty("at").GetInt64() / 1000);
        return new(last == 0 ? 0 : Folder.EndedInOrder ? last + 1 : Math.Max(last + 1, clock.GetUtcNow().ToUnixTimeSeconds()));
    }

    /// <summary>The one listener that speaks plain HTTP, as a list of revoked certificates is fetched (RFC 5280 8), unless the settings know better.</summary>
    private string? ListBase(ServerSettings settings) => settings.Certificates.RevocationListBase
        ?? (EndPoints.TryGetValue("health", out var health) ? $"http://{settings.HostName}:{health.Port}" : null);

    private void WriteListeners()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("issuer", Issuer);
            json.WriteNumber("pid", Environment.ProcessId);
            json.WriteStartObject("listeners");
            foreach (var (name, endPoint) in EndPoints)
                json.WriteString(name, endPoint.ToString());
            json.WriteEndObject();
            json.WriteEndObject();
        }
        Folder.Write("listeners.json", System.Text.Encoding.UTF8.GetString(stream.ToArray()) + "\n");
    }

    private T Own<T>(T thing)
        where T : notnull
    {
        _owned.Add(thing);
        return thing;
    }
}

/// <summary>What the web application is built from.</summary>
public sealed record ServerParts(
    ServerOptions Options,
    DataFolder Folder,
    string Issuer,
    IReadOnlyDictionary<string, IPEndPoint> EndPoints,
    Kek Kek,
    RootKeys Roots,
    RecordVault Vault,
    SealSources SealSources,
    Stores Stores,
    Pki Pki,
    ClientAuthorities ClientAuthorities,
    SnapshotState State,
    KeyRotator Rotator,
    PairwiseSubjects Pairwise,
    PreviousLife PreviousLife,
    TimeProvider Clock)
{
    /// <summary>Base URL of the mtls listener, or null.</summary>
    public string? MtlsBase => EndPoints.TryGetValue("mtls", out var mtls) ? $"https://{Options.Settings.HostName}:{mtls.Port}" : null;
}

/// <summary>Whether requests are answered: everything is up, and the store answers.</summary>
public sealed class Readiness
{
    private volatile bool _up;
    private volatile bool _storeIsAway;

    /// <summary>Everything was up once.</summary>
    public bool IsUp => _up;

    /// <summary>What /readyz says.</summary>
    public bool IsReady => _up && !_storeIsAway;

    /// <summary>Everything is up.</summary>
    public void Ready() => _up = true;

    /// <summary>Whether the store answered when it was last asked.</summary>
    public void StoreAnswers(bool answers) => _storeIsAway = !answers;
}
