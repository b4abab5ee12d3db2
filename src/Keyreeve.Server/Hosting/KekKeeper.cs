using Keyreeve.Core;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Storage;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>How a rewrap stands.</summary>
/// <param name="State">"idle", "running", or "elsewhere": another KEK than this node's is the store's.</param>
/// <param name="Progress">Of the walk that runs, or of the last one.</param>
/// <param name="FinishedAt">When the last whole walk ended, or null.</param>
public sealed record RewrapState(string State, RewrapProgress Progress, DateTimeOffset? FinishedAt);

/// <summary>
/// Changes the KEK while serving. The store remembers which KEK it is to be sealed by: the value <see cref="Target"/> is sealed by it, and its head names
/// it. A node rewraps only while that is its own, so that two nodes that disagree for a while do not rewrap against each other.
/// </summary>
public sealed partial class KekKeeper(ServerParts parts, ILogger<KekKeeper> log) : IDisposable
{
    /// <summary>Name of the sealed value whose KEK is the one to use.</summary>
    public const string Target = "kek/current";

    /// <summary>What was sealed just before a switch is written by then. Our choice: more than a write may wait.</summary>
    private static readonly TimeSpan InFlight = TimeSpan.FromSeconds(30);

    /// <summary>While there are old keys: another node may have sealed by one since.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(10);

    private readonly SealedRows _rows = new(parts.Stores.Database);
    private readonly SemaphoreSlim _oneAtATime = new(1, 1);
    private readonly SemaphoreSlim _wake = new(0, 1);
    private DateTimeOffset? _switchedAt;
    private RewrapState _rewrap = new("idle", default, null);

    /// <summary>Where the keys come from.</summary>
    public KekFiles Files { get; } = new(parts.Folder);

    /// <summary>How the last or current rewrap stands.</summary>
    public RewrapState Rewrap => Volatile.Read(ref _rewrap);

    private Kek Kek => parts.Kek;

    /// <summary>
    /// At the start: this node's KEK becomes the store's. That finishes a rotation that was cut short, and is how a new KEYREEVE_KEK takes over.
    /// </summary>
    /// <exception cref="DataFolderException">The store is sealed by a KEK that is not known here.</exception>
    public static async Task ClaimAsync(ISealedStore store, Kek kek, TimeProvider clock, CancellationToken cancel)
    {
        if (await store.FindAsync(Target, cancel) is { } value)
        {
            if (Kek.IdOf(value) == kek.Id)
                return;
            if (!kek.TryOpen(Target, value, out _))
                throw new DataFolderException($"the store does not open with {kek}: {kek.WhyNot(value)}. Add that KEK to the file kek.old or to KEYREEVE_KEK_OLD");
        }
        await store.PutAsync(Target, kek.Seal(Target, "1"u8), Entry("kek.current", kek.Id, null, "system", clock), cancel);
    }

    /// <summary>Rows by column and KEK.</summary>
    public Task<IReadOnlyList<SealedCount>> CountAsync(CancellationToken cancel) => _rows.CountAsync(cancel);

