using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Npgsql;

namespace Keyreeve.Storage;

/// <summary>
/// Where the PostgreSQL database is and as whom we come: read once, from <c>Host=...;Username=...</c> or <c>postgresql://...</c>.
/// It may hold a password and prints as host and database.
/// </summary>
public sealed class PostgresAddress
{
    private const string Example = "Host=db.example;Username=keyreeve;Database=keyreeve or postgresql://keyreeve@db.example/keyreeve";
    private readonly string _text;

    private PostgresAddress(NpgsqlConnectionStringBuilder settings) =>
        (_text, Name) = (settings.ConnectionString, $"{settings.Host}/{settings.Database ?? settings.Username}");

    /// <summary>Host and database: what may be shown.</summary>
    public string Name { get; }

    /// <summary>True when a text is meant as an address of a PostgreSQL database, right or wrong.</summary>
    public static bool IsMeant(string text) =>
        text.Contains("Host=", StringComparison.OrdinalIgnoreCase) || text.StartsWith("postgres://", StringComparison.Ordinal) || text.StartsWith("postgresql://", StringComparison.Ordinal);

    /// <summary>
    /// Reads an address. Over a network the connection is encrypted and the server's certificate checked, unless the text asks for
    /// less; less than encryption must be allowed by <paramref name="allowPlain"/>.
    /// </summary>
    /// <param name="text">The connection string or URI.</param>
    /// <param name="allowPlain">An unencrypted connection over a network is wanted.</param>
    /// <param name="address">What was read.</param>
    /// <param name="wrong">What to write instead. No word of the text, in which a password may stand anywhere.</param>
    public static bool TryRead(string text, bool allowPlain, [NotNullWhen(true)] out PostgresAddress? address, [NotNullWhen(false)] out string? wrong)
    {
        address = null;
        NpgsqlConnectionStringBuilder settings;
        try
        {
            settings = text.StartsWith("postgres", StringComparison.Ordinal) && text.Contains("://", StringComparison.Ordinal) ? OfUri(text) : new(text);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidCastException or KeyNotFoundException or OverflowException)
        {
            wrong = $"it is not readable; write {Example}. A value with ; or = in it stands in quotes";
            return false;
        }
        if (string.IsNullOrEmpty(settings.Host))
        {
            wrong = $"it names no host; write {Example}";
            return false;
        }
        if (!IsLocal(settings.Host))
        {
            // The library's own default would fall back to plain text when somebody in between says that the server has no TLS.
            if (!Names(settings, "SSL Mode"))
                settings.SslMode = SslMode.VerifyFull;
            else if (settings.SslMode < SslMode.Require && !allowPlain)
            {
                wrong = "its SslMode lets passwords and keys cross the network in the clear; write SslMode=VerifyFull with Root Certificate=FILE, or set Storage:AllowPlain=true if the network is yours alone";
                return false;
            }
        }
        wrong = null;
        address = new(settings);
        return true;
    }

    /// <inheritdoc />
    public override string ToString() => Name;

    /// <summary>A copy of the settings, with what the engine depends on set.</summary>
    internal NpgsqlConnectionStringBuilder Open(string node) => new(_text)
    {
        ApplicationName = "keyreeve/" + node,
        // What we find out about an outage we want to find out soon.
        Timeout = 3,
        CommandTimeout = 5,
        CancellationTimeout = 1000,
        Enlist = false,
        Multiplexing = false,
        IncludeErrorDetail = false,
        PersistSecurityInfo = false,
        NoResetOnClose = true, // no command of ours leaves anything behind in a session
        MaxAutoPrepare = 100,
        AutoPrepareMinUsages = 2,
    };

    /// <summary>True when the text has the setting. Npgsql's own ContainsKey says whether there is a setting of that name at all.</summary>
    private static bool Names(NpgsqlConnectionStringBuilder settings, string name) =>
        new DbConnectionStringBuilder { ConnectionString = settings.ConnectionString }.ContainsKey(name);

    private static bool IsLocal(string hosts) => hosts.Split(',').Select(host => host.Trim()).All(host =>
        host.Length > 0 && (host[0] is '/' or '@' || host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || IsLoopback(host)));

    private static bool IsLoopback(string host)
    {
        // "127.0.0.1:5433" and "[::1]:5433" name a port, "::1" does not.
        return IPAddress.TryParse(host, out var address) ? IPAddress.IsLoopback(address)
            : IPEndPoint.TryParse(host, out var endPoint) ? IPAddress.IsLoopback(endPoint.Address)
            : host.StartsWith("localhost:", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>postgresql://user:password@host:port/database?Keyword=value</summary>
    private static NpgsqlConnectionStringBuilder OfUri(string text)
    {
        var uri = new Uri(text);
        var settings = new NpgsqlConnectionStringBuilder { Host = Uri.UnescapeDataString(uri.Host) };
        if (uri.Port > 0)
            settings.Port = uri.Port;
        var user = uri.UserInfo.Split(':', 2);
        if (user[0].Length > 0)
            settings.Username = Uri.UnescapeDataString(user[0]);
        if (user.Length > 1)
            settings.Password = Uri.UnescapeDataString(user[1]);
        if (uri.AbsolutePath.Length > 1)
            settings.Database = Uri.UnescapeDataString(uri.AbsolutePath[1..]);
        foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = pair.Split('=', 2) is [var left, var right] ? (left, Uri.UnescapeDataString(right)) : throw new FormatException();
            // The words of libpq, as they stand in everybody's addresses.
            switch (Uri.UnescapeDataString(name))
            {
                case "host":
                    settings.Host = value;
                    break;
                case "sslmode":
                    settings.SslMode = Enum.Parse<SslMode>(value.Replace("-", "", StringComparison.Ordinal), ignoreCase: true);
                    break;
                case "sslrootcert":
                    settings.RootCertificate = value;
                    break;
                case "sslcert":
                    settings.SslCertificate = value;
                    break;
                case "sslkey":
                    settings.SslKey = value;
                    break;
                case "options":
                    settings.Options = value;
                    break;
                case var other:
                    settings[other] = value;
                    break;
            }
        }
        return settings;
    }
}
