using System.Data.Common;
using Dapper;

namespace Keyreeve.Storage;

/// <summary>
/// The table <c>schema_backfills</c>: how far each backfill is. A batch and the move of its cursor are one transaction, so after a crash the
/// work goes on where it was; a lease keeps a second node from doing it too.
/// </summary>
internal static class BackfillTable
{
    /// <summary>How long a node that fell silent keeps the others waiting. Our choice: many times the longest batch.</summary>
    public const long LeaseMilliseconds = 30_000;

    public const string Create = """
        CREATE TABLE IF NOT EXISTS schema_backfills (
            number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, cursor TEXT NOT NULL, rows_done BIGINT NOT NULL, rows_total BIGINT NOT NULL,
            finished_at BIGINT NOT NULL, leased_by TEXT NOT NULL, leased_until BIGINT NOT NULL)
        """;

    private const string Register = """
        INSERT INTO schema_backfills (number, name, cursor, rows_done, rows_total, finished_at, leased_by, leased_until)
        VALUES (@Number, @Name, '', 0, -1, 0, '', 0) ON CONFLICT (number) DO NOTHING
        """;

    /// <summary>A lease that ends later than one taken now would was taken before the clock was set back (twice as far: clocks of nodes differ a little): it holds nobody up for as long.</summary>
    private const string Lease = """
        UPDATE schema_backfills SET leased_by = @Node, leased_until = @Until
        WHERE number = @Number AND finished_at = 0 AND (leased_by = @Node OR leased_until < @Now OR leased_until > @Furthest)
        RETURNING cursor, rows_total
        """;

    private const string Advance = """
        UPDATE schema_backfills SET cursor = @Cursor, rows_done = rows_done + @Rows, rows_total = @Total, finished_at = @FinishedAt WHERE number = @Number
        """;

    /// <summary>Makes the rows of backfills that are new.</summary>
    public static Task RegisterAsync(DbConnection connection, DbTransaction transaction, IReadOnlyList<Backfill> known) =>
        connection.ExecuteAsync(Register, known.Select(b => new { Number = (long)b.Number, b.Name }), transaction);

    /// <summary>How far each one is, by number.</summary>
    public static async Task<IReadOnlyList<BackfillProgress>> ReadAsync(DbConnection connection, DbTransaction? transaction) =>
        [.. (await connection.QueryAsync<Row>("SELECT number, name, rows_done, rows_total, finished_at FROM schema_backfills ORDER BY number", transaction: transaction))
            .Select(row => new BackfillProgress((int)row.Number, row.Name, row.RowsDone, row.RowsTotal, row.FinishedAt))];

    /// <summary>One batch in the caller's transaction; false when the backfill is finished or another node works on it.</summary>
    public static async Task<bool> RunBatchAsync(DbConnection connection, DbTransaction transaction, Backfill backfill, string node, int limit, DateTimeOffset now, CancellationToken cancel)
    {
        var milliseconds = now.ToUnixTimeMilliseconds();
        var row = await connection.QuerySingleOrDefaultAsync<Row>(Lease,
            new { Node = node, Until = milliseconds + LeaseMilliseconds, Furthest = milliseconds + 2 * LeaseMilliseconds, Number = (long)backfill.Number, Now = milliseconds }, transaction);
        if (row is null)
            return false;
        var total = row.RowsTotal >= 0 ? row.RowsTotal : await backfill.EstimateAsync(connection);
        var step = await backfill.RunAsync(new(connection, transaction, row.Cursor, limit, cancel));
        // A batch that neither moves nor ends would run for ever.
        if (step.Next is not null && string.Equals(step.Next, row.Cursor, StringComparison.Ordinal))
            throw new InvalidOperationException($"backfill {backfill.Number} ({backfill.Name}) stands still at \"{row.Cursor}\"");
        await connection.ExecuteAsync(Advance, new
        {
            Cursor = step.Next ?? row.Cursor,
            step.Rows,
            Total = total,
            FinishedAt = step.Next is null ? now.ToUnixTimeSeconds() : 0,
            Number = (long)backfill.Number,
        }, transaction);
        return true;
    }

    /// <summary>From the first row once more: for rows that an older node wrote behind the cursor.</summary>
    public static Task<int> BeginAgainAsync(DbConnection connection, DbTransaction transaction) => connection.ExecuteAsync(
        "UPDATE schema_backfills SET cursor = '', rows_done = 0, rows_total = -1, finished_at = 0, leased_by = '', leased_until = 0", transaction: transaction);

    private sealed class Row
    {
        public long Number { get; init; }
        public string Name { get; init; } = "";
        public string Cursor { get; init; } = "";
        public long RowsDone { get; init; }
        public long RowsTotal { get; init; }
        public long FinishedAt { get; init; }
    }
}