    /// <summary>
    /// Switches to a new key, or to the key <paramref name="to"/> out of kek.old; returns its id. The order makes it safe to die anywhere: both keys are on disk
    /// as keys that open, then the store is told (with the audit line), then the file of the current key changes, then this process seals by it.
    /// </summary>
    public async Task<Outcome<string>> RotateAsync(string? to, bool alone, AuditEntry entry)
    {
        await _oneAtATime.WaitAsync(CancellationToken.None);
        try
        {
            if (KekFiles.IsFromEnvironment)
                return Refusal.Of(RefusalCode.Conflict, "the KEK comes from KEYREEVE_KEK, which the server cannot change: add a new key to KEYREEVE_KEK_OLD of every node and restart each; then make it KEYREEVE_KEK, with the former one in KEYREEVE_KEK_OLD, and restart each again");
            if (to is null && !alone && parts.Stores.Database is not SqliteEngine)
                return Refusal.Of(RefusalCode.Conflict, "other nodes may use this database and would not know a new key: add one to the file kek.old of every node, restart each, then switch each to it by its id (--to ID); or say that there is no other node (--alone)");
            if ((to is null ? KekFiles.Make() : Files.FindOld(to)) is not { } next)
                return Refusal.About(RefusalCode.NotFound, "to", "there is no such key in kek.old");
            using var key = KekFiles.Key(next, "kek.old");
            if (key.Id == Kek.Id)
                return Refusal.About(RefusalCode.Conflict, "to", "that is the current key");
            Files.Prepare(next);
            await parts.Stores.Sealed.PutAsync(Target, key.Seal(Target, "1"u8), entry with { Subject = key.Id, Detail = "from " + Kek.Id }, CancellationToken.None);
            Files.Switch(next);
            Kek.Replace(Files.Open("the database is sealed by it. Put the file back"));
            _switchedAt = parts.Clock.GetUtcNow();
            Wake();
            return key.Id;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogFilesFailed(log, e);
            return Refusal.Of(RefusalCode.Unavailable, "the files of the KEK cannot be written: the log says why. What is sealed opens as before");
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>Takes a key that nothing is sealed by out of kek.old and out of this process.</summary>
    public async Task<Outcome<string>> RetireAsync(string? id, AuditEntry entry)
    {
        await _oneAtATime.WaitAsync(CancellationToken.None);
        try
        {
            var old = Files.OldIds;
            if (id is null && old.Count != 1)
                return Refusal.About(RefusalCode.MissingParameter, "id", old.Count == 0 ? "there is no key in kek.old" : "there are several keys in kek.old: name one by its id");
            id ??= old[0];
            if (!old.Contains(id, StringComparer.Ordinal))
                return Refusal.About(RefusalCode.NotFound, "id", Kek.OtherIds.Contains(id, StringComparer.Ordinal)
                    ? "that key comes from KEYREEVE_KEK_OLD: when no row needs it, take it out there and restart" : "there is no such key in kek.old");
            if (_switchedAt is { } at && parts.Clock.GetUtcNow() - at < InFlight)
                return Refusal.Of(RefusalCode.Conflict, $"the key was changed less than {InFlight.TotalSeconds:0} s ago and requests may still write what they sealed: try again then");
            if (id != Kek.Id && (await CountAsync(CancellationToken.None)).Where(c => c.KekId == id).ToList() is { Count: > 0 } needed)
                return Refusal.Of(RefusalCode.Conflict, $"{needed.Sum(c => c.Rows)} rows are sealed by it ({string.Join(", ", needed.Select(c => c.Column.Table).Distinct())}): see 'keyreeve admin kek status'");
            await parts.Stores.Audit.AppendAsync([entry with { Subject = id }], CancellationToken.None);
            Files.Remove([id]);
            Kek.Replace(Files.Open("the database is sealed by it. Put the file back"));
            return id;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogFilesFailed(log, e);
            return Refusal.Of(RefusalCode.Unavailable, "the file kek.old cannot be written: the log says why");
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>Rewraps after each rotation, and now and then while there are old keys. Nothing to do is the rule.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                if (Kek.OtherIds.Count > 0)
                    await TryRewrapAsync(cancel);
                await _wake.WaitAsync(LookAgain, cancel);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping; the next start goes on.
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _oneAtATime.Dispose();
        _wake.Dispose();
    }

    private async Task TryRewrapAsync(CancellationToken cancel)
    {
        try
        {
            var whole = true;
            var last = await _rows.RewrapAsync(Kek, async () => whole = await IsOursAsync(cancel),
                progress => Volatile.Write(ref _rewrap, Rewrap with { State = "running", Progress = progress }), cancel);
            if (last.Rewrapped > 0)
                await parts.Stores.Audit.AppendAsync([Entry("kek.rewrapped", Kek.Id, $"{last.Rewrapped} rows", "system", parts.Clock)], cancel);
            if (last.FirstUnopened is { } why)
                LogUnopened(log, last.Unopened, why);
            Volatile.Write(ref _rewrap, new(whole ? "idle" : "elsewhere", last, whole ? parts.Clock.GetUtcNow() : Rewrap.FinishedAt));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogRewrapFailed(log, e);
        }
    }

    private async Task<bool> IsOursAsync(CancellationToken cancel) =>
        await parts.Stores.Sealed.FindAsync(Target, cancel) is { } value && Kek.IdOf(value) == Kek.Id;

    private void Wake()
    {
        if (_wake.CurrentCount == 0)
            _wake.Release();
    }

    private static AuditEntry Entry(string kind, string id, string? detail, string actor, TimeProvider clock) => new()
    {
        Kind = kind,
        Outcome = AuditOutcome.Changed,
        At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = actor,
        Subject = id,
        Detail = detail,
    };

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "the files of the KEK cannot be written")]
    private static partial void LogFilesFailed(ILogger log, Exception e);

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "rewrapping to the current KEK failed; it is tried again")]
    private static partial void LogRewrapFailed(ILogger log, Exception e);

    [LoggerMessage(EventId = 3, Level = LogLevel.Error, Message = "{Count} sealed rows do not open. The first: {Why}")]
    private static partial void LogUnopened(ILogger log, long count, string why);
}
