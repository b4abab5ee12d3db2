using System.Collections.Frozen;
using System.Runtime.ExceptionServices;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Core.Snapshots;

/// <summary>
/// The store was not heard of for so long that what was revoked since cannot be known: no token is issued or checked until it is back
/// (HTTP 503).
/// </summary>
public sealed class StaleSnapshotException(TimeSpan age) : TryLaterException($"nothing was heard of the store for {age.TotalSeconds:0} s: what was revoked since is not known");

/// <summary>
/// The hot data of this node: immutable values swapped whole when the store says that their topic changed. Reading costs a
/// reference; nothing here is written by a request that only asks.
/// </summary>
public sealed class SnapshotState : IDisposable
{
    /// <summary>Clients remembered. Our choice: a few kilobytes each.</summary>
    private const int ClientCapacity = 20_000;

    /// <summary>Before every version.</summary>
    private const long NeverSeen = -1;

    private readonly IDirectory _directory;
    private readonly ISigningKeyStore _keyStore;
    private readonly IRevocationStore _revocationStore;
    private readonly IChangeFeed _feed;
    private readonly Kek _kek;
    private readonly string _issuer;
    private readonly IReadOnlyDictionary<string, string>? _renamedScopes;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _mayBeStaleFor;
    private readonly SemaphoreSlim _oneAtATime = new(1, 1);

    private readonly Dictionary<Topic, long> _seen = [];
    private long _upToDateAt;
    private KeyRing _keys = new([]);
    private RevocationList _revocations = RevocationList.Empty;
    private ScopeCatalogue _scopes;
    private GenerationCache<string, Client> _clients = new(ClientCapacity, secondSight: true);
    private GenerationCache<string, string> _certificates = new(ClientCapacity);
    private GenerationCache<string, IReadOnlyList<Client>> _resourceServers = new(ClientCapacity);
    private FrozenDictionary<string, TrustedIssuer> _issuers = FrozenDictionary<string, TrustedIssuer>.Empty;

    /// <summary>Empty until <see cref="RefreshAsync"/> ran.</summary>
    public SnapshotState(IDirectory directory, ISigningKeyStore keyStore, IRevocationStore revocationStore, IChangeFeed feed, Kek kek,
        string issuer, IReadOnlyDictionary<string, string>? renamedScopes, TimeSpan mayBeStaleFor, TimeProvider clock)
    {
        (_directory, _keyStore, _revocationStore, _feed) = (directory, keyStore, revocationStore, feed);
        (_kek, _issuer, _renamedScopes, _clock) = (kek, issuer, renamedScopes, clock);
        _mayBeStaleFor = mayBeStaleFor;
        _upToDateAt = clock.GetTimestamp();
        _scopes = new ScopeCatalogue(issuer, [], renamedScopes);
    }

    /// <summary>Signing keys.</summary>
    public KeyRing Keys => Volatile.Read(ref _keys);

    /// <summary>The revocation list.</summary>
    /// <exception cref="StaleSnapshotException">The store was not heard of for too long: what was revoked since is not known.</exception>
    public RevocationList Revocations => Age <= _mayBeStaleFor ? Volatile.Read(ref _revocations) : throw new StaleSnapshotException(Age);

    /// <summary>How long ago this node last knew that it was up to date. Counted by a clock that nobody sets.</summary>
    public TimeSpan Age => _clock.GetElapsedTime(Volatile.Read(ref _upToDateAt));

    /// <summary>Scopes and audiences.</summary>
    public ScopeCatalogue Scopes => Volatile.Read(ref _scopes);

    /// <summary>The trusted issuer of an <c>iss</c>, or null. One that is switched off is found and is not to be trusted.</summary>
    public TrustedIssuer? FindIssuer(string issuer) => Volatile.Read(ref _issuers).GetValueOrDefault(issuer);

    /// <summary>The client of an identifier, remembered until a client changes.</summary>
    public ValueTask<Client?> FindClientAsync(string clientId, CancellationToken cancel)
    {
        // The cache is taken before the store is read: what is read goes into that one, and if the topic changes meanwhile the cache
        // is thrown away with it. A stale client cannot survive a change.
        var cache = Volatile.Read(ref _clients);
        return cache.TryGet(clientId, out var client) ? new(client) : new(LoadAsync());

        async Task<Client?> LoadAsync()
        {
            var loaded = await _directory.FindClientAsync(clientId, cancel);
            if (loaded is not null)
                cache.Add(clientId, loaded);
            return loaded;
        }
    }

