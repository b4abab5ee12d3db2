using Dapper;
using Keyreeve.Core.Snapshots;

namespace Keyreeve.Storage;

/// <summary>The version counters, in the table <c>topic_versions</c>. They are raised by <see cref="UnitOfWork.Bump"/>.</summary>
public sealed class ChangeFeed(IDatabase database) : IChangeFeed
{
    /// <inheritdoc />
    public Task<IReadOnlyDictionary<Topic, long>> ReadAsync(CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyDictionary<Topic, long>>(async connection =>
            (await connection.QueryAsync<Row>("SELECT topic, version FROM topic_versions")).ToDictionary(row => (Topic)row.Topic, row => row.Version), cancel);

    /// <inheritdoc />
    public Task WaitAsync(TimeSpan atMost, CancellationToken cancel) => database.WaitForChangeAsync(atMost, cancel);

    private sealed class Row
    {
        public long Topic { get; init; }

        public long Version { get; init; }
    }
}
