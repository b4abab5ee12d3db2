namespace Keyreeve.Core.Snapshots;

/// <summary>What nodes keep a snapshot or cache of.</summary>
public enum Topic
{
    /// <summary>Clients.</summary>
    Clients = 1,

    /// <summary>VAL services, and with them the scopes.</summary>
    Services = 2,

    /// <summary>Signing keys.</summary>
    SigningKeys = 3,

    /// <summary>The revocation list.</summary>
    Revocations = 4,

    /// <summary>Trusted issuers.</summary>
    Issuers = 5,

    /// <summary>Certificates of our own authorities that were revoked, and the lists of them.</summary>
    Certificates = 6,
}

/// <summary>Version counters in the store: whoever changes a topic raises its counter in the same transaction.</summary>
public interface IChangeFeed
{
    /// <summary>The counters now; a topic that never changed is 0 or missing.</summary>
    Task<IReadOnlyDictionary<Topic, long>> ReadAsync(CancellationToken cancel);

    /// <summary>Ends when another node may have changed something, at the latest after <paramref name="atMost"/>.</summary>
    Task WaitAsync(TimeSpan atMost, CancellationToken cancel);
}
