using Npgsql;

namespace Keyreeve.Storage;

/// <summary>
/// The locks that this node holds as long as it lives: its name, and the background jobs it leads. They belong to one connection and
/// end with it, so a node that dies lets go of them without a word.
/// </summary>
internal sealed class PostgresLocks(PostgresConnections connections, string schema, string node) : IAsyncDisposable
{
    /// <summary>How long a start waits for the name: the connection of a killed process ends a moment after it.</summary>
    private static readonly TimeSpan NodePatience = TimeSpan.FromSeconds(15);

    private readonly SemaphoreSlim _oneAtATime = new(1, 1);
    private readonly HashSet<string> _held = new(StringComparer.Ordinal);
    private NpgsqlConnection? _connection;
    private volatile bool _nameIsTaken;

    /// <summary>At the start: takes the name of this node.</summary>
    /// <exception cref="StoreRefusedException">A living node has it.</exception>
    public async Task TakeNodeAsync(TimeProvider clock, CancellationToken cancel)
    {
        var since = clock.GetTimestamp();
        while (!await TryAsync(_ => Task.FromResult(true), cancel))
        {
            if (clock.GetElapsedTime(since) > NodePatience)
                throw new StoreRefusedException($"a node with the name '{node}' runs on this database. Stop it, or give this one another name: the setting Node");
            await Task.Delay(TimeSpan.FromMilliseconds(250), cancel);
        }
    }

    /// <summary>After an outage another node may have taken the name meanwhile: then this one writes nothing any more.</summary>
    public void DemandNode()
    {
        if (_nameIsTaken)
            throw new StoreUnavailableException($"another node runs on this database with the name '{node}': stop one of the two, or give it another name (the setting Node)");
    }

    /// <summary>True when this node leads the job, or could take it now.</summary>
    public Task<bool> LeadsAsync(string job, CancellationToken cancel)
    {
        var name = PostgresLock.Job(job);
        return TryAsync(async connection =>
        {
            if (_held.Contains(name))
            {
                // Held is what a living connection holds.
                await using var alive = new NpgsqlCommand("SELECT 1", connection);
                await alive.ExecuteNonQueryAsync(cancel);
                return true;
            }
            return await TryLockAsync(connection, name, cancel);
        }, cancel);
    }

    /// <summary>Lets go of a job that this node leads.</summary>
    public Task ResignAsync(string job, CancellationToken cancel)
    {
        var name = PostgresLock.Job(job);
        return TryAsync(async connection =>
        {
            if (!_held.Remove(name))
                return false;
            await using var unlock = new NpgsqlCommand("SELECT pg_advisory_unlock(@Key)", connection);
            unlock.Parameters.AddWithValue("@Key", PostgresLock.Key(schema, name));
            return (bool)(await unlock.ExecuteScalarAsync(cancel))!;
        }, cancel);
    }

    /// <summary>Makes sure that the connection lives, and takes the name again after a loss.</summary>
    public Task TendAsync(CancellationToken cancel) => TryAsync(async connection =>
    {
        await using var alive = new NpgsqlCommand("SELECT 1", connection);
        await alive.ExecuteNonQueryAsync(cancel);
        return true;
    }, cancel);

    public async ValueTask DisposeAsync()
    {
        await _oneAtATime.WaitAsync();
        try
        {
            // The server would notice the end of the connection a moment later; who waits for the name has it at once.
            if (_connection is { } connection)
                await using (var unlock = new NpgsqlCommand("SELECT pg_advisory_unlock_all()", connection))
                    await unlock.ExecuteNonQueryAsync();
        }
        catch (Exception failure) when (PostgresErrors.IsLost(failure))
        {
            // Then it noticed already.
        }
        await DropAsync();
    }

    /// <summary>Does something on the connection, once the node's name is ours; false when it is not.</summary>
    private async Task<bool> TryAsync(Func<NpgsqlConnection, Task<bool>> work, CancellationToken cancel)
    {
        await _oneAtATime.WaitAsync(cancel);
        try
        {
            _connection ??= await connections.SingleAsync(cancel);
            var name = PostgresLock.Node(node);
            if (!_held.Contains(name) && !await TryLockAsync(_connection, name, cancel))
            {
                _nameIsTaken = true;
                return false;
            }
            _nameIsTaken = false;
            return await work(_connection);
        }
        catch (Exception failure)
        {
            // Also after a cancellation: a connection in doubt holds nothing we could count on.
            await DropAsync();
            if (failure is OperationCanceledException)
                throw;
            throw PostgresErrors.Tell(failure);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    private async Task<bool> TryLockAsync(NpgsqlConnection connection, string name, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand("SELECT pg_try_advisory_lock(@Key)", connection);
        command.Parameters.AddWithValue("@Key", PostgresLock.Key(schema, name));
        if (!(bool)(await command.ExecuteScalarAsync(cancel))!)
            return false;
        _held.Add(name);
        return true;
    }

    private async Task DropAsync()
    {
        _held.Clear();
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.DisposeAsync();
        }
    }
}
