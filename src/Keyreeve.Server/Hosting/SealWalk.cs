using System.Globalization;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>How the work in the background stands.</summary>
/// <param name="State">"idle", "running", or "elsewhere": another node does it.</param>
/// <param name="Rewrapped">Keys and versions that were wrapped anew since the start of this node.</param>
/// <param name="Unopened">What did not open in the last round and so stays as it is.</param>
/// <param name="FirstUnopened">Why the first of them does not open, or null.</param>
public sealed record SealWalkState(string State, long Rewrapped, long Unopened, string? FirstUnopened);

/// <summary>
/// In the background, on one node: wraps services' keys by the newest root and records by the newest key of their service, seals what the release before has
/// stored, and takes out roots and keys that nothing needs any more. What there is to do is read off the store, so that a process that is killed anywhere goes
/// on after its start. Batches are short and compare before they set: who changes a row meanwhile wins.
/// </summary>
public sealed partial class SealWalk(ServerParts parts, SealKeeper keeper, ILogger<SealWalk> log) : BackgroundService
{
    /// <summary>Rows of one batch. Our choice: some milliseconds, so that a request behind it does not notice.</summary>
    private const int BatchRows = 200;

    private const string Job = "wrapping keys anew";

    /// <summary>How long other nodes may take to follow a new root before the one before it goes.</summary>
    private static readonly TimeSpan Following = TimeSpan.FromMinutes(1);

    private readonly Outage _outage = new(parts.Clock, TimeSpan.FromMinutes(1));

    private SealWalkState _state = new("idle", 0, 0, null);

    /// <summary>How it stands.</summary>
    public SealWalkState State => Volatile.Read(ref _state);

    private SealStore Store => parts.Stores.Seal;

