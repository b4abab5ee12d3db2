namespace Keyreeve.Storage;

/// <summary>Takes the rows of one table as fast as its engine can.</summary>
public abstract class RowSink : IAsyncDisposable
{
    /// <summary>One row: <see cref="long"/>, <see cref="string"/>, octets or null, in the order of the columns.</summary>
    public abstract ValueTask WriteAsync(object?[] row, CancellationToken cancel);

    /// <summary>Makes the rows stay. Without it they may not.</summary>
    public abstract Task CompleteAsync(CancellationToken cancel);

    /// <inheritdoc />
    public abstract ValueTask DisposeAsync();
}