    /// <summary>The client that a certificate is registered for, by SHA-256 thumbprint.</summary>
    public async ValueTask<Client?> FindClientByCertificateAsync(string thumbprint, CancellationToken cancel)
    {
        var cache = Volatile.Read(ref _certificates);
        if (cache.TryGet(thumbprint, out var clientId))
            return await FindClientAsync(clientId, cancel);
        var client = await _directory.FindClientByCertificateAsync(thumbprint, cancel);
        if (client is not null)
            cache.Add(thumbprint, client.ClientId);
        return client;
    }

    /// <summary>The clients registered as the resource server of an audience, remembered until a client changes.</summary>
    public async ValueTask<IReadOnlyList<Client>> FindResourceServersAsync(string audience, CancellationToken cancel)
    {
        var cache = Volatile.Read(ref _resourceServers);
        if (cache.TryGet(audience, out var known))
            return known;
        var loaded = await _directory.FindClientsByAudienceAsync(audience, cancel);
        cache.Add(audience, loaded);
        return loaded;
    }

    /// <summary>
    /// Brings this node up to the store: reads the counters and reloads what changed. Called after every own change (so that the
    /// next request sees it) and twice a second for the others'.
    /// </summary>
    public async Task RefreshAsync(CancellationToken cancel)
    {
        await _oneAtATime.WaitAsync(cancel);
        try
        {
            var asked = _clock.GetTimestamp();
            // The counters are read first: a change that comes while we load raises them again and is loaded by the next round.
            var versions = await _feed.ReadAsync(cancel);
            ExceptionDispatchInfo? failed = null;
            var revocationsKnown = true;
            foreach (var topic in Enum.GetValues<Topic>())
            {
                var version = versions.GetValueOrDefault(topic);
                // A counter that went back belongs to a store that was put back: nothing of what was seen counts there.
                var known = _seen.TryGetValue(topic, out var seen) && seen <= version ? seen : NeverSeen;
                if (known == version)
                    continue;
                try
                {
                    var began = _clock.GetTimestamp();
                    await LoadAsync(topic, known, cancel);
                    CoreTelemetry.Reloaded(topic, _clock.GetElapsedTime(began));
                    _seen[topic] = version;
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // A signing key that does not open must not keep a revocation out: each topic stands alone, and the caller learns of the first failure.
                    failed ??= ExceptionDispatchInfo.Capture(e);
                    revocationsKnown &= topic != Topic.Revocations;
                }
            }
            if (revocationsKnown)
                Volatile.Write(ref _upToDateAt, asked);
            failed?.Throw();
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <inheritdoc />
    public void Dispose() => _oneAtATime.Dispose();

    private async Task LoadAsync(Topic topic, long after, CancellationToken cancel)
    {
        switch (topic)
        {
            case Topic.Clients:
                Volatile.Write(ref _clients, new(ClientCapacity, secondSight: true));
                Volatile.Write(ref _certificates, new(ClientCapacity));
                Volatile.Write(ref _resourceServers, new(ClientCapacity));
                break;
            case Topic.Services:
                Volatile.Write(ref _scopes, new ScopeCatalogue(_issuer, await _directory.ListServicesAsync(cancel), _renamedScopes));
                break;
            case Topic.Issuers:
                Volatile.Write(ref _issuers, (await _directory.ListIssuersAsync(cancel)).ToFrozenDictionary(i => i.Issuer, StringComparer.Ordinal));
                break;
            case Topic.SigningKeys:
                Volatile.Write(ref _keys, OpenRing(await _keyStore.LoadAsync(cancel)));
                break;
            case Topic.Revocations:
                var now = (_clock.GetUtcNow() - ClockJumps.Forgiven).ToUnixTimeSeconds();
                var more = await _revocationStore.LoadAsync(after, now, cancel);
                Volatile.Write(ref _revocations, after == NeverSeen ? new RevocationList(more) : _revocations.With(more, now));
                break;
        }
    }

    private KeyRing OpenRing(IReadOnlyList<SigningKeyRow> rows)
    {
        var now = _clock.GetUtcNow().ToUnixTimeSeconds();
        var open = Keys.Keys.ToDictionary(k => k.KeyId, StringComparer.Ordinal);
        var keys = new List<SigningKey>();
        foreach (var row in rows.Where(r => !r.Revoked && (r.ExpiresAt == 0 || r.ExpiresAt > now)))
        {
            if (open.TryGetValue(row.KeyId, out var known) && known.Row == row with { SealedPrivateKey = known.Row.SealedPrivateKey })
                keys.Add(known);
            else if (SigningKey.Open(row, _kek) is { } opened)
                keys.Add(opened);
            else
                throw new InvalidOperationException($"signing key {row.KeyId} does not open with {_kek}: it was sealed by KEK {Kek.IdOf(row.SealedPrivateKey)}; put that key back");
        }
        return new KeyRing(keys);
    }
}
