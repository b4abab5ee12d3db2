using System.Globalization;
using System.Security.Cryptography;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Limits;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>How far an unsealing is.</summary>
/// <param name="IsOpen">The node is open.</param>
/// <param name="Given">Shares that were given.</param>
/// <param name="Needed">Shares that are needed; 0 when it is not sealed by shares.</param>
public sealed record UnsealProgress(bool IsOpen, int Given, int Needed);

/// <summary>
/// The seal of the key store, on this node: opens, locks, and changes what it is sealed by. A change makes a new root, whatever the reason: the store has it
/// in one transaction with what the former ones need, and <see cref="SealWalk"/> wraps the services' keys by it. So there is no moment at which a process
/// that dies leaves keys that do not open.
/// </summary>
public sealed partial class SealKeeper(ServerParts parts, SealSources sources, ILogger<SealKeeper> log) : IDisposable
{
    /// <summary>Attempts to open. Our choice: a ceremony with typing errors passes, guessing does not; each costs a line of the audit too.</summary>
    private static readonly Rate Attempts = new(10 / 60.0, 20);

    private static readonly Refusal DoesNotOpen = Refusal.Of(RefusalCode.AccessDenied, "it does not open the key store");

    private readonly SemaphoreSlim _oneAtATime = new(1, 1);
    private readonly SemaphoreSlim _changed = new(0, 1);
    private readonly RateMeter _meter = new(Attempts, parts.Clock);
    private readonly GivenShares _shares = new(parts.Clock);

    /// <summary>True when this node gives out no key material.</summary>
    public bool IsSealed => parts.Roots.IsSealed;

    /// <summary>Shares that wait for more.</summary>
    public int SharesGiven => _shares.Count;

    private SealStore Store => parts.Stores.Seal;

