using System.Data.Common;

namespace Keyreeve.Storage;

/// <summary>
/// A step of the schema that takes long: rows that are there get what a migration made room for, in short transactions while the
/// server serves. A migration must be quick; whatever touches each row of a table that grows is a backfill.
/// </summary>
/// <param name="Number">From 1, without gaps, apart from the migrations' numbers. The migration that made the room is applied before the first batch.</param>
/// <param name="Name">For people: what is filled.</param>
/// <param name="RunAsync">
/// One batch: handles at most <see cref="BackfillBatch.Limit"/> rows after <see cref="BackfillBatch.Cursor"/> and says where it stopped. It runs in a transaction
/// with the cursor's own row, perhaps more than once, so it has no effect beside the database. Nodes of the release before write on beside it: each of its statements says, in the row it changes, what must still hold
/// (<see cref="IDatabase.WriteSharedAsync"/>), and a batch that runs again over the same rows changes nothing.
/// </param>
/// <param name="EstimateAsync">How many rows there are about, for the percent. Asked once, when the backfill begins.</param>
public sealed record Backfill(int Number, string Name, Func<BackfillBatch, Task<BackfillStep>> RunAsync, Func<DbConnection, Task<long>> EstimateAsync)
{
    /// <summary>The backfills this program knows, by number.</summary>
    public static IReadOnlyList<Backfill> Known { get; } = [AuditTimes.Backfill, KeyRecordMove.Backfill];
}

/// <summary>What one batch gets.</summary>
/// <param name="Connection">The batch's alone.</param>
/// <param name="Transaction">Every command belongs to it.</param>
/// <param name="Cursor">What the batch before returned; empty for the first one.</param>
/// <param name="Limit">Rows at most.</param>
/// <param name="Cancel">Takes the batch back.</param>
public readonly record struct BackfillBatch(DbConnection Connection, DbTransaction Transaction, string Cursor, int Limit, CancellationToken Cancel);

/// <summary>How one batch ended.</summary>
/// <param name="Next">Where the next one begins, in the backfill's own spelling; null when nothing is left.</param>
/// <param name="Rows">Rows this batch handled.</param>
public readonly record struct BackfillStep(string? Next, long Rows);

/// <summary>How far a backfill is.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Name">Its name.</param>
/// <param name="RowsDone">Rows handled.</param>
/// <param name="RowsTotal">Rows there were about, or -1 before the first batch.</param>
/// <param name="FinishedAt">Unix seconds, or 0.</param>
public sealed record BackfillProgress(int Number, string Name, long RowsDone, long RowsTotal, long FinishedAt)
{
    /// <summary>True when every row is filled.</summary>
    public bool IsFinished => FinishedAt != 0;

    /// <summary>0 to 100. The total is an estimate, so only a finished backfill has 100.</summary>
    public int Percent => IsFinished ? 100 : RowsTotal <= 0 ? 0 : (int)Math.Min(99, RowsDone * 100 / RowsTotal);
}
