using System.Globalization;
using System.Net;
using System.Text.Json;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Limits;
using Keyreeve.Core.Policy;
using Keyreeve.Storage;
using Keyreeve.Web.Limits;
using Keyreeve.Wire.Seal;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Settings;

/// <summary>A setting is wrong; the message says which, where it came from, and what would be right.</summary>
public sealed class SettingsException(string message) : Exception(message);

/// <summary>
/// Reads settings: JSON file, overridden by environment (<c>KEYREEVE__Section__Key</c>), overridden by flags. Every name is known
/// or an error; every value is checked here and nowhere else.
/// </summary>
public sealed class SettingsReader
{
    private const string EnvironmentPrefix = "KEYREEVE__";

    private const string RateMeaning = "off, or a rate as 60/min or 1000/s, with or without a burst: 60/min burst 120";

    private static readonly (string Name, string Default, string Meaning)[] KnownSettings =
    [
        ("Issuer", "https://HOSTNAME:PORT", "issuer URL: https, no trailing slash"),
        ("HostName", "localhost", "host of the server certificate and the default issuer"),
        ("Node", "node-1; with PostgreSQL the host name", "name of this node in the audit, and among the nodes of one database"),
        ("Storage:Connection", "", "PostgreSQL database, as Host=/var/run/postgresql;Database=keyreeve or postgresql://USER@HOST/DATABASE; empty: SQLite in the data folder"),
        ("Storage:AllowPlain", "false", "true or false: a connection over a network may ask for less than TLS"),
        ("Listeners:https:Address", "127.0.0.1:9443", "pages and APIs"),
        ("Listeners:mtls:Address", "127.0.0.1:9448", "APIs with client certificates, admin API"),
        ("Listeners:health:Address", "127.0.0.1:9090", "/healthz and /readyz, plain HTTP"),
        ("Storage:StaleSeconds", "30", "5 to 3600"),
        ("Tokens:AccessTokenSeconds", "600", "10 to 86400"),
        ("Tokens:IdTokenSeconds", "600", "10 to 86400"),
        ("Tokens:CodeSeconds", "60", "5 to 60"),
        ("Tokens:RefreshIdleSeconds", "1209600", "60 to 31536000"),
        ("Tokens:RefreshAbsoluteSeconds", "7776000", "60 to 157680000"),
        ("Tokens:RefreshGraceSeconds", "60", "0 to 300"),
        ("Tokens:RefreshReuseLimit", "10", "0 to 100"),
        ("Tokens:SessionSeconds", "28800", "60 to 2592000"),
        ("Tokens:LeewaySeconds", "5", "0 to 30 (TS 33.434 table A.2.2.2-1)"),
        ("Tokens:AssertionSeconds", "300", "10 to 3600: how far ahead the exp of an assertion of a trusted issuer may be"),
        ("Limits:PerSource", "2000/s burst 10000", RateMeaning),
        ("Limits:PerClient", "1000/s burst 5000", RateMeaning),
        ("Limits:FailuresPerClient", "60/min burst 60", RateMeaning),
        ("Limits:FailuresPerSource", "600/min burst 600", RateMeaning),
        ("Limits:LoginsPerSource", "60/min burst 120", RateMeaning),
        ("SigningKeys:PeriodHours", "720", "1 to 8760"),
        ("SigningKeys:PublishAheadHours", "24", "1 to 720"),
        ("SigningKeys:KeepAfterHours", "48", "25 to 720"),
        ("Passwords:Iterations", "210000", "10000 to 10000000"),
        ("Passwords:MinLength", "8", "8 to 64"),
        ("Branding:Name", "Keyreeve", "1 to 60 characters"),
        ("Branding:LogoFile", "", "a PNG or SVG file of at most 256 KiB"),
        ("Branding:Color", "", "#rrggbb"),
        ("Branding:SupportUrl", "", "an https: or mailto: address"),
        ("Seal:SKmsUris", "ISSUER/seal/km", "URIs of this SKM-S, separated by spaces"),
        ("Seal:SKmsId", "skms-1", "ID of this SKM-S, 1 to 255 octets of UTF-8"),
        ("Seal:WindowSeconds", "5", "1 to 30"),
        ("Seal:RequestSignature", "client", "client: key requests are signed where the client is registered so; required: every client signs"),
        ("Seal:PayloadEncryption", "client", "client: key material is encrypted where the client is registered so; required: for every client"),
        ("Seal:RequireCertificate", "false", "true or false: every VAL server shows its certificate with its token at the SEAL APIs; false: where it is registered so"),
        ("Seal:KeyFile", "", "file with the key that opens the key store when it is sealed by one; the environment variable KEYREEVE_SEAL_KEY goes before it"),
        ("Seal:RecoveryDays", "30", "1 to 365: how long a removed key record can be recovered"),
        ("Outbound:AllowedNetworks", "", "networks that may be connected to although they are not public, as 10.1.0.0/16 fd12::/64"),
        ("Outbound:AllowHttp", "false", "true or false: plain http, to allowed networks alone"),
        ("Outbound:TrustAnchors", "", "PEM file of roots that receivers' certificates chain to, beside the own root"),
        ("Certificates:ServerCertificate", "", "PEM file with the listeners' certificate and those above it; empty: the built-in authority issues one"),
        ("Certificates:ServerKey", "", "PEM file with its key; both files are read again when they change"),
        ("Certificates:RevocationListUrl", "http://HOSTNAME:PORT of listener health", "http address, without trailing slash, under which others reach /crl: it stands in the certificates that are issued"),
        ("NdsIp:Peers", "", "networks to which traffic goes through IPsec, as 10.7.0.0/16: keyreeve doctor looks whether it does"),
        ("Clients:BuiltInAuthority", "true", "true or false: believe the certificates of the built-in VAL authority"),
        ("Clients:TrustAnchors", "", "PEM file of authorities that clients' certificates chain to, beside the built-in VAL authority; read again when it changes"),
        ("Clients:RevocationLists", "", "PEM file of these authorities' lists of revoked certificates; read again when it changes"),
        ("Clients:RevocationMode", "hard", "hard: once there are lists, refuse a certificate whose issuer has none up to date; soft: believe it"),
        ("Events:Receivers:NAME:Url", "", "who is told of revocations: https address that takes Security Event Tokens"),
        ("Events:Receivers:NAME:Audience", "URL", "their aud"),
        ("Events:Receivers:NAME:About", "revocations", "revocations, key-failures, or both: what it is told of"),
        ("Events:KeyFailureSeconds", "60", "1 to 3600: failed key requests are told once in this time for each VAL service and client"),
        ("Log:Level", "Information", "Trace, Debug, Information, Warning or Error"),
        ("Telemetry:Otlp:Endpoint", "", "URL of an OpenTelemetry collector, as http://127.0.0.1:4318; empty sends nothing"),
        ("Telemetry:Otlp:Protocol", "http/protobuf", "http/protobuf or grpc"),
        ("Telemetry:Otlp:Headers", "", "NAME=VALUE,NAME=VALUE for the collector; secret"),
        ("Telemetry:TraceSampleRatio", "0.01", "0 to 1, the part of the requests that is traced"),
        ("Telemetry:MetricSeconds", "60", "1 to 3600"),
    ];

