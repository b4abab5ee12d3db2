using Keyreeve.Core.Events;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Policy;
using Keyreeve.Engines.Outbound;
using Keyreeve.Seal;
using Keyreeve.Web.Limits;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Settings;

/// <summary>All settings of a server, read and checked.</summary>
public sealed record ServerSettings
{
    /// <summary>The issuer, or null: then https://localhost and the port of the https listener.</summary>
    public string? Issuer { get; init; }

    /// <summary>The host of certificates and of the default issuer.</summary>
    public string HostName { get; init; } = "localhost";

    /// <summary>Name of this node: in the audit, and among the nodes of one database.</summary>
    public string Node { get; init; } = "node-1";

    /// <summary>The PostgreSQL database, or null: then SQLite in the data folder.</summary>
    public Keyreeve.Storage.PostgresAddress? Postgres { get; init; }

    /// <summary>Addresses of the listeners by name; "off" switches one off.</summary>
    public required IReadOnlyDictionary<string, ListenerAddress> Listeners { get; init; }

    /// <summary>How long revocations may be unknown while the store is away; then nothing is issued or checked.</summary>
    public TimeSpan StaleAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How much one caller may ask.</summary>
    public LimitSettings Limits { get; init; } = new();

    /// <summary>Lifetimes.</summary>
    public TokenPolicy Tokens { get; init; } = new();

    /// <summary>Rotation of the signing keys.</summary>
    public RotationPolicy Rotation { get; init; } = new();

    /// <summary>PBKDF2-SHA512 iterations of new password hashes.</summary>
    public int PasswordIterations { get; init; } = 210_000;

    /// <summary>Characters of a password at least.</summary>
    public int PasswordMinLength { get; init; } = 8;

    /// <summary>The look of the pages.</summary>
    public Web.Pages.Branding Branding { get; init; } = Web.Pages.Branding.Default;

    /// <summary>SKM-S URIs, or none: then issuer + /seal/km.</summary>
    public IReadOnlyList<string> SKmsUris { get; init; } = [];

    /// <summary>ID of the SKM-S.</summary>
    public string SKmsId { get; init; } = "skms-1";

    /// <summary>Window of Date/Time.</summary>
    public TimeSpan KmWindow { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Every client signs its key requests.</summary>
    public bool KmSignaturesRequired { get; init; }

    /// <summary>Key material is encrypted for every client.</summary>
    public bool KmEncryptionRequired { get; init; }

    /// <summary>Every VAL server shows its certificate with its token at the SEAL APIs.</summary>
    public bool SealCertificatesRequired { get; init; }

    /// <summary>How often failed key requests are told.</summary>
    public TimeSpan KeyFailurePeriod { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The file with the key that opens the key store, or null.</summary>
    public string? SealKeyFile { get; init; }

    /// <summary>Key records that a VAL service may have by the requests of its VAL server; 0 for any number.</summary>
    public long MaxRecordsPerService { get; init; } = 1_000_000;

    /// <summary>Megabytes of sealed key records kept in memory, on SQLite; 0 for none.</summary>
    public long KeyMemoryMegabytes { get; init; } = 512;

    /// <summary>How long a removed key record can be restored.</summary>
    public TimeSpan KeyRecovery { get; init; } = Keyreeve.Storage.Sweeps.Recovery;

    /// <summary>Built-in scope name to the name used instead.</summary>
    public IReadOnlyDictionary<string, string> ScopeNames { get; init; } = new Dictionary<string, string>();

    /// <summary>Scope of a SEAL server elsewhere to its audience.</summary>
    public IReadOnlyDictionary<string, string> ScopeAudiences { get; init; } = new Dictionary<string, string>();

    /// <summary>What the server may connect to.</summary>
    public OutboundSettings Outbound { get; init; } = new();

    /// <summary>Whom clients' certificates are believed by.</summary>
    public ClientSettings Clients { get; init; } = new();

    /// <summary>The listeners' certificate, and what our certificates say.</summary>
    public CertificateSettings Certificates { get; init; } = new();

    /// <summary>Peers to whom traffic goes through IPsec; looked at by <c>doctor</c> alone.</summary>
    public IReadOnlyList<System.Net.IPNetwork> NdsIpPeers { get; init; } = [];

    /// <summary>Who is told of revocations and of failed key requests.</summary>
    public IReadOnlyList<EventReceiver> EventReceivers { get; init; } = [];

    /// <summary>Least level that is logged.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>Metrics and traces.</summary>
    public TelemetrySettings Telemetry { get; init; } = new();

    /// <summary>Where the settings came from, for the first screen.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];
}

/// <summary>Whom clients' certificates are believed by, beside the built-in VAL authority.</summary>
public sealed record ClientSettings
{
    /// <summary>False: the built-in VAL authority is not believed; the authorities of the file replace it.</summary>
    public bool BelievesBuiltIn { get; init; } = true;

    /// <summary>File with authorities pinned for clients, or null.</summary>
    public string? TrustAnchorsFile { get; init; }

    /// <summary>File with their lists of revoked certificates, or null: then revocation is not looked at.</summary>
    public string? RevocationLists { get; init; }

    /// <summary>Refuse certificates whose issuer has no list that is up to date.</summary>
    public bool RefusesUnknownRevocation { get; init; } = true;
}

/// <summary>The listeners' certificate, and what our certificates say.</summary>
public sealed record CertificateSettings
{
    /// <summary>PEM file with the listeners' certificate and those above it, or null: then the built-in authority issues it.</summary>
    public string? ServerCertificate { get; init; }

    /// <summary>PEM file with its key; goes with it.</summary>
    public string? ServerKey { get; init; }

    /// <summary>http address under which others reach /crl, without trailing slash; null: listener health, if there is one.</summary>
    public string? RevocationListBase { get; init; }
}

/// <summary>Where a listener binds.</summary>
/// <param name="Host">IP address, or null when the listener is off.</param>
/// <param name="Port">Port; 0 takes a free one.</param>
public sealed record ListenerAddress(System.Net.IPAddress? Host, int Port)
{
    /// <summary>Switched off.</summary>
    public static ListenerAddress Off { get; } = new(null, 0);

    /// <summary>True when it is off.</summary>
    public bool IsOff => Host is null;

    /// <inheritdoc />
    public override string ToString() => Host is null ? "off" : new System.Net.IPEndPoint(Host, Port).ToString();
}
