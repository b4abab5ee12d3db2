using System.Collections.Concurrent;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Server.Settings;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>In the background: certificates that are renewed, files that are read again, lists of revoked certificates, and warnings before something ends.</summary>
public sealed partial class CertificateCare(ServerParts parts, CurrentCertificate certificate, ILogger<CertificateCare> log) : BackgroundService
{
    private static readonly TimeSpan TendEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LookEvery = TimeSpan.FromHours(1);
    private static readonly TimeSpan PollEvery = TimeSpan.FromSeconds(10);

    /// <summary>How old a list of revoked certificates may get.</summary>
    public static readonly TimeSpan ListAge = TimeSpan.FromDays(1);

    /// <summary>Certificates that are warned of in one look. Our choice: whoever has more has read the first ones.</summary>
    private const int MostWarned = 100;

    private readonly ExpiryMemory _told = new();
    private readonly Lock _reloading = new();
    private readonly ConcurrentDictionary<string, string> _refused = new(StringComparer.Ordinal);

    /// <summary>For whoever asks how this node is: what ends within a month, and files that were refused. No name that a client or operator chose.</summary>
    public IEnumerable<string> Warnings()
    {
        foreach (var ending in NodesOwn())
            if (Expiry.StageOf(ending.At, parts.Clock.GetUtcNow()) is { } stage)
                yield return $"{ending.What} {(stage == 0 ? "has ended" : "ends")} at {ending.At:u}";
        foreach (var what in _refused.Keys.Order(StringComparer.Ordinal))
            yield return $"{what}: what is in the files is refused, the log says why";
    }

    /// <summary>Makes the lists of revoked certificates that are missing or a day old. The first are there before anything is served.</summary>
    public static async Task EnsureListsAsync(IIssuedCertificateStore store, Pki pki, RevokedCertificates known, DateTimeOffset now, CancellationToken cancel)
    {
        foreach (var role in Enum.GetValues<CaRole>().Where(role => known.ListOf(role) is not { } list || list.MadeAt < (now - ListAge).ToUnixTimeSeconds()))
        {
            await store.RenewListAsync(role, now - ListAge, now, (authority, revoked, number) => pki.BuildList(authority, revoked, number, now), new AuditEntry
            {
                Kind = "crl.made",
                Outcome = AuditOutcome.Changed,
                At = now.ToUnixTimeMilliseconds(),
                Actor = "system",
                Subject = Pki.ListPath(role),
            }, cancel);
        }
    }