    private readonly Dictionary<string, (string Value, string Source)> _values = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> _sources = [];

    /// <summary>Every setting with its default and meaning, for --help and the docs.</summary>
    public static IReadOnlyList<(string Name, string Default, string Meaning)> Known => KnownSettings;

    /// <summary>Reads all three layers.</summary>
    public static ServerSettings Read(string? jsonFile, IEnumerable<KeyValuePair<string, string>> environment, IEnumerable<KeyValuePair<string, string>> flags)
    {
        var reader = new SettingsReader();
        if (jsonFile is not null)
            reader.AddJson(jsonFile);
        foreach (var (name, value) in environment.Where(e => e.Key.StartsWith(EnvironmentPrefix, StringComparison.OrdinalIgnoreCase)))
            reader.Add(name[EnvironmentPrefix.Length..].Replace("__", ":", StringComparison.Ordinal), value, $"environment variable {name}");
        foreach (var (name, value) in flags)
            reader.Add(name, value, "the command line");
        return reader.Build();
    }

    /// <summary>Reads one listener address: <c>off</c>, <c>127.0.0.1:9443</c>, <c>[::1]:9443</c>, <c>localhost:0</c>.</summary>
    public static ListenerAddress ReadAddress(string text, string name)
    {
        if (text == "off")
            return ListenerAddress.Off;
        var local = text.StartsWith("localhost:", StringComparison.Ordinal) ? "127.0.0.1" + text[9..] : text;
        // IPEndPoint takes "127.0.0.1" without a port too; here the port is never guessed.
        if (!IPEndPoint.TryParse(local, out var endpoint) || !local.EndsWith(":" + endpoint.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))
            throw new SettingsException($"{name}: '{text}' is no address; write off, 127.0.0.1:9443 or [::1]:9443 (port 0 takes a free one)");
        return new(endpoint.Address, endpoint.Port);
    }

