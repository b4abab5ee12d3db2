using Keyreeve.Storage;
using Keyreeve.Testing;
using Npgsql;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>The database goes away under a running node and comes back.</summary>
public sealed class PostgresOutageTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private TestPostgres _postgres = null!;
    private PostgresEngine _engine = null!;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _postgres = await TestPostgres.OwnAsync();
        _engine = await PostgresStoreContract.OpenAsync(await _postgres.NewDatabaseAsync(), "one");
    }

    public async ValueTask DisposeAsync()
    {
        if (_engine is not null)
            await _engine.DisposeAsync();
        if (_postgres is not null)
            await _postgres.DisposeAsync();
    }

    private Task<int> PutAsync(string name) => _engine.WriteAsync(unit =>
        unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES (@Name, @Value)", new { Name = name, Value = new byte[1] }), None);

    private async Task<T> AgainAsync<T>(Func<Task<T>> work)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (true)
        {
            try
            {
                return await work();
            }
            catch (StoreUnavailableException) when (!deadline.IsCancellationRequested)
            {
                await Task.Delay(20, None);
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Everything_is_refused_while_the_database_is_away_and_works_again_after(bool killed)
    {
        Assert.Equal(1, await PutAsync("before"));
        Assert.True(await _engine.LeadsAsync("job", None));
        await (killed ? _postgres.KillAsync() : _postgres.StopAsync());

        var writes = Enumerable.Range(0, 300).Select(i => PutAsync($"lost {i}")).ToArray();
        foreach (var write in writes)
            await Assert.ThrowsAsync<StoreUnavailableException>(() => write);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => new SealedStore(_engine).FindAsync("before", None));
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await _engine.LeadsAsync("job", None));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => _engine.AloneAsync("start", None));
        // Waiting for changes goes on: whoever waited reads next, and learns it there.
        await _engine.WaitForChangeAsync(TimeSpan.FromMilliseconds(1), None);

        await _postgres.StartAsync();
        Assert.Equal(1, await AgainAsync(() => PutAsync("after")));
        Assert.Equal(["after", "before"], (await AgainAsync(() => new SealedStore(_engine).ListAsync("", None))).Select(row => row.Name));
        Assert.True(await AgainAsync(async () => await _engine.LeadsAsync("job", None)));
    }

    [Fact]
    public async Task Connections_that_an_administrator_ends_are_made_again()
    {
        for (var round = 0; round < 3; round++)
        {
            await _postgres.RunAsync("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'keyreeve%'");
            await AgainAsync(() => PutAsync($"round {round}"));
            await AgainAsync(() => new SealedStore(_engine).FindAsync("round 0", None));
        }
        // The name is taken again, so that no second node of it starts.
        await AgainAsync(async () => await _engine.LeadsAsync("any", None));
        var other = await _engine.ReadAsync(connection => Task.FromResult(connection.Database), None);
        await Assert.ThrowsAsync<StoreRefusedException>(() => PostgresStoreContract.OpenAsync(_postgres.ConnectionString(other), "one"));
    }

    [Fact]
    public async Task A_node_whose_name_was_taken_during_an_outage_writes_nothing_until_it_is_free()
    {
        var database = await _engine.ReadAsync(connection => Task.FromResult(connection.Database), None);
        // Another session stands in line for the only advisory lock there is, the node's name: it has it when the node's connection ends.
        await using var other = new NpgsqlConnection(_postgres.ConnectionString(database) + ";Pooling=false");
        await other.OpenAsync(None);
        await using var key = new NpgsqlCommand("SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory'", other);
        await using var take = new NpgsqlCommand($"SELECT pg_advisory_lock({await key.ExecuteScalarAsync(None)})", other);
        var taken = take.ExecuteNonQueryAsync(None);
        while (await _engine.ReadAsync(connection => Dapper.SqlMapper.QuerySingleAsync<long>(connection, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), None) == 0)
            await Task.Delay(10, None);
        await _postgres.RunAsync("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'keyreeve%'");
        await taken;

        using var deadline = new CancellationTokenSource(Patience);
        for (var i = 0; ; i++)
        {
            try
            {
                await PutAsync($"meanwhile {i}");
            }
            catch (StoreUnavailableException e) when (e.Message.Contains("another node runs", StringComparison.Ordinal))
            {
                break;
            }
            catch (StoreUnavailableException)
            {
                // Not yet.
            }
            Assert.False(deadline.IsCancellationRequested, "it goes on writing");
            await Task.Delay(20, None);
        }
        await other.CloseAsync();
        await AgainAsync(() => PutAsync("free again"));
    }
}