    private bool IsAlone => parts.Stores.Database is SqliteEngine;

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await TryRoundAsync(stoppingToken);
                // Other nodes' changes are looked for often; of its own a node knows.
                await keeper.ChangedAsync(IsAlone ? TimeSpan.FromMinutes(1) : TimeSpan.FromSeconds(3), stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping; the next start goes on.
        }
    }

    private async Task TryRoundAsync(CancellationToken cancel)
    {
        try
        {
            if (!IsAlone)
                await keeper.CatchUpAsync(cancel);
            if (parts.Roots.IsSealed)
            {
                // Whoever led goes on leading until it says so; and an open node waits for the work.
                await parts.Stores.Database.ResignAsync(Job, cancel);
                Tell("idle");
                return;
            }
            await parts.Vault.DropStaleAsync(Store, cancel);
            if (!await parts.Stores.Database.LeadsAsync(Job, cancel))
            {
                Tell("elsewhere");
                return;
            }
            Volatile.Write(ref _state, State with { Unopened = 0, FirstUnopened = null });
            await WrapServiceKeysAsync(cancel);
            await RetireRootsAsync(cancel);
            foreach (var service in (await parts.Stores.KeyRecords.ServicesOfLegacyAsync(1000, cancel)).Union(await Store.RotatingAsync(1000, cancel), StringComparer.Ordinal))
                await WrapRecordsAsync(service, cancel);
            Tell("idle");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The store may be away, or the node was sealed in the middle; the next round tries again.
            if (_outage.Begins())
                LogFailed(log, e);
            Tell("idle");
        }
    }

    /// <summary>Services' keys by the newest root.</summary>
    private async Task WrapServiceKeysAsync(CancellationToken cancel)
    {
        (string, long)? after = null;
        while (await Store.KeksAsync(after, BatchRows, cancel) is { Count: > 0 } page)
        {
            var began = parts.Clock.GetTimestamp();
            var changes = new List<(ServiceKek, ServiceKek)>();
            foreach (var kek in page.Where(k => k.Root != parts.Roots.Current))
                if (parts.Vault.Rewrap(kek) is { } again)
                    changes.Add((kek, again));
                else if (parts.Roots.IsSealed)
                    return;
                else
                    Unopened(string.Create(CultureInfo.InvariantCulture, $"key {kek.Version} of VAL service {kek.ServiceId} does not open by root {kek.Root}: the row was changed or moved"));
            if (changes.Count > 0)
                await RestAsync(began, await Store.RewrapKeksAsync(changes, cancel), cancel);
            after = (page[^1].ServiceId, page[^1].Version);
        }
    }

    /// <summary>A former root goes when no key is wrapped by it, and other nodes had time to follow.</summary>
    private async Task RetireRootsAsync(CancellationToken cancel)
    {
        var stored = await Store.RootsAsync(cancel);
        var newest = stored[^1];
        if (newest.Version != parts.Roots.Current || (!IsAlone && parts.Clock.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(newest.CreatedAt) < Following))
            return;
        var retired = false;
        foreach (var root in stored.Where(r => r.Version < newest.Version))
            retired |= await Store.RetireRootAsync(root.Version, Entry("seal.root_retired", string.Create(CultureInfo.InvariantCulture, $"root {root.Version}")), cancel);
        // Drops what is not stored any more.
        if (retired)
            await keeper.CatchUpAsync(cancel);
    }

    /// <summary>A service's records by its newest key; then its former keys go.</summary>
    private async Task WrapRecordsAsync(string service, CancellationToken cancel)
    {
        if (await NewestKekAsync(service, cancel) is not { } newest)
            return;
        var former = new Dictionary<long, ServiceKek?>();
        StoredVersion? after = null;
        while (await parts.Stores.KeyRecords.BelowAsync(service, newest.Version, after, BatchRows, cancel) is { Count: > 0 } page)
        {
            var began = parts.Clock.GetTimestamp();
            var changes = new List<(StoredVersion, KeyVersion)>();
            foreach (var stored in page)
            {
                var number = stored.Version.KekVersion;
                if (!former.TryGetValue(number, out var from))
                    former.Add(number, from = number == 0 ? null : await Store.FindKekAsync(service, number, cancel));
                if (parts.Vault.Rewrap(KeyRecord.Purpose(service, stored.Identity), stored.Version, from, newest).Succeeded(out var again, out var refusal))
                    changes.Add((stored, again));
                else if (refusal.Code == RefusalCode.Sealed)
                    return;
                else
                    Unopened($"a record of a {stored.Identity.Kind} in VAL service {service}: {refusal.Operator}");
            }
            if (changes.Count > 0)
                await RestAsync(began, await parts.Stores.KeyRecords.RewrapAsync(changes, cancel), cancel);
            after = page[^1];
        }
        for (var version = newest.Version - 1; version > 0; version--)
            if (!await Store.RetireKekAsync(service, version, Entry("seal.service_key_retired", service) with { Detail = string.Create(CultureInfo.InvariantCulture, $"key {version}") }, cancel)
                && await Store.FindKekAsync(service, version, cancel) is null)
                break;
    }

    /// <summary>The newest key of a service; one is made for what the release before has stored.</summary>
    private async Task<ServiceKek?> NewestKekAsync(string service, CancellationToken cancel)
    {
        var newest = await Store.FindKekAsync(service, cancel);
        if (newest is { DestroyedAt: 0 })
            return newest;
        return parts.Vault.NewKek(service, (newest?.Version ?? 0) + 1, parts.Clock.GetUtcNow().ToUnixTimeSeconds()) is { } made && await Store.AddKekAsync(made, null, cancel) ? made : null;
    }

    /// <summary>Requests get three quarters of the store at least.</summary>
    private Task RestAsync(long began, int rewrapped, CancellationToken cancel)
    {
        Volatile.Write(ref _state, State with { State = "running", Rewrapped = State.Rewrapped + rewrapped });
        return Task.Delay(3 * parts.Clock.GetElapsedTime(began), cancel);
    }

    private void Unopened(string why)
    {
        if (State.Unopened == 0)
            LogUnopened(log, why);
        Volatile.Write(ref _state, State with { Unopened = State.Unopened + 1, FirstUnopened = State.FirstUnopened ?? why });
    }

    private void Tell(string state) => Volatile.Write(ref _state, State with { State = state });

    private AuditEntry Entry(string kind, string subject) => new()
    {
        Kind = kind,
        Outcome = AuditOutcome.Changed,
        At = parts.Clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = "system",
        Subject = subject,
    };

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "wrapping keys anew failed; it is tried again")]
    private static partial void LogFailed(ILogger log, Exception e);

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "a key does not open and is left as it is: {Why}")]
    private static partial void LogUnopened(ILogger log, string why);
}
