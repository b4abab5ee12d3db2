using System.Diagnostics.CodeAnalysis;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Snapshots;
using Keyreeve.Engines.Outbound;
using Keyreeve.Wire.Jose;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Web.Clients;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// Key sets that clients and trusted issuers publish (<c>jwks_uri</c>), in memory alone. A set is good for half a minute, so that a changed key is known
/// and a withdrawn one forgotten within that; what is missing in a younger set is asked for at most every ten seconds, however many
/// ask. While the source is away the last good set goes on for an hour. One fetch per owner at a time, and nobody waits for another
/// one's.
/// </summary>
[Spec("RFC 7591", "2")]
public sealed partial class RemoteKeys(OutboundHttp outbound, TimeProvider clock, ILogger<RemoteKeys> log) : IIssuerKeys, IDisposable
{
    /// <summary>How long a set is used without asking again. OpenID's certification asks for 60 s.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(30);

    /// <summary>How long a set is used whose source does not answer. Our choice.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromHours(1);

    /// <summary>Between the beginnings of two fetches for one owner: a flood of unknown key ids is one fetch.</summary>
    public static readonly TimeSpan Between = TimeSpan.FromSeconds(10);

    /// <summary>How long a request waits for a fetch, and a fetch for its source.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Octets of a set. Our choice: a hundred keys, or a dozen with their certificates.</summary>
    private const int MaxLength = 64 * 1024;

    /// <summary>Owners whose sets are remembered. Our choice: 64 MiB at the worst.</summary>
    private const int Capacity = 2000;

    /// <summary>Fetches at once, of all owners.</summary>
    private const int MaxFetches = 64;

    private readonly GenerationCache<Owner, Source> _sources = new(Capacity);
    private readonly SemaphoreSlim _slots = new(MaxFetches, MaxFetches);
    private readonly Lock _gate = new();

    /// <summary>The client's key set, or null when there is none that may be used. <paramref name="holds"/> says whether what is wanted is in a set.</summary>
    public ValueTask<JsonWebKeySet?> FindAsync(Client client, Func<JsonWebKeySet, bool> holds, CancellationToken cancel) =>
        FindAsync(new Owner("client " + client.ClientId, client.KeysUri!), holds, cancel);

    /// <inheritdoc />
    public ValueTask<JsonWebKeySet?> FindAsync(TrustedIssuer issuer, string? kid, CancellationToken cancel) => issuer.KeysUri is { } address
        ? FindAsync(new Owner("issuer " + issuer.Issuer, address), set => Names(set, kid), cancel)
        : new(issuer.Keys);

    /// <summary>True for a set with the key of an id; without an id any key may be the one.</summary>
    public static bool Names(JsonWebKeySet set, string? kid) => kid is null || set.Keys.Any(k => k.Kid is null || string.Equals(k.Kid, kid, StringComparison.Ordinal));

    private async ValueTask<JsonWebKeySet?> FindAsync(Owner owner, Func<JsonWebKeySet, bool> holds, CancellationToken cancel)
    {
        var source = SourceOf(owner);
        var known = source.Last;
        if (known is not null && AgeOf(known) < Fresh && holds(known.Set))
            return known.Set;
        // A source that failed before is not waited for again while its last set has what is wanted.
        if (source.TryFetch(clock.GetUtcNow(), () => FetchAsync(owner, source), out var fetch) && !(source.IsFailing && IsUsable(known) && holds(known!.Set)))
            await fetch.WaitAsync(Patience, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return source.Last is { } now && IsUsable(now) ? now.Set : null;
    }

    /// <inheritdoc />
    public void Dispose() => _slots.Dispose();

    // The clock may be set either way; then the set is as old as it is away.
    private TimeSpan AgeOf(Known known) => (clock.GetUtcNow() - known.At).Duration();

    private bool IsUsable(Known? known) => known is not null && AgeOf(known) < KeptFor;

    private Source SourceOf(Owner owner)
    {
        if (_sources.TryGet(owner, out var source))
            return source;
        lock (_gate)
        {
            if (!_sources.TryGet(owner, out source))
                _sources.Add(owner, source = new Source());
            return source;
        }
    }

    private async Task FetchAsync(Owner owner, Source source)
    {
        await Task.Yield(); // it was started under a lock
        var began = clock.GetUtcNow();
        var failure = "too many fetches at once";
        if (await _slots.WaitAsync(Patience))
        {
            try
            {
                using var late = new CancellationTokenSource(Patience);
                var (answer, refused) = await outbound.GetAsync(owner.Address, "application/jwk-set+json, application/json", late.Token);
                if (answer is null)
                    failure = refused.ToString()!;
                else if (answer.Status != 200)
                    failure = $"status {answer.Status}";
                else if (answer.Body.Length > MaxLength)
                    failure = nameof(OutboundFailure.TooLarge);
                else if (!JsonWebKeySet.TryRead(answer.Body, out var set, out var error))
                    failure = $"no key set: {error}";
                else
                {
                    source.Succeeded(new(set, began));
                    return;
                }
            }
            catch (OperationCanceledException)
            {
                failure = nameof(OutboundFailure.TimedOut);
            }
            finally
            {
                _slots.Release();
            }
        }
        if (source.Failed())
            LogFailed(log, owner.Name, failure);
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Warning, Message = "the keys of {Owner} could not be fetched from its jwks_uri: {Failure}. The last ones are used for an hour; see Outbound in the settings")]
    private static partial void LogFailed(ILogger log, string owner, string failure);

    /// <summary>Whose keys, and where.</summary>
    private readonly record struct Owner(string Name, string Address);

    private sealed record Known(JsonWebKeySet Set, DateTimeOffset At);

    /// <summary>What is known of one client's set.</summary>
    private sealed class Source
    {
        private readonly Lock _gate = new();
        private Task? _running;
        private DateTimeOffset? _began;
        private Known? _last;
        private volatile bool _failing;

        public Known? Last => Volatile.Read(ref _last);

        public bool IsFailing => _failing;

        /// <summary>The fetch that is running, or a new one if the last began long enough ago.</summary>
        public bool TryFetch(DateTimeOffset now, Func<Task> fetch, [NotNullWhen(true)] out Task? running)
        {
            lock (_gate)
            {
                running = _running is { IsCompleted: false } ? _running : null;
                if (running is null && (_began is not { } began || (now - began).Duration() >= Between))
                    (_began, running) = (now, _running = fetch());
                return running is not null;
            }
        }

        public void Succeeded(Known known)
        {
            Volatile.Write(ref _last, known);
            _failing = false;
        }

        /// <summary>True for the first failure after a success.</summary>
        public bool Failed()
        {
            var first = !_failing;
            _failing = true;
            return first;
        }
    }
}
