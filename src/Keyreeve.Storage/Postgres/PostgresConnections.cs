using System.Data.Common;
using System.Globalization;
using Npgsql;

namespace Keyreeve.Storage;

/// <summary>The kinds of connections a node has: readers from a pool, and single ones for writing, listening and holding locks.</summary>
internal sealed class PostgresConnections : IAsyncDisposable
{
    /// <summary>Connections that read, at most. Our choice: with two nodes and what else they open it stays under PostgreSQL's default of 100.</summary>
    private const int MaxReaders = 32;

    /// <summary>A lock that is not had by then is not waited for. Our choice: longer than any write of ours.</summary>
    private const int LockTimeout = 5000;

    /// <summary>A node that stands still in the middle of a write (a frozen machine) holds the others up no longer than this.</summary>
    private const int IdleInTransaction = 15_000;

    private readonly NpgsqlDataSource _readers;
    private readonly NpgsqlDataSource _single;
    private readonly NpgsqlDataSource _patient;

    public PostgresConnections(PostgresAddress address, string node)
    {
        // A long list may take its time as long as rows come; what says nothing for the command's timeout is given up.
        _readers = Source(address, node, "-c default_transaction_read_only=on -c statement_timeout=30000", settings =>
        {
            settings.Pooling = true;
            settings.MinPoolSize = 0;
            settings.MaxPoolSize = MaxReaders;
        });
        // The server finds out soon that the node at the other end is gone, and lets go of what it held.
        const string Alive = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3";
        _single = Source(address, node, string.Create(CultureInfo.InvariantCulture,
            $"-c statement_timeout=10000 -c lock_timeout={LockTimeout} -c idle_in_transaction_session_timeout={IdleInTransaction} {Alive}"), settings =>
            {
                settings.Pooling = false;
                settings.CommandTimeout = 11;
            });
        _patient = Source(address, node, $"-c statement_timeout=0 -c lock_timeout=0 {Alive}", settings =>
        {
            settings.Pooling = false;
            settings.CommandTimeout = 0;
        });
    }

    /// <summary>A reader; closing it gives it back.</summary>
    public ValueTask<NpgsqlConnection> ReaderAsync(CancellationToken cancel) => _readers.OpenConnectionAsync(cancel);

    /// <summary>A connection that one owner keeps.</summary>
    public ValueTask<NpgsqlConnection> SingleAsync(CancellationToken cancel) => _single.OpenConnectionAsync(cancel);

    /// <summary>One whose statements take as long as they take: for the schema, and to wait for another node's start.</summary>
    public ValueTask<NpgsqlConnection> PatientAsync(CancellationToken cancel) => _patient.OpenConnectionAsync(cancel);

    /// <summary>The idle readers may be as dead as the one that was just found dead.</summary>
    public void ForgetIdle() => _readers.Clear();

    public async ValueTask DisposeAsync()
    {
        await _readers.DisposeAsync();
        await _single.DisposeAsync();
        await _patient.DisposeAsync();
    }

    private static NpgsqlDataSource Source(PostgresAddress address, string node, string options, Action<NpgsqlConnectionStringBuilder> set)
    {
        var settings = address.Open(node);
        // The operator's own options (a search_path) stay; ours come last and win.
        settings.Options = string.IsNullOrEmpty(settings.Options) ? options : settings.Options + " " + options;
        // Of several hosts the one that can be written, after a failover too.
        if (settings.Host!.Contains(',', StringComparison.Ordinal) && string.IsNullOrEmpty(settings.TargetSessionAttributes))
            settings.TargetSessionAttributes = "primary";
        set(settings);
        return new NpgsqlDataSourceBuilder(settings.ConnectionString).Build();
    }
}
