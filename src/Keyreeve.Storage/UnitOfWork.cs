using System.Data.Common;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Outbox;
using Keyreeve.Core.Snapshots;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>
/// One write in the making: statements, and the audit lines and topic counters that go with them. Those two are written last, by
/// <see cref="FinishAsync"/>, because their rows are the ones that every writer wants: on an engine with several writers they are
/// held as shortly as can be, and several lines of one write cost one step of the chain's head.
/// </summary>
public sealed class UnitOfWork(IDatabase database, DbConnection connection, DbTransaction transaction)
{
    private readonly List<AuditEntry> _entries = [];
    private readonly SortedSet<Topic> _topics = [];
    private readonly List<OutboxMessage> _messages = [];
    private readonly SortedSet<Topic> _raised = [];
    private bool _broken;

    /// <summary>The connection, for what the shortcuts below do not do.</summary>
    public DbConnection Connection { get; } = connection;

    /// <summary>The transaction every command of this work belongs to.</summary>
    public DbTransaction Transaction { get; } = transaction;

    /// <summary>The end of a SELECT that takes rows to delete or change: rows that others work on are left to them (<see cref="IDatabase.SkipLocked"/>).</summary>
    public string SkipLocked => database.SkipLocked;

    /// <summary>Unix milliseconds by the database's clock.</summary>
    public long Now => database.Clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Writes the line if, and only if, the work is written.</summary>
    public void Audit(AuditEntry entry) => _entries.Add(entry);

    /// <summary>Sends the message if, and only if, the work is written; at least once.</summary>
    public void Send(OutboxMessage message) => _messages.Add(message);

    /// <summary>Before rows of a key record are changed: it is forgotten where it was remembered. Who names one names all that the work changes.</summary>
    internal void Changes(string serviceId, KmIdentity identity) => database.Remembered?.Changes.Name(serviceId, identity);

    /// <summary>Before rows of key records are changed that are never remembered (<see cref="KeyChanges.NameNone"/>).</summary>
    internal void ChangesNothingRemembered() => database.Remembered?.Changes.NameNone();

    /// <summary>Tells every node that the topic changed, if, and only if, the work is written.</summary>
    public void Bump(Topic topic) => _topics.Add(topic);

    /// <summary>
    /// The same at once, for rows that carry the version of their change; returns it. Until this work ends, whoever raises the topic
    /// waits.
    /// </summary>
    public Task<long> RaiseAsync(Topic topic)
    {
        _raised.Add(topic);
        return SingleAsync<long>(
            "INSERT INTO topic_versions (topic, version) VALUES (@Topic, 1) ON CONFLICT (topic) DO UPDATE SET version = topic_versions.version + 1 RETURNING version",
            new { Topic = (long)topic });
    }

    /// <summary>Runs a statement (once for each element, when the parameters are a list); returns the rows it changed.</summary>
    public Task<int> ExecuteAsync(string sql, object parameters) => WatchAsync(Connection.ExecuteAsync(sql, parameters, Transaction));

    /// <summary>Runs a statement of a hot path (<see cref="Statement.In"/>); returns the rows it changed.</summary>
    internal Task<int> ExecuteAsync(DbCommand kept) => WatchAsync(kept.ExecuteNonQueryAsync());

    /// <summary>The row of a statement of a hot path, or default when there is none.</summary>
    internal Task<T?> FirstAsync<T>(DbCommand kept, Func<DbDataReader, T> read)
    {
        return WatchAsync(RunAsync());

        async Task<T?> RunAsync()
        {
            await using var row = await kept.ExecuteReaderAsync();
            return await row.ReadAsync() ? read(row) : default;
        }
    }

    /// <summary>The only row, or default when there is none.</summary>
    public Task<T?> SingleAsync<T>(string sql, object parameters) => WatchAsync(Connection.QuerySingleOrDefaultAsync<T>(sql, parameters, Transaction));

    /// <summary>The rows.</summary>
    public async Task<List<T>> QueryAsync<T>(string sql, object parameters) => (await WatchAsync(Connection.QueryAsync<T>(sql, parameters, Transaction))).AsList();

    /// <summary>Writes what was collected. The engine calls it, once, when the work has ended well.</summary>
    public async Task FinishAsync()
    {
        // PostgreSQL answers the commit of a transaction with a failed statement by quietly taking it back.
        if (_broken)
            throw new InvalidOperationException("a statement of this write failed, and the work went on as if it had not");
        foreach (var topic in _topics)
            if (!_raised.Contains(topic))
                await RaiseAsync(topic);
        // In the order of receivers: two writers that want the same rows want them in the same order. A stable order: messages of one stay as sent.
        foreach (var message in _messages.OrderBy(message => message.Receiver, StringComparer.Ordinal))
            await OutboxTable.AddAsync(this, message);
        if (_entries.Count > 0)
            await AuditLines.AppendAsync(this, database.Node, _entries);
        // Last: at its commit the engine lets the announcing transactions through one by one.
        if (_raised.Count > 0 && database.Announcement is { } announcement)
            await ExecuteAsync(announcement, new { });
    }

    private async Task<T> WatchAsync<T>(Task<T> statement)
    {
        try
        {
            return await statement;
        }
        catch
        {
            _broken = true;
            throw;
        }
    }
}
