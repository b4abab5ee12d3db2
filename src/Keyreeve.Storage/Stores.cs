using Keyreeve.Core.Events;

namespace Keyreeve.Storage;

/// <summary>Every store over one database.</summary>
public sealed class Stores
{
    /// <param name="database">The database they share; who opened it closes it.</param>
    /// <param name="events">Who is told of revocations; null tells nobody.</param>
    /// <param name="recovery">How long a removed key record can be restored; null for the default.</param>
    public Stores(IDatabase database, RevocationEvents? events = null, TimeSpan? recovery = null)
    {
        Database = database;
        Outbox = new(database, events ?? RevocationEvents.None);
        Directory = new(database, Outbox);
        Credentials = new(database);
        Sessions = new(database);
        Grants = new(database, Outbox);
        SigningKeys = new(database);
        Sealed = new(database);
        Revocations = new(database, Outbox);
        Audit = new(database);
        Backfills = new(database);
        Changes = new(database);
        Assertions = new(database);
        SeenRequests = new(database);
        KeyRecords = new(database);
        KeyMemory = new(database);
        Configurations = new(database, Outbox);
        Profiles = new(database);
        Certificates = new(database);
        Seal = new(database);
        Sweeps = Keyreeve.Storage.Sweeps.Of(database, recovery ?? Keyreeve.Storage.Sweeps.Recovery);
    }

    /// <summary>The database they share; who opened it closes it.</summary>
    public IDatabase Database { get; }

    /// <summary>Users, clients, VAL services, devices.</summary>
    public DirectoryStore Directory { get; }

    /// <summary>Login sessions.</summary>
    public SessionStore Sessions { get; }

    /// <summary>Second factors and passkeys.</summary>
    public CredentialStore Credentials { get; }

    /// <summary>Codes, refresh families, consents.</summary>
    public GrantStore Grants { get; }

    /// <summary>Signing keys.</summary>
    public SigningKeyStore SigningKeys { get; }

    /// <summary>Named sealed values.</summary>
    public SealedStore Sealed { get; }

    /// <summary>Revocations.</summary>
    public RevocationStore Revocations { get; }

    /// <summary>The audit.</summary>
    public AuditStore Audit { get; }

    /// <summary>Long schema work, and whether code may rely on it yet.</summary>
    public BackfillRunner Backfills { get; }

    /// <summary>Which snapshots are out of date.</summary>
    public ChangeFeed Changes { get; }

    /// <summary>What must reach other parties.</summary>
    public OutboxStore Outbox { get; }

    /// <summary>Client assertions that were used.</summary>
    public AssertionTable Assertions { get; }

    /// <summary>Accepted KM requests, for nodes that share a database.</summary>
    public SeenRequestTable SeenRequests { get; }

    /// <summary>Key management records.</summary>
    public KeyRecordStore KeyRecords { get; }

    /// <summary>Key management records in memory.</summary>
    public KeyMemory KeyMemory { get; }

    /// <summary>What VAL servers provisioned.</summary>
    public ConfigurationStore Configurations { get; }

    /// <summary>VAL profiles.</summary>
    public ProfileStore Profiles { get; }

    /// <summary>Certificates of our own authorities.</summary>
    public IssuedCertificateStore Certificates { get; }

    /// <summary>Root keys and the keys of VAL services.</summary>
    public SealStore Seal { get; }

    /// <summary>What deletes rows whose time is over.</summary>
    public IReadOnlyList<Sweep> Sweeps { get; }
}