    /// <inheritdoc />
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        FollowFilesAsync(stoppingToken),
        EveryAsync(TendEvery, "renewing the server certificate", RenewAsync, stoppingToken),
        EveryAsync(TendEvery, "making lists of revoked certificates", () => ListsAsync(stoppingToken), stoppingToken),
        EveryAsync(LookEvery, "renewing the operator's certificate", () => RenewOperatorAsync(stoppingToken), stoppingToken),
        EveryAsync(LookEvery, "looking what ends soon", () => LookAsync(stoppingToken), stoppingToken));

    /// <summary>What ends soon, told once per stage.</summary>
    public async Task LookAsync(CancellationToken cancel)
    {
        var now = parts.Clock.GetUtcNow();
        foreach (var (ending, stage) in _told.ToTell([.. Endings(now), .. await IssuedAsync(now, cancel)], now))
        {
            if (stage == 0)
                LogEnded(log, ending.What, ending.At);
            else
                LogEnds(log, ending.What, ending.At, stage);
        }
    }

    /// <summary>What this node needs and what it believes, with their ends.</summary>
    private IEnumerable<Ending> Endings(DateTimeOffset now)
    {
        foreach (var ending in NodesOwn())
            yield return ending;
        foreach (var anchor in parts.ClientAuthorities.Trust.Anchors.Where(a => parts.Pki.RoleOfIssuer(a) is null))
            yield return new($"the authority for clients {anchor.Subject}", EndOf(anchor));
        // Lists live for days: what is told is that the next one did not come.
        foreach (var list in parts.ClientAuthorities.Trust.Lists.Where(list => list.NextUpdate <= now))
            yield return new($"the list of revoked certificates of {new X500DistinguishedName(list.Issuer).Name}", list.NextUpdate);
    }

    private IEnumerable<Ending> NodesOwn()
    {
        yield return new("the certificate of the listeners", EndOf(certificate.Now.Certificate));
        foreach (var role in Enum.GetValues<CaRole>())
            yield return new($"the built-in authority {WireNames.Of(role)}", EndOf(parts.Pki[role].Certificate));
    }

    private async Task<IEnumerable<Ending>> IssuedAsync(DateTimeOffset now, CancellationToken cancel) =>
        (await parts.Stores.Certificates.EndingAsync(now.ToUnixTimeSeconds(), (now + Expiry.Warned).ToUnixTimeSeconds(), MostWarned, cancel))
            .Select(c => new Ending($"the certificate {c.Serial} of {c.ClientId ?? c.Name}", DateTimeOffset.FromUnixTimeSeconds(c.NotAfter)));

    private Task RenewAsync()
    {
        certificate.RenewIfOld();
        return Task.CompletedTask;
    }

    private Task RenewOperatorAsync(CancellationToken cancel) => OperatorCertificates.EnsureFirstAsync(
        parts.Folder, parts.Stores.Sealed, parts.Stores.Certificates, parts.Kek, parts.Pki, isOneOfMany: parts.Options.Settings.Postgres is not null, parts.Clock, cancel);

    private async Task ListsAsync(CancellationToken cancel)
    {
        if (await parts.Stores.Database.LeadsAsync("lists of revoked certificates", cancel))
            await EnsureListsAsync(parts.Stores.Certificates, parts.Pki, parts.State.RevokedCertificates, parts.Clock.GetUtcNow(), cancel);
    }

    private async Task FollowFilesAsync(CancellationToken cancel)
    {
        var settings = parts.Options.Settings;
        string?[] files = [settings.Certificates.ServerCertificate, settings.Certificates.ServerKey, settings.Clients.TrustAnchorsFile, settings.Clients.RevocationLists];
        if (files.All(file => file is null))
            return;
        using var watch = new FileWatch(files.OfType<string>(), parts.Clock);
        try
        {
            while (true)
            {
                await watch.WaitAsync(PollEvery, cancel);
                ReloadFiles();
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    /// <summary>Reads what has changed; what is wrong with it is told once, and what was there before goes on.</summary>
    public void ReloadFiles()
    {
        lock (_reloading)
        {
            Reload("the certificate of the listeners", certificate.ReloadIfChanged);
            Reload("the authorities for clients and their lists", parts.ClientAuthorities.ReloadIfChanged);
        }

        void Reload(string what, Func<bool> reload)
        {
            try
            {
                if (reload())
                    LogReloaded(log, what);
                _refused.TryRemove(what, out _);
            }
            catch (SettingsException e)
            {
                if (!_refused.TryGetValue(what, out var told) || told != e.Message)
                    LogRefused(log, what, e.Message);
                _refused[what] = e.Message;
            }
        }
    }

    private async Task EveryAsync(TimeSpan period, string what, Func<Task> work, CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(period, parts.Clock);
        var outage = new Outage(parts.Clock, period);
        try
        {
            do
            {
                try
                {
                    await work();
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    if (outage.Begins())
                        LogFailed(log, e, what);
                }
            }
            while (await timer.WaitForNextTickAsync(cancel));
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private static DateTimeOffset EndOf(X509Certificate2 certificate) => new(certificate.NotAfter.ToUniversalTime());

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "{What} failed; it is tried again")]
    private static partial void LogFailed(ILogger log, Exception e, string what);

    [LoggerMessage(EventId = 2, Level = LogLevel.Warning, Message = "{What} ends at {At:u}: {Days} days or less are left")]
    private static partial void LogEnds(ILogger log, string what, DateTimeOffset at, int days);

    [LoggerMessage(EventId = 3, Level = LogLevel.Error, Message = "{What} has ended at {At:u}")]
    private static partial void LogEnded(ILogger log, string what, DateTimeOffset at);

    [LoggerMessage(EventId = 4, Level = LogLevel.Information, Message = "{What}: read again, and in use from now on")]
    private static partial void LogReloaded(ILogger log, string what);

    [LoggerMessage(EventId = 5, Level = LogLevel.Error, Message = "{What}: what is in the files now is refused, and what was there before goes on: {Why}")]
    private static partial void LogRefused(ILogger log, string what, string why);
}
