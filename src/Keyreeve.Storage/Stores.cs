namespace Keyreeve.Storage;

/// <summary>Every store over one database.</summary>
public sealed class Stores(IDatabase database)
{
    /// <summary>The database they share; who opened it closes it.</summary>
    public IDatabase Database { get; } = database;

    /// <summary>Users, clients, VAL services, devices.</summary>
    public DirectoryStore Directory { get; } = new(database);

    /// <summary>Login sessions.</summary>
    public SessionStore Sessions { get; } = new(database);

    /// <summary>Second factors and passkeys.</summary>
    public CredentialStore Credentials { get; } = new(database);

    /// <summary>Codes, refresh families, consents.</summary>
    public GrantStore Grants { get; } = new(database);

    /// <summary>Signing keys.</summary>
    public SigningKeyStore SigningKeys { get; } = new(database);

    /// <summary>Named sealed values.</summary>
    public SealedStore Sealed { get; } = new(database);

    /// <summary>Revocations.</summary>
    public RevocationStore Revocations { get; } = new(database);

    /// <summary>The audit.</summary>
    public AuditStore Audit { get; } = new(database);

    /// <summary>Long schema work, and whether code may rely on it yet.</summary>
    public BackfillRunner Backfills { get; } = new(database);

    /// <summary>Which snapshots are out of date.</summary>
    public ChangeFeed Changes { get; } = new(database);

    /// <summary>Key management records.</summary>
    public KeyRecordStore KeyRecords { get; } = new(database);
}
