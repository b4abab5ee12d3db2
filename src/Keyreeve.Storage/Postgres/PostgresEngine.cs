using System.Data.Common;
using Keyreeve.Core.Telemetry;
using Npgsql;

namespace Keyreeve.Storage;

/// <summary>
/// PostgreSQL, for several nodes on one database. Each node has one writer with group commit; an advisory lock keeps the writes of
/// several nodes as apart as they must be (<see cref="PostgresWriting"/>).
/// </summary>
public sealed class PostgresEngine : IDatabase
{
    private readonly PostgresConnections _connections;
    private readonly PostgresLocks _locks;
    private readonly PostgresEar _ear;
    private readonly BatchWriter _writer;
    private readonly string _schema;
    private volatile bool _closed;
    private int _disposed;

    private PostgresEngine(PostgresConnections connections, PostgresLocks locks, string schema, TimeProvider clock, string node)
    {
        (_connections, _locks, _schema, Clock, Node) = (connections, locks, schema, clock, node);
        _ear = new(connections, locks);
        _writer = new(this, new PostgresWriting(connections, locks, schema), null);
    }

    /// <inheritdoc />
    public string Node { get; }

    /// <inheritdoc />
    public TimeProvider Clock { get; }

    /// <inheritdoc />
    public string SkipLocked => "FOR UPDATE SKIP LOCKED";

    /// <inheritdoc />
    public string? Announcement => $"SELECT pg_notify('{PostgresEar.Channel}', '')";

    /// <summary>What the server says of itself; nothing is changed.</summary>
    /// <exception cref="StoreUnavailableException">It does not answer or does not let us in.</exception>
    public static async Task<PostgresFacts> ExamineAsync(PostgresAddress address, CancellationToken cancel)
    {
        await using var connections = new PostgresConnections(address, "doctor");
        return await AskAsync(connections, connection => PostgresFacts.ReadAsync(connection, cancel), cancel);
    }

    /// <summary>A sealed value before anything is opened or written: null when there is none, or no schema yet.</summary>
    /// <exception cref="StoreUnavailableException">The server does not answer or does not let us in.</exception>
    public static async Task<byte[]?> FindSealedAsync(PostgresAddress address, string name, CancellationToken cancel)
    {
        await using var connections = new PostgresConnections(address, "start");
        return await AskAsync(connections, async connection =>
        {
            await using var there = new NpgsqlCommand("SELECT to_regclass('sealed_values') IS NOT NULL", connection);
            if (!(bool)(await there.ExecuteScalarAsync(cancel))!)
                return null;
            await using var find = new NpgsqlCommand("SELECT value FROM sealed_values WHERE name = @Name", connection);
            find.Parameters.AddWithValue("@Name", name);
            return (byte[]?)await find.ExecuteScalarAsync(cancel);
        }, cancel);
    }

