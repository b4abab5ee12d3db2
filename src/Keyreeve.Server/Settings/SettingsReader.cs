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

    private const string RateValues = "off, or a rate as 60/min or 1000/s, with or without a burst: 60/min burst 120";

    private static readonly (string Name, string Default, string Values, string Meaning)[] KnownSettings =
    [
        ("Issuer", "https://HOSTNAME:PORT", "https://host or https://host:port, without path and trailing slash", "issuer URL, without path, query and trailing slash; PORT is the one that listener https bound"),
        ("HostName", "localhost", "a DNS name or an IP address", "host of the server certificate and the default issuer"),
        ("Node", "node-1; with PostgreSQL the host name", "1 to 255 characters of ASCII without spaces", "name of this node in the audit, and among the nodes of one database"),
        ("Storage:Connection", "", "Host=/var/run/postgresql;Database=keyreeve, or postgresql://USER@HOST/DATABASE", "PostgreSQL database; empty: SQLite in the data folder"),
        ("Storage:AllowPlain", "false", "true or false", "a connection over a network may ask for less than TLS"),
        ("Listeners:https:Address", "127.0.0.1:9443", "ADDRESS:PORT, as 127.0.0.1:9443 or [::1]:9443; port 0 takes a free one", "pages and APIs"),
        ("Listeners:mtls:Address", "127.0.0.1:9448", "off, or ADDRESS:PORT; port 0 takes a free one", "APIs with client certificates, admin API"),
        ("Listeners:health:Address", "127.0.0.1:9090", "off, or ADDRESS:PORT; port 0 takes a free one", "/healthz and /readyz, plain HTTP"),
        ("Storage:StaleSeconds", "30", "5 to 3600", "when the database was away for longer, revocations are not known any more, and no token is issued or checked (503)"),
        ("Tokens:AccessTokenSeconds", "600", "10 to 86400", "life of an access token; a client may have its own"),
        ("Tokens:IdTokenSeconds", "600", "10 to 86400", "life of an ID token"),
        ("Tokens:CodeSeconds", "60", "5 to 60", "life of an authorization code"),
        ("Tokens:RefreshIdleSeconds", "1209600", "60 to 31536000", "a refresh token not used for this long is dead"),
        ("Tokens:RefreshAbsoluteSeconds", "7776000", "60 to 157680000", "the user logs in anew after this long"),
        ("Tokens:RefreshGraceSeconds", "60", "0 to 300", "how long a replaced refresh token still gets its successor"),
        ("Tokens:RefreshReuseLimit", "10", "0 to 100", "how often it does"),
        ("Tokens:SessionSeconds", "28800", "60 to 2592000", "login session in the browser"),
        ("Tokens:LeewaySeconds", "5", "0 to 30 (TS 33.434 table A.2.2.2-1)", "leeway on exp when we check tokens"),
        ("Tokens:AssertionSeconds", "300", "10 to 3600", "how far ahead the exp of an assertion of a trusted issuer may be"),
        ("Limits:PerSource", "2000/s burst 10000", RateValues, "requests of one source"),
        ("Limits:PerClient", "1000/s burst 5000", RateValues, "requests of one client"),
        ("Limits:FailuresPerClient", "60/min burst 60", RateValues, "failed requests of one client"),
        ("Limits:FailuresPerSource", "600/min burst 600", RateValues, "failed requests of one source"),
        ("Limits:LoginsPerSource", "60/min burst 120", RateValues, "logins of one source"),
        ("SigningKeys:PeriodHours", "720", "1 to 8760", "how long a key signs"),
        ("SigningKeys:PublishAheadHours", "24", "1 to 720", "how long a key is published before it signs; shorter than the period"),
        ("SigningKeys:KeepAfterHours", "48", "25 to 720", "how long it is published after it stopped"),
        ("Passwords:Iterations", "210000", "10000 to 10000000", "PBKDF2 with SHA-512, for new hashes; old ones follow at the next login"),
        ("Passwords:MinLength", "8", "8 to 64", "characters of a password at least"),
        ("Branding:Name", "Keyreeve", "1 to 60 characters", "name in the header of the pages and in authenticator apps"),
        ("Branding:LogoFile", "", "a PNG or SVG file of at most 256 KiB", "logo in the header"),
        ("Branding:Color", "", "#rrggbb", "accent colour; made readable where it is not"),
        ("Branding:SupportUrl", "", "an https: or mailto: address", "link \"Help and contact\" in the footer"),
        ("Seal:SKmsUris", "ISSUER/seal/km", "URIs, separated by spaces", "what names this SKM-S"),
        ("Seal:SKmsId", "skms-1", "1 to 255 octets of UTF-8", "ID of this SKM-S"),
        ("Seal:WindowSeconds", "5", "1 to 30", "how far dateTime of a key request may be off, to either side"),
        ("Seal:RequestSignature", "client", "client or required", "required: key requests of every client are signed; client: where it is registered so"),
        ("Seal:PayloadEncryption", "client", "client or required", "required: key material is encrypted for every client; client: where it is registered so"),
        ("Seal:RequireCertificate", "false", "true or false", "true: every VAL server shows its certificate with its token at the SEAL APIs; false: where it is registered so"),
        ("Seal:KeyFile", "", "a file", "the key that opens the key store, when it is sealed by one; the environment variable KEYREEVE_SEAL_KEY goes before it"),
        ("Seal:MaxRecordsPerService", "1000000", "0 to 1000000000", "key records that a VAL service may have by the requests of its VAL server; 0 for any number"),
        ("Seal:KeyMemoryMegabytes", "512", "0 to 1000000", "on SQLite, how much of the key records is kept in memory, as sealed as on disk; a million take about 300; 0 for none"),
        ("Seal:RecoveryDays", "30", "1 to 365", "how long a removed key record can be recovered before it is shredded"),
        ("Outbound:AllowedNetworks", "", "networks, separated by spaces, as 10.1.0.0/16 fd12::/64", "may be connected to although they are not public"),
        ("Outbound:AllowHttp", "false", "true or false", "plain http, to allowed networks alone"),
        ("Outbound:TrustAnchors", "", "a PEM file", "roots of receivers' certificates, beside the own root"),
        ("Certificates:ServerCertificate", "", "a PEM file", "the listeners' certificate and those above it; without it the built-in authority issues one"),
        ("Certificates:ServerKey", "", "a PEM file, unencrypted", "its key; both are read again when they change"),
        ("Certificates:RevocationListUrl", "http://HOSTNAME:PORT of listener health", "http://host, http://host:port/path", "where others reach /crl: it stands in the certificates that we issue. Without it and without listener health they do not say"),
        ("NdsIp:Peers", "", "networks, separated by spaces, as 10.7.0.0/16", "traffic to them goes through IPsec; keyreeve doctor looks whether it does"),
        ("Clients:BuiltInAuthority", "true", "true or false", "believe client certificates of the built-in VAL authority"),
        ("Clients:TrustAnchors", "", "a PEM file", "authorities that clients' certificates chain to, beside the built-in VAL authority; read again when it changes"),
        ("Clients:RevocationLists", "", "a PEM file, or one list in DER", "their lists of revoked certificates; read again when it changes"),
        ("Clients:RevocationMode", "hard", "hard or soft", "once there are lists, what becomes of a certificate whose issuer has none up to date: refused, or believed"),
        ("Events:Receivers:NAME:Url", "", "an https address", "who is told of revocations: takes Security Event Tokens"),
        ("Events:Receivers:NAME:Audience", "URL", "a text", "aud of what it is sent"),
        ("Events:Receivers:NAME:About", "revocations", "revocations, key-failures, or both", "what it is told of"),
        ("Events:KeyFailureSeconds", "60", "1 to 3600", "failed key requests are told once in this time for each VAL service and client"),
        ("Log:Level", "Information", "Trace, Debug, Information, Warning or Error", "least level that is logged"),
        ("Telemetry:Otlp:Endpoint", "", "http://host:port or https://host:port", "an OpenTelemetry collector; empty sends nothing"),
        ("Telemetry:Otlp:Protocol", "http/protobuf", "http/protobuf or grpc", "how it is spoken to"),
        ("Telemetry:Otlp:Headers", "", "NAME=VALUE,NAME=VALUE", "sent to the collector. Secret: in the environment or the file, not on the command line"),
        ("Telemetry:TraceSampleRatio", "0.01", "0 to 1", "part of the requests that is traced; 0 traces none"),
        ("Telemetry:MetricSeconds", "60", "1 to 3600", "between two reports of the metrics"),
    ];

    private readonly Dictionary<string, (string Value, string Source)> _values = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> _sources = [];

    /// <summary>Every setting with its default, what it may be and what it means, for --settings and the docs.</summary>
    public static IReadOnlyList<(string Name, string Default, string Values, string Meaning)> Known => KnownSettings;

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
            MaxRecordsPerService = Number("Seal:MaxRecordsPerService", 0, 1_000_000_000),
            KeyMemoryMegabytes = Number("Seal:KeyMemoryMegabytes", 0, 1_000_000),
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
        return new($"{source}: {name} is '{value}'; it must be {Array.Find(KnownSettings, k => k.Name == name).Values}");
    }
}
