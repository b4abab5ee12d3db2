using Npgsql;

namespace Keyreeve.Storage;

#pragma warning disable CA1031 // Whatever happens to the listening connection, another one is made.

/// <summary>
/// Listens for what other nodes announce, on a connection of its own. One that was lost and made again counts as an announcement:
/// what was said meanwhile was not heard.
/// </summary>
internal sealed class PostgresEar : IAsyncDisposable
{
    public const string Channel = "keyreeve_changes";

    /// <summary>A connection that says nothing is asked whether it lives.</summary>
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(5);

    /// <summary>Between two attempts to connect.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly SemaphoreSlim _heard = new(0, 1);
    private readonly CancellationTokenSource _closing = new();
    private readonly PostgresConnections _connections;
    private readonly PostgresLocks _locks;
    private readonly Task _loop;

    public PostgresEar(PostgresConnections connections, PostgresLocks locks)
    {
        (_connections, _locks) = (connections, locks);
        _loop = Task.Run(RunAsync);
    }

    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancel) => await _heard.WaitAsync(atMost, cancel);

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _loop;
        _closing.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                await using var connection = await _connections.SingleAsync(_closing.Token);
                connection.Notification += (_, _) => Hear();
                await using (var listen = new NpgsqlCommand($"LISTEN {Channel}", connection))
                    await listen.ExecuteNonQueryAsync(_closing.Token);
                Hear();
                while (true)
                {
                    if (await connection.WaitAsync(AskEvery, _closing.Token))
                        continue;
                    await using (var alive = new NpgsqlCommand("SELECT 1", connection))
                        await alive.ExecuteNonQueryAsync(_closing.Token);
                    await _locks.TendAsync(_closing.Token);
                }
            }
            catch (Exception) when (!_closing.IsCancellationRequested)
            {
                // Who reads or writes meanwhile says what is wrong; here it is only tried again.
                _connections.ForgetIdle();
                Hear();
            }
            catch (Exception)
            {
                return;
            }
            try
            {
                await Task.Delay(Pause, _closing.Token);
                // The name first: from here on this node may write again, if it is still the one of its name.
                await _locks.TendAsync(_closing.Token);
            }
            catch (Exception)
            {
                // Not yet.
            }
        }
    }

    private void Hear()
    {
        try
        {
            if (_heard.CurrentCount == 0)
                _heard.Release();
        }
        catch (SemaphoreFullException)
        {
            // Somebody else said it.
        }
    }
}
