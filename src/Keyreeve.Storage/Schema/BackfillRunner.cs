using System.Globalization;

namespace Keyreeve.Storage;

/// <summary>Runs backfills, batch by batch, and tells how far they are.</summary>
public sealed class BackfillRunner(IDatabase database, IReadOnlyList<Backfill> known)
{
    /// <summary>Rows of one batch. Our choice: some milliseconds, so that a request behind it does not notice.</summary>
    public const int BatchRows = 200;

    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);
    private volatile int[] _finished = [];

    /// <summary>Those this program knows.</summary>
    public BackfillRunner(IDatabase database)
        : this(database, Backfill.Known)
    {
    }

    /// <summary>How far each one is.</summary>
    public Task<IReadOnlyList<BackfillProgress>> ReadAsync(CancellationToken cancel) =>
        database.ReadAsync(connection => BackfillTable.ReadAsync(connection, null), cancel);

    /// <summary>True when code may rely on what a backfill fills. Once true it stays so, and costs nothing.</summary>
    public async Task<bool> IsFinishedAsync(int number, CancellationToken cancel)
    {
        if (!_finished.Contains(number))
            _finished = [.. (await ReadAsync(cancel)).Where(b => b.IsFinished).Select(b => b.Number)];
        return _finished.Contains(number);
    }

    /// <summary>
    /// Runs what is not finished to its end. In the background it rests after each batch three times as long as the batch took, so that requests get
    /// three quarters of the store at least; while another node works on a backfill it waits, and goes on when that one falls silent.
    /// </summary>
    /// <param name="background">Rest between batches.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancel">Ends between two batches; what was done stays done.</param>
    public async Task RunAsync(bool background, Action<BackfillProgress>? progress, CancellationToken cancel)
    {
        foreach (var backfill in known)
        {
            while (await StateAsync(backfill, cancel) is { IsFinished: false } state)
            {
                progress?.Invoke(state);
                var began = database.Clock.GetTimestamp();
                if (!await database.WriteSharedAsync(unit => BackfillTable.RunBatchAsync(unit.Connection, unit.Transaction, backfill, database.Node, BatchRows, database.Clock.GetUtcNow(), cancel), cancel))
                    await Task.Delay(AskAgain, cancel);
                else if (background)
                    await Task.Delay(3 * database.Clock.GetElapsedTime(began) + TimeSpan.FromMilliseconds(5), cancel);
            }
            progress?.Invoke(await StateAsync(backfill, cancel));
        }
    }

    private async Task<BackfillProgress> StateAsync(Backfill backfill, CancellationToken cancel) =>
        (await ReadAsync(cancel)).FirstOrDefault(b => b.Number == backfill.Number)
        ?? throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"backfill {backfill.Number} is not registered: the schema is older than this program"));
}
