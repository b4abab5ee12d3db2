using Keyreeve.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>What is good once: key requests that nodes share, client assertions.</summary>
public abstract partial class StoreContract
{
    private static (SeenRequest, long) Seen(long number, long dated = Now) => (new(number, -number), dated);

    [Fact]
    public async Task A_key_request_is_new_once_alone_and_in_a_batch()
    {
        Assert.Single(await Stores.SeenRequests.AddAsync([Seen(1)], 0, None));
        Assert.Empty(await Stores.SeenRequests.AddAsync([Seen(1)], 0, None));
        var added = await Stores.SeenRequests.AddAsync([Seen(3), Seen(1), Seen(2), Seen(3), Seen(long.MaxValue)], 0, None);
        Assert.Equal([2, 3, long.MaxValue], added.Select(r => r.A).Order());
    }

    [Fact]
    public async Task Of_many_who_add_one_key_request_one_is_first()
    {
        for (var round = 0; round < 20; round++)
        {
            var start = 10 * round;
            var added = await AtOnceAsync(8, i => Stores.SeenRequests.AddAsync([.. Enumerable.Range(start, 10).Select(n => Seen(i % 2 == 0 ? n : 2 * start + 9 - n))], 0, None));
            Assert.Equal(Enumerable.Range(start, 10).Select(n => (long)n), added.SelectMany(a => a).Select(r => r.A).Order());
        }
    }

    [Fact]
    public async Task What_was_forgotten_is_not_new_again_and_the_newest_are_kept()
    {
        await Stores.SeenRequests.AddAsync([.. Enumerable.Range(0, 100).Select(n => Seen(n, Now + n))], 0, None);
        Assert.Equal(0, await Stores.SeenRequests.ForgetAsync(Now + 50, kept: 50, limit: 7, None));
        Assert.Equal(40, await Stores.SeenRequests.ForgetAsync(Now + 50, kept: 10, limit: 7, None));
        Assert.Equal(0, await Stores.SeenRequests.ForgetAsync(Now + 50, kept: 10, limit: 7, None));
        for (var n = 0; n < 100; n++)
            Assert.Empty(await Stores.SeenRequests.AddAsync([Seen(n, Now + n)], 0, None));
        Assert.Empty(await Stores.SeenRequests.AddAsync([Seen(1000, Now + 39)], 0, None));
        Assert.Single(await Stores.SeenRequests.AddAsync([Seen(1001, Now + 40)], 0, None));
    }

    [Fact]
    public async Task A_table_that_lost_what_it_held_takes_nothing_of_that_time()
    {
        await Stores.SeenRequests.AddAsync([Seen(1)], Now + 5, None);
        await SqlAsync("DELETE FROM km_requests_seen");
        await SqlAsync("DELETE FROM km_requests_horizon");
        Assert.Empty(await Stores.SeenRequests.AddAsync([Seen(1)], Now + 5, None));
        Assert.Empty(await Stores.SeenRequests.AddAsync([Seen(2, Now + 5)], Now + 7, None));
        Assert.Single(await Stores.SeenRequests.AddAsync([Seen(3, Now + 6)], Now + 8, None));
    }

    [Fact]
    public async Task A_client_assertion_is_new_once_for_its_client_also_after_a_restart()
    {
        Assert.True(await Stores.Assertions.AddAsync("a", "jti\0", Now, None));
        Assert.False(await Stores.Assertions.AddAsync("a", "jti\0", Now, None));
        Assert.True(await Stores.Assertions.AddAsync("a", "jti", Now, None));
        Assert.True(await Stores.Assertions.AddAsync("b", "jti", Now, None));
        await ReopenAsync("node-1");
        Assert.False(await Stores.Assertions.AddAsync("b", "jti", Now, None));
        Assert.Single(await AtOnceAsync(16, _ => Stores.Assertions.AddAsync("c", "jti", Now, None)), true);
    }

    [Fact]
    public async Task Assertions_are_deleted_when_they_have_expired_oldest_first()
    {
        for (var i = 0; i < 5; i++)
            await Stores.Assertions.AddAsync("a", $"{i}", Now + i, None);
        Assert.Equal(2, await Stores.Assertions.DeleteExpiredAsync(Now + 3, 2, None));
        Assert.Equal(1, await Stores.Assertions.DeleteExpiredAsync(Now + 3, 2, None));
        Assert.Equal(0, await Stores.Assertions.DeleteExpiredAsync(Now + 3, 2, None));
        Assert.True(await Stores.Assertions.AddAsync("a", "2", Now + 2, None));
        Assert.False(await Stores.Assertions.AddAsync("a", "3", Now + 3, None));
    }
}