    /// <summary>Connects, takes the node's name, and brings the schema up to date; nodes that start at once wait for each other.</summary>
    /// <param name="address">The database; it exists and is empty, or ours.</param>
    /// <param name="clock">For rows whose time nobody hands in.</param>
    /// <param name="node">This node's name: in the audit, and among the living nodes of the database there is one of it.</param>
    /// <param name="cancel">Stops the opening; a schema step that began is taken back.</param>
    /// <exception cref="StoreRefusedException">The database or the name is not for this node; the message has the cure.</exception>
    /// <exception cref="StoreUnavailableException">The server does not answer or does not let us in.</exception>
    /// <exception cref="SchemaRefusedException">The database was written by a newer program.</exception>
    public static async Task<PostgresEngine> OpenAsync(PostgresAddress address, TimeProvider clock, string node, CancellationToken cancel)
    {
        RowMapping.Set();
        var connections = new PostgresConnections(address, node);
        PostgresLocks? locks = null;
        try
        {
            var facts = await AskAsync(connections, connection => PostgresFacts.ReadAsync(connection, cancel), cancel);
            if (facts.Refusal is { } refusal)
                throw new StoreRefusedException($"{address}: {refusal}");
            locks = new(connections, facts.Schema!, node);
            await locks.TakeNodeAsync(clock, cancel);
            await using (await HoldAsync(connections, facts.Schema!, PostgresLock.Schema, cancel))
                await AskAsync(connections, async connection =>
                {
                    await MigrationRunner.RunAsync(connection, Migration.Known, clock, cancel, InOctets);
                    return true;
                }, cancel);
            return new(connections, locks, facts.Schema!, clock, node);
        }
        catch
        {
            if (locks is not null)
                await locks.DisposeAsync();
            await connections.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc />
    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        using var span = Spans.Start(Spans.StoreRead);
        var began = Clock.GetTimestamp();
        try
        {
            await using var connection = await _connections.ReaderAsync(cancel);
            return await work(connection);
        }
        catch (Exception failure) when (PostgresErrors.IsReadOutage(failure))
        {
            if (PostgresErrors.IsLost(failure))
                _connections.ForgetIdle();
            throw PostgresErrors.Tell(failure);
        }
        finally
        {
            StorageTelemetry.Read(Clock.GetElapsedTime(began));
        }
    }

    /// <inheritdoc />
    public int WaitingWrites => _writer.Waiting;

    /// <inheritdoc />
    public Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => _writer.EnqueueAsync(work, alone: true, cancel);

    /// <inheritdoc />
    public Task<T> WriteSharedAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => _writer.EnqueueAsync(work, alone: false, cancel);

    /// <inheritdoc />
    public async ValueTask<bool> LeadsAsync(string job, CancellationToken cancel) => await _locks.LeadsAsync(job, cancel);

    /// <inheritdoc />
    public async ValueTask ResignAsync(string job, CancellationToken cancel) => await _locks.ResignAsync(job, cancel);

    /// <inheritdoc />
    public Task<IAsyncDisposable> AloneAsync(string what, CancellationToken cancel) => HoldAsync(_connections, _schema, PostgresLock.Alone(what), cancel);

    /// <inheritdoc />
    public Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel) => _ear.WaitAsync(atMost, cancel);

    /// <summary>Writes what was accepted and closes; the node's name and its jobs are free for others.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _closed = true;
        await _writer.DisposeAsync();
        await _ear.DisposeAsync();
        await _locks.DisposeAsync();
        await _connections.DisposeAsync();
    }

    /// <summary>Texts compare octet by octet, whatever the database's locale is: order is what the program takes it for, and no index breaks when a locale changes.</summary>
    internal static string InOctets(string statement)
    {
        statement = statement.Replace("/* UNLOGGED */", "UNLOGGED", StringComparison.Ordinal);
        // A comment may stand before the statement.
        return statement.Split('\n').Any(line => line.StartsWith("CREATE TABLE", StringComparison.Ordinal) || line.StartsWith("CREATE UNLOGGED TABLE", StringComparison.Ordinal) || line.StartsWith("ALTER TABLE", StringComparison.Ordinal))
            ? System.Text.RegularExpressions.Regex.Replace(statement, @"\bTEXT\b", "TEXT COLLATE \"C\"", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(5))
            : statement;
    }

    private static async Task<T> AskAsync<T>(PostgresConnections connections, Func<NpgsqlConnection, Task<T>> ask, CancellationToken cancel)
    {
        try
        {
            await using var connection = await connections.PatientAsync(cancel);
            return await ask(connection);
        }
        catch (Exception failure) when (failure is DbException or System.Net.Sockets.SocketException or IOException or TimeoutException)
        {
            throw PostgresErrors.Tell(failure);
        }
    }

    /// <summary>Waits for a lock on a connection of its own, two minutes at most; the lock ends with the connection.</summary>
    private static async Task<IAsyncDisposable> HoldAsync(PostgresConnections connections, string schema, string name, CancellationToken cancel)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(TimeSpan.FromMinutes(2));
        NpgsqlConnection? connection = null;
        try
        {
            connection = await connections.PatientAsync(patience.Token);
            await using var wait = new NpgsqlCommand("SELECT pg_advisory_lock(@Key)", connection);
            wait.Parameters.AddWithValue("@Key", PostgresLock.Key(schema, name));
            await wait.ExecuteNonQueryAsync(patience.Token);
            return connection;
        }
        catch (Exception failure)
        {
            if (connection is not null)
                await connection.DisposeAsync();
            if (failure is OperationCanceledException && !cancel.IsCancellationRequested)
                throw new StoreUnavailableException("another node's start on this database does not come to an end", failure);
            if (failure is OperationCanceledException)
                throw;
            throw PostgresErrors.Tell(failure);
        }
    }
}