    /// <summary>
    /// Opens this node by an operator's text: a passphrase, the text of a key file, or a share; by null as at the start. What was tried is audited, with the
    /// result, and limited.
    /// </summary>
    public async Task<Outcome<UnsealProgress>> UnsealAsync(SealMethod? method, string? text, AuditEntry entry)
    {
        if (!_meter.TryTake("unseal", out var wait))
            return Refusal.Of(RefusalCode.TooManyRequests, "too many attempts to unseal: wait, then try again") with { RetryAfter = wait };
        await _oneAtATime.WaitAsync(CancellationToken.None);
        try
        {
            if (!IsSealed)
                return new UnsealProgress(true, 0, 0);
            var stored = await Store.RootsAsync(CancellationToken.None);
            var newest = stored[^1];
            if (method is { } named && named != newest.Method)
                return await RefuseAsync(Refusal.Of(RefusalCode.Conflict, $"the key store is not sealed by {SealSources.NameOf(named)} but by {SealSources.NameOf(newest.Method)}"), newest, entry);
            if (newest.Method == SealMethod.Shares && text is not null)
                return await GiveShareAsync(stored, newest, text, entry);
            var why = "it does not open the key store";
            using var source = text is null ? sources.Automatic(newest.Method, out why) : await Task.Run(() => sources.Given(newest, text));
            return source is not null ? await OpenAsync(stored, source, entry) : await RefuseAsync(Refusal.Of(RefusalCode.InvalidParameter, why), newest, entry);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>
    /// Forgets all keys of the store on this node. Other nodes are not touched. Closing does not wait for the audit: what cannot be audited is done here all
    /// the same, and told as the failure that it is.
    /// </summary>
    public async Task LockAsync(AuditEntry entry)
    {
        await _oneAtATime.WaitAsync(CancellationToken.None);
        try
        {
            parts.Roots.Lock();
            _shares.Clear();
            LogLocked(log);
            await AuditAsync(entry);
        }
        catch (Exception e)
        {
            LogUnaudited(log, e);
            throw;
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>Seals by another method or secret from now on. The node must be open.</summary>
    public Task<Outcome<long>> InitializeAsync(SealMethod method, string? text, SealParameters parameters, AuditEntry entry) => ChangeAsync(async _ =>
        await Task.Run(() => sources.ForNew(method, text, parameters)) is var (source, kept) ? (source, kept) : Refusal.About(RefusalCode.InvalidParameter, "key", "key is 32 octets in base64url, 43 characters"), entry);

    /// <summary>A new root under the seal that is there. The secret is asked for when the server has it not: that also shows that somebody still has it.</summary>
    public Task<Outcome<long>> RotateAsync(string? text, AuditEntry entry) => ChangeAsync(async newest =>
    {
        var why = "";
        if (text is not null && !_meter.TryTake("unseal", out var wait))
            return Refusal.Of(RefusalCode.TooManyRequests, "too many attempts: wait, then try again") with { RetryAfter = wait };
        var source = text is null ? sources.Automatic(newest.Method, out why) : await Task.Run(() => sources.Given(newest, text));
        if (source is not null && source.Open(newest) is { } octets)
        {
            octets.Dispose();
            return (source, newest.Parameters);
        }
        source?.Dispose();
        // Who gave nothing has tried nothing.
        return text is null ? Refusal.Of(RefusalCode.MissingParameter, $"the secret is needed: {why} (keyreeve seal rotate --help)") : await RefuseAsync(DoesNotOpen, newest, entry);
    }, entry);

    /// <summary>A new key for a VAL service; its records are wrapped by it in the background. Returns its version.</summary>
    public async Task<Outcome<long>> RotateServiceAsync(string serviceId, AuditEntry entry)
    {
        if (await Store.FindKekAsync(serviceId, CancellationToken.None) is not { DestroyedAt: 0 } newest)
            return Refusal.Of(RefusalCode.NotFound, "the VAL service has no key here");
        await parts.Vault.FollowAsync(newest, CancellationToken.None);
        if (parts.Vault.NewKek(serviceId, newest.Version + 1, parts.Clock.GetUtcNow().ToUnixTimeSeconds()) is not { } made)
            return RecordVault.SealedHere;
        if (!await Store.AddKekAsync(made, entry with { Detail = Invariant($"key {made.Version}") }, CancellationToken.None))
            return Refusal.Of(RefusalCode.Conflict, "the keys were changed at the same moment: try again");
        Wake();
        return made.Version;
    }

    /// <summary>Destroys every key of a VAL service: what they wrapped opens never again. Also while sealed. Returns how many it were.</summary>
    public async Task<Outcome<int>> DestroyServiceAsync(string serviceId, AuditEntry entry)
    {
        var destroyed = await Store.DestroyAsync(serviceId, parts.Clock.GetUtcNow().ToUnixTimeSeconds(), entry, CancellationToken.None);
        parts.Vault.Forget(serviceId);
        return destroyed > 0 ? destroyed : Refusal.Of(RefusalCode.NotFound, "the VAL service has no key here");
    }

    /// <summary>Waits until something was changed here that leaves work in the background, or for so long.</summary>
    public Task ChangedAsync(TimeSpan most, CancellationToken cancel) => _changed.WaitAsync(most, cancel);

    /// <summary>Opens roots that another node made since; when that cannot be done, this node is sealed: it could open nothing new.</summary>
    public async Task CatchUpAsync(CancellationToken cancel)
    {
        if (IsSealed)
            return;
        await _oneAtATime.WaitAsync(cancel);
        try
        {
            var stored = await Store.RootsAsync(cancel);
            if (IsSealed || parts.Roots.TryFollow(stored))
                return;
            using var source = sources.Automatic(stored[^1].Method, out _);
            if (source is not null && parts.Roots.TryOpen(stored, source))
                return;
            parts.Roots.Lock();
            LogLostTrack(log);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _shares.Clear();
        _oneAtATime.Dispose();
        _changed.Dispose();
    }

    private async Task<Outcome<UnsealProgress>> GiveShareAsync(IReadOnlyList<SealRoot> stored, SealRoot newest, string text, AuditEntry entry)
    {
        var needed = newest.Parameters.Threshold;
        if (!ShareText.TryRead(text, out var set, out var share))
            return await RefuseAsync(Refusal.About(RefusalCode.InvalidParameter, "share", "it is no share, or was mistyped: kshare-SET-NN-..."), newest, entry);
        if (set != newest.Parameters.Set)
        {
            CryptographicOperations.ZeroMemory(share.Value.Y);
            return await RefuseAsync(Refusal.About(RefusalCode.InvalidParameter, "share", $"it is a share of set {set}; the key store is sealed by set {newest.Parameters.Set}"), newest, entry);
        }
        _shares.Add(set, share.Value);
        if (_shares.Count < needed)
        {
            await AuditAsync(entry with { Detail = Invariant($"share {share.Value.X}: {_shares.Count} of {needed}") });
            return new UnsealProgress(false, _shares.Count, needed);
        }
        using var key = _shares.Combine();
        using var source = new KeyRootSource(SealMethod.Shares, SealingKey.FromBytes(key.Span));
        return await OpenAsync(stored, source, entry);
    }

    private async Task<Outcome<UnsealProgress>> OpenAsync(IReadOnlyList<SealRoot> stored, IRootKeySource source, AuditEntry entry)
    {
        using (var octets = source.Open(stored[^1]))
        {
            if (octets is null)
                return await RefuseAsync(DoesNotOpen, stored[^1], entry);
        }
        // What is not audited is not done.
        await AuditAsync(entry with { Detail = Invariant($"{SealSources.NameOf(source.Method)}: root {stored[^1].Version} is open on {parts.Stores.Database.Node}") });
        parts.Roots.TryOpen(stored, source);
        LogOpen(log, stored[^1].Version);
        Wake();
        return new UnsealProgress(true, 0, 0);
    }

    private async Task<Outcome<long>> ChangeAsync(Func<SealRoot, Task<Outcome<(IRootKeySource Source, SealParameters Parameters)>>> choose, AuditEntry entry)
    {
        if (IsSealed)
            return RecordVault.SealedHere;
        await CatchUpAsync(CancellationToken.None);
        await _oneAtATime.WaitAsync(CancellationToken.None);
        try
        {
            var current = parts.Roots.Current;
            if ((await Store.RootsAsync(CancellationToken.None)).LastOrDefault(r => r.Version == current) is not { } newest)
                return RecordVault.SealedHere;
            if (!(await choose(newest)).Succeeded(out var chosen, out var refusal))
                return refusal;
            using var source = chosen.Source;
            return await ReplaceAsync(current, source, chosen.Parameters, entry);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    private async Task<Outcome<long>> ReplaceAsync(long current, IRootKeySource source, SealParameters parameters, AuditEntry entry)
    {
        using var octets = PinnedSecret.Random(SealingKey.KeySize);
        var next = current + 1;
        // Nodes of one database follow by the root before; a node that is alone needs no such bridge.
        var byFormer = parts.Stores.Database is SqliteEngine ? [] : parts.Roots.SealForFollowers(next, octets.Span);
        if (byFormer is null)
            return RecordVault.SealedHere;
        var root = new SealRoot
        {
            Version = next,
            Method = source.Method,
            Wrapped = source.Seal(next, octets.Span),
            ByFormer = byFormer,
            Parameters = parameters,
            CreatedAt = parts.Clock.GetUtcNow().ToUnixTimeSeconds(),
        };
        // Before anything depends on it: it opens again.
        using (var again = source.Open(root))
            if (again is null || !CryptographicOperations.FixedTimeEquals(again.Span, octets.Span))
                return Refusal.Of(RefusalCode.Unavailable, "the new root did not open again; nothing was changed");
        using var key = SealingKey.FromBytes(octets.Span);
        var detail = Invariant($"{SealSources.NameOf(source.Method)}{(parameters.Set is { } set ? $", {parameters.Threshold} of {parameters.Shares} shares of set {set}" : "")}");
        if (!await Store.AddRootAsync(root, current, parts.Roots.SealUnder(key), entry with { Subject = Invariant($"root {next}"), Detail = detail }, CancellationToken.None))
            return Refusal.Of(RefusalCode.Conflict, "another node changed the seal at the same moment: look, and try again");
        parts.Roots.Add(next, octets.Span);
        Wake();
        return next;
    }

    private void Wake()
    {
        try
        {
            _changed.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is awake already.
        }
    }

    /// <summary>A failed attempt is audited before it is answered; no refusal tells a secret.</summary>
    private async Task<Refusal> RefuseAsync(Refusal refusal, SealRoot newest, AuditEntry entry)
    {
        await AuditAsync(entry with { Outcome = AuditOutcome.Refused, Detail = $"{SealSources.NameOf(newest.Method)}: {refusal.Operator}" });
        return refusal;
    }

    private Task AuditAsync(AuditEntry entry) => parts.Stores.Audit.AppendAsync([entry], CancellationToken.None);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "the key store is open (root {Root})")]
    private static partial void LogOpen(ILogger log, long root);

    [LoggerMessage(EventId = 2, Level = LogLevel.Warning, Message = "an operator sealed the key store on this node")]
    private static partial void LogLocked(ILogger log);

    [LoggerMessage(EventId = 3, Level = LogLevel.Error, Message = "the seal was changed by another node and this one could not follow: the key store is sealed here; keyreeve seal unseal")]
    private static partial void LogLostTrack(ILogger log);

    [LoggerMessage(EventId = 4, Level = LogLevel.Error, Message = "the key store was sealed on this node, and no line of it is in the audit")]
    private static partial void LogUnaudited(ILogger log, Exception e);
}
