using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    private Task<bool> PutAsync(IDatabase database, string name, CancellationToken cancel = default) => database.WriteAsync(async unit =>
    {
        await unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES (@Name, @Value)", new { Name = name, Value = new byte[] { 1 } });
        unit.Audit(Entry(name));
        return true;
    }, cancel);

    [Fact]
    public async Task A_failing_write_takes_no_other_with_it()
    {
        await PutAsync(Database, "taken");
        var before = (await AuditKindsAsync()).Count;
        var failed = await AtOnceAsync(200, async i =>
        {
            try
            {
                return !await PutAsync(Database, i % 4 == 0 ? "taken" : $"name {i}");
            }
            catch (System.Data.Common.DbException)
            {
                return true;
            }
        });
        Assert.Equal(Enumerable.Range(0, 200).Select(i => i % 4 == 0), failed);
        Assert.Equal(151, (await Stores.Sealed.ListAsync("", None)).Count);
        Assert.Equal(before + 150, (await AuditKindsAsync()).Count);
        Assert.Null((await WalkAsync()).BrokenAt);
    }

    [Fact]
    public async Task What_was_written_is_read_at_once_by_every_reader()
    {
        await AtOnceAsync(100, async i =>
        {
            await PutAsync(Database, $"name {i}");
            return await Stores.Sealed.FindAsync($"name {i}", None) ?? throw new InvalidOperationException("written and not there");
        });
    }

    [Fact]
    public async Task A_reader_cannot_write()
    {
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => Database.ReadAsync(connection =>
            Dapper.SqlMapper.ExecuteAsync(connection, "DELETE FROM sealed_values"), None));
    }

    [Fact]
    public async Task A_read_that_fails_leaves_the_readers_whole()
    {
        for (var i = 0; i < 50; i++)
            await Assert.ThrowsAsync<InvalidOperationException>(() => Database.ReadAsync<int>(_ => throw new InvalidOperationException("broken"), None));
        Assert.Empty(await Stores.Sealed.ListAsync("", None));
    }

    [Fact]
    public async Task A_write_cancelled_before_it_begins_is_not_written()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => PutAsync(Database, "never", cancelled.Token));
        Assert.Null(await Stores.Sealed.FindAsync("never", None));
    }

    [Fact]
    public async Task Writes_cancelled_at_any_moment_are_written_or_not_as_their_callers_are_told()
    {
        var told = await AtOnceAsync(300, async i =>
        {
            using var cancel = new CancellationTokenSource();
            var write = PutAsync(Database, $"name {i}", cancel.Token);
            if (i % 2 == 0)
                await cancel.CancelAsync();
            try
            {
                return await write;
            }
            catch (OperationCanceledException)
            {
                return false;
            }
        });
        for (var i = 0; i < told.Length; i++)
            Assert.Equal(told[i], await Stores.Sealed.FindAsync($"name {i}", None) is not null);
        Assert.Equal(told.Count(written => written), (await AuditKindsAsync()).Count);
        Assert.All(told.Where((_, i) => i % 2 == 1), Assert.True);
    }

    [Fact]
    public async Task Reopening_keeps_everything()
    {
        await AddUserAsync(Samples.FullUser());
        await AddClientAsync(Samples.FullClient());
        await AddFamilyAsync(Samples.FullFamily());
        var before = (RecordText.Of(await Stores.Directory.ListUsersAsync(null, 10, None)), RecordText.Of(await Stores.Directory.ListClientsAsync(null, 10, None)),
            RecordText.Of(await Stores.Grants.FindFamilyAsync("full", None)), await WalkAsync());
        await ReopenAsync("node-1");
        Assert.Equal(before, (RecordText.Of(await Stores.Directory.ListUsersAsync(null, 10, None)), RecordText.Of(await Stores.Directory.ListClientsAsync(null, 10, None)),
            RecordText.Of(await Stores.Grants.FindFamilyAsync("full", None)), await WalkAsync()));
    }

    [Fact]
    public async Task Closing_writes_what_was_accepted_and_refuses_what_comes_after()
    {
        var closing = Database;
        var accepted = Enumerable.Range(0, 100).Select(i => PutAsync(closing, $"name {i}")).ToArray();
        await ReopenAsync("node-1");
        Assert.All(await Task.WhenAll(accepted), Assert.True);
        Assert.Equal(100, (await Stores.Sealed.ListAsync("name", None)).Count);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => PutAsync(closing, "late"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => closing.ReadAsync(_ => Task.FromResult(0), None));
    }

    [Fact]
    public async Task A_database_of_a_newer_program_is_refused_with_both_versions()
    {
        await SqlAsync("INSERT INTO schema_migrations (number, name, applied_at) VALUES (9001, 'from_the_future', 1)");
        var refused = await Assert.ThrowsAsync<SchemaRefusedException>(() => ReopenAsync("node-1"));
        Assert.Contains("9001", refused.Message, StringComparison.Ordinal);
        Assert.Contains($"version {Migration.Known[^1].Number}:", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_of_another_program_is_refused()
    {
        await SqlAsync("UPDATE schema_migrations SET name = 'something_else' WHERE number = 1");
        await Assert.ThrowsAsync<SchemaRefusedException>(() => ReopenAsync("node-1"));
    }
}