    private void AddJson(string file)
    {
        if (!File.Exists(file))
            throw new SettingsException($"the settings file {file} does not exist");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file), new JsonDocumentOptions
            {
                AllowDuplicateProperties = false,
                CommentHandling = JsonCommentHandling.Skip,
                AllowTrailingCommas = true,
            });
            AddJson("", document.RootElement, file);
        }
        catch (JsonException e)
        {
            throw new SettingsException($"{file} is not JSON: line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}");
        }
        _sources.Add(file);
    }

    private void AddJson(string prefix, JsonElement element, string file)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                    AddJson(prefix.Length == 0 ? member.Name : prefix + ":" + member.Name, member.Value, file);
                break;
            case JsonValueKind.Array:
                Add(prefix, string.Join(' ', element.EnumerateArray().Select(e => e.ToString())), file);
                break;
            default:
                Add(prefix, element.ToString(), file);
                break;
        }
    }

    private IEnumerable<KeyValuePair<string, string>> Pairs() => _values.Select(v => KeyValuePair.Create(v.Key, v.Value.Value));

    private void Add(string name, string value, string source)
    {
        if (ScopeReader.Read(name, value, source) is { } kept)
        {
            _values[kept] = (value, source);
            return;
        }
        if (OutboundReader.IsReceiver(name))
        {
            _values[name] = (value, source);
            return;
        }
        if (!Array.Exists(KnownSettings, k => string.Equals(k.Name, name, StringComparison.OrdinalIgnoreCase)))
        {
            var nearest = SettingNames.Nearest(name, KnownSettings.Select(k => k.Name));
            throw new SettingsException($"{source}: there is no setting '{name}'." + (nearest is null ? " 'keyreeve serve --settings' lists all." : $" Did you mean '{nearest}'?"));
        }
        _values[name] = (value, source);
    }

    private ServerSettings Build()
    {
        var listeners = KnownSettings.Where(k => k.Name.StartsWith("Listeners:", StringComparison.Ordinal))
            .ToDictionary(k => k.Name.Split(':')[1], k => ReadAddress(Text(k.Name) ?? k.Default, k.Name), StringComparer.Ordinal);
        var outbound = OutboundReader.Read(Text("Outbound:AllowedNetworks"), Text("Outbound:AllowHttp"), Text("Outbound:TrustAnchors"));
        var postgres = PostgresOrNull();
        var settings = new ServerSettings
        {
            Issuer = IssuerOrNull(),
            HostName = Text("HostName") ?? "localhost",
            Node = Node(postgres is not null),
            Postgres = postgres,
            Listeners = listeners,
            Limits = new LimitSettings
            {
                PerSource = RateOf("Limits:PerSource"),
                PerClient = RateOf("Limits:PerClient"),
                FailuresPerClient = RateOf("Limits:FailuresPerClient"),
                FailuresPerSource = RateOf("Limits:FailuresPerSource"),
                Logins = RateOf("Limits:LoginsPerSource"),
            },
            StaleAfter = Seconds("Storage:StaleSeconds", 5, 3600),
            Tokens = new TokenPolicy
            {
                AccessToken = Seconds("Tokens:AccessTokenSeconds", 10, 86400),
                IdToken = Seconds("Tokens:IdTokenSeconds", 10, 86400),
                Code = Seconds("Tokens:CodeSeconds", 5, 60),
                RefreshIdle = Seconds("Tokens:RefreshIdleSeconds", 60, 31536000),
                RefreshAbsolute = Seconds("Tokens:RefreshAbsoluteSeconds", 60, 157680000),
                RefreshGrace = Seconds("Tokens:RefreshGraceSeconds", 0, 300),
                RefreshReuseLimit = (int)Number("Tokens:RefreshReuseLimit", 0, 100),
                Session = Seconds("Tokens:SessionSeconds", 60, 2592000),
                Leeway = Seconds("Tokens:LeewaySeconds", 0, 30),
                Assertion = Seconds("Tokens:AssertionSeconds", 10, 3600),
            },
            Rotation = new RotationPolicy
            {
                Period = TimeSpan.FromHours(Number("SigningKeys:PeriodHours", 1, 8760)),
                PublishAhead = TimeSpan.FromHours(Number("SigningKeys:PublishAheadHours", 1, 720)),
                KeepAfter = TimeSpan.FromHours(Number("SigningKeys:KeepAfterHours", 25, 720)),
            },
            PasswordIterations = (int)Number("Passwords:Iterations", 10_000, 10_000_000),
            PasswordMinLength = (int)Number("Passwords:MinLength", 8, 64),
            Branding = BrandingSettings.Read(Text, Wrong),
            SKmsUris = Uris("Seal:SKmsUris"),
            SKmsId = Text("Seal:SKmsId") is not { } id ? "skms-1" : KmRequest.IsIdentity(id) ? id : throw Wrong("Seal:SKmsId"),
            KmWindow = Seconds("Seal:WindowSeconds", 1, 30),
            ScopeNames = ScopeReader.Names(Pairs()),
            ScopeAudiences = ScopeReader.Audiences(Pairs()),
            KmSignaturesRequired = IsRequired("Seal:RequestSignature"),
            KmEncryptionRequired = IsRequired("Seal:PayloadEncryption"),
            SealCertificatesRequired = Flag("Seal:RequireCertificate"),
            KeyFailurePeriod = Seconds("Events:KeyFailureSeconds", 1, 3600),
            SealKeyFile = Text("Seal:KeyFile"),
            KeyRecovery = TimeSpan.FromDays(Number("Seal:RecoveryDays", 1, 365)),
            LogLevel = Text("Log:Level") is not { } level ? LogLevel.Information
                : Enum.TryParse<LogLevel>(level, ignoreCase: true, out var parsed) && !char.IsAsciiDigit(level[0]) ? parsed : throw Wrong("Log:Level"),
            Telemetry = new TelemetrySettings
            {
                Endpoint = CollectorOrNull(),
                Grpc = (Text("Telemetry:Otlp:Protocol") ?? "http/protobuf") switch { "http/protobuf" => false, "grpc" => true, _ => throw Wrong("Telemetry:Otlp:Protocol") },
                Headers = CollectorHeaders(),
                TraceSampleRatio = double.TryParse(Text("Telemetry:TraceSampleRatio") ?? "0.01", NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var ratio) && ratio is >= 0 and <= 1
                    ? ratio : throw Wrong("Telemetry:TraceSampleRatio"),
                MetricPeriod = Seconds("Telemetry:MetricSeconds", 1, 3600),
            },
            Outbound = outbound,
            Clients = new ClientSettings
            {
                BelievesBuiltIn = Flag("Clients:BuiltInAuthority"),
                TrustAnchorsFile = Text("Clients:TrustAnchors"),
                RevocationLists = Text("Clients:RevocationLists"),
                RefusesUnknownRevocation = (Text("Clients:RevocationMode") ?? "hard") switch { "hard" => true, "soft" => false, _ => throw Wrong("Clients:RevocationMode") },
            },
            Certificates = new CertificateSettings
            {
                ServerCertificate = Text("Certificates:ServerCertificate"),
                ServerKey = Text("Certificates:ServerKey"),
                RevocationListBase = RevocationListBaseOrNull(),
            },
            NdsIpPeers = OutboundReader.ReadNetworks("NdsIp:Peers", Text("NdsIp:Peers")),
            EventReceivers = OutboundReader.ReadReceivers(Pairs(), outbound.AllowHttp),
            Sources = _sources,
        };
        if (settings.Rotation.PublishAhead >= settings.Rotation.Period)
            throw new SettingsException("SigningKeys:PublishAheadHours is shorter than SigningKeys:PeriodHours");
        if (settings.Listeners["https"].IsOff)
            throw new SettingsException("Listeners:https:Address cannot be off: the issuer lives there");
        if (settings.SealCertificatesRequired && settings.Listeners["mtls"].IsOff)
            throw new SettingsException("Seal:RequireCertificate=true needs listener mtls, where certificates are shown");
        if (settings.Certificates.ServerCertificate is null != settings.Certificates.ServerKey is null)
            throw new SettingsException("Certificates:ServerCertificate and Certificates:ServerKey go together");
        if (settings.Clients is { BelievesBuiltIn: false, TrustAnchorsFile: null })
            throw new SettingsException("Clients:BuiltInAuthority=false leaves nobody to believe: set Clients:TrustAnchors");
        return settings;
    }

    private string? IssuerOrNull()
    {
        if (Text("Issuer") is not { } issuer)
            return null;
        // OIDC Discovery 3: https, no query or fragment; we add: no trailing slash, so that issuer + path is one way to write it.
        return Uri.TryCreate(issuer, UriKind.Absolute, out var uri) && uri.Scheme == "https" && uri.Query.Length == 0 && uri.Fragment.Length == 0
            && uri.UserInfo.Length == 0 && uri.AbsolutePath == "/" && !issuer.EndsWith('/')
                ? issuer
                : throw new SettingsException($"Issuer: '{issuer}' is not right; write https://host or https://host:port, without path, query and trailing slash");
    }

    /// <summary>"http": who checks a certificate must not need another one first (RFC 5280 8).</summary>
    private string? RevocationListBaseOrNull()
    {
        if (Text("Certificates:RevocationListUrl") is not { } text)
            return null;
        return text.All(c => c is > ' ' and <= '~') && Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme == "http" && uri.UserInfo.Length == 0
            && uri.Query.Length == 0 && uri.Fragment.Length == 0 && !text.EndsWith('/')
                ? text
                : throw new SettingsException($"Certificates:RevocationListUrl: '{text}' is not right; write http://host or http://host:port/path, without trailing slash");
    }

    /// <summary>Never says the value: a password may stand anywhere in it.</summary>
    private PostgresAddress? PostgresOrNull()
    {
        const string Name = "Storage:Connection";
        if (Text(Name) is not { } text)
            return null;
        var plain = Text("Storage:AllowPlain") switch { null or "false" => false, "true" => true, _ => throw Wrong("Storage:AllowPlain") };
        var source = $"{_values[Name].Source}: {Name}";
        if (!PostgresAddress.IsMeant(text))
            throw new SettingsException($"{source} is no address of a PostgreSQL database; write Host=db.example;Username=keyreeve;Database=keyreeve or postgresql://keyreeve@db.example/keyreeve. Without the setting the database is SQLite in the data folder");
        return PostgresAddress.TryRead(text, plain, out var address, out var wrong) ? address : throw new SettingsException($"{source}: {wrong}");
    }

    /// <summary>Nodes of one database differ in their names; the host's name is one that the operator knows.</summary>
    private string Node(bool isOneOfMany) => (Text("Node") ?? (isOneOfMany ? Environment.MachineName : "node-1")) is var node
        && node.Length <= 255 && node.All(c => c is > ' ' and < (char)0x7f) ? node : throw new SettingsException("Node: write 1 to 255 characters of ASCII without spaces");

    private Uri? CollectorOrNull()
    {
        if (Text("Telemetry:Otlp:Endpoint") is not { } text)
            return null;
        // Credentials belong into the headers: a URL is printed.
        return Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0 && uri.Query.Length == 0 && uri.Fragment.Length == 0
            ? uri
            : throw new SettingsException($"{_values["Telemetry:Otlp:Endpoint"].Source}: Telemetry:Otlp:Endpoint is not right; write http://host:port or https://host:port, without user, query and fragment");
    }

    /// <summary>Secret: what is wrong with it is said without it.</summary>
    private CollectorHeaders CollectorHeaders()
    {
        if (Text("Telemetry:Otlp:Headers") is not { } text)
            return Settings.CollectorHeaders.None;
        if (!Settings.CollectorHeaders.TryRead(text, out var headers))
            throw new SettingsException($"{_values["Telemetry:Otlp:Headers"].Source}: Telemetry:Otlp:Headers does not read; write NAME=VALUE,NAME=VALUE, with commas inside a value as %2C");
        if (CollectorOrNull() is { Scheme: "http", IsLoopback: false })
            throw new SettingsException("Telemetry:Otlp:Headers would travel in the clear: Telemetry:Otlp:Endpoint must be https, or a loopback address");
        return headers;
    }

    private List<string> Uris(string name)
    {
        var uris = (Text(name) ?? "").Split((char[])[' ', ','], StringSplitOptions.RemoveEmptyEntries).ToList();
        return uris.TrueForAll(u => Uri.TryCreate(u, UriKind.Absolute, out _)) ? uris : throw Wrong(name);
    }

    private string? Text(string name) => _values.TryGetValue(name, out var v) && v.Value.Length > 0 ? v.Value : null;

    private bool IsRequired(string name) => (Text(name) ?? "client") switch { "client" => false, "required" => true, _ => throw Wrong(name) };

    private bool Flag(string name) => (Text(name) ?? Array.Find(KnownSettings, k => k.Name == name).Default) switch { "true" => true, "false" => false, _ => throw Wrong(name) };

    private TimeSpan Seconds(string name, long least, long most) => TimeSpan.FromSeconds(Number(name, least, most));

    private long Number(string name, long least, long most)
    {
        var text = Text(name) ?? Array.Find(KnownSettings, k => k.Name == name).Default;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most ? number : throw Wrong(name);
    }

    private Rate? RateOf(string name) =>
        Rate.TryRead(Text(name) ?? Array.Find(KnownSettings, k => k.Name == name).Default, out var rate) ? rate : throw Wrong(name);

    private SettingsException Wrong(string name)
    {
        var (value, source) = _values[name];
        return new($"{source}: {name} is '{value}'; it must be {Array.Find(KnownSettings, k => k.Name == name).Meaning}");
    }
}
