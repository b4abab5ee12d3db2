using System.Data.Common;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Outbox;
using Keyreeve.Core.Snapshots;
using Keyreeve.Engines.Outbound;
using Keyreeve.Server.Outbox;
using Keyreeve.Slices.Tests.Storage;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Keyreeve.Slices.Tests.Outbox;

/// <summary>What has expired waits for the sweeper, a minute or longer. Until then the delivery has nothing to do, and does nothing.</summary>
public sealed class ExpiredMessageTests : IDisposable
{
    private const string Receiver = "events:fleet";

    /// <summary>Looks of two seconds, with much to spare: there are eight of two reads each. One that does not rest does thousands, also on a slow machine.</summary>
    private const int ManyReads = 100;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyreeve-expired-");

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    public async Task A_receiver_of_whom_nothing_but_expired_messages_waits_is_looked_at_now_and_then_and_a_new_message_is_tried(string engine)
    {
        await using var database = new CountingDatabase(engine == "SQLite"
            ? await SqliteEngine.OpenAsync(Path.Combine(_folder.FullName, "keyreeve.db"), TimeProvider.System, "node-1", None)
            : await PostgresStoreContract.OpenAsync(await (await TestPostgres.SharedAsync()).NewDatabaseAsync(), "node-1"));
        var stores = new Stores(database);
        using var kek = Kek.FromBytes(new byte[Kek.KeySize]);
        using var http = new OutboundHttp(new OutboundSettings(), TimeProvider.System);
        using var state = new SnapshotState(stores.Directory, stores.SigningKeys, stores.Revocations, stores.Certificates, stores.Changes, kek, "https://issuer.example", null, TimeSpan.FromSeconds(30), TimeProvider.System);
        await stores.Outbox.SendAsync([Message(TimeSpan.FromSeconds(-1)), Message(TimeSpan.FromSeconds(-1))], None);

        using var delivery = new OutboxDelivery(stores, new DeliverMessage(http, state, kek, TimeProvider.System), TimeProvider.System, NullLogger<OutboxDelivery>.Instance);
        await delivery.StartAsync(None);
        // It has looked, and found nothing that could be sent.
        await UntilAsync(() => Task.FromResult(database.Reads >= 2));
        var before = database.Reads;
        await Task.Delay(TimeSpan.FromSeconds(2), None);
        Assert.InRange(database.Reads - before, 0, ManyReads);
        Assert.Equal((2, 0, null), await BacklogAsync());

        // It is awake all the same: what comes behind them is tried (and refused, for no private address is allowed here).
        await stores.Outbox.SendAsync([Message(TimeSpan.FromHours(1))], None);
        await UntilAsync(async () => await BacklogAsync() is (3, > 0, "AddressRefused"));
        await delivery.StopAsync(None);

        async Task<(long Waiting, int Attempts, string? Outcome)> BacklogAsync()
        {
            var backlog = Assert.Single(await stores.Outbox.ListAsync("", 10, None));
            return (backlog.Waiting, backlog.Attempts, backlog.LastOutcome);
        }
    }

    private static OutboxMessage Message(TimeSpan lifetime) => new()
    {
        Id = OutboxMessage.NewId(),
        Receiver = Receiver,
        Url = "https://localhost:9/",
        ContentType = "text/plain",
        Body = [1],
        Form = OutboxForm.Plain,
        Lifetime = lifetime,
    };

    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(None);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (!await isSo())
            await Task.Delay(20, patience.Token);
    }

    /// <summary>Says how often it was read.</summary>
    private sealed class CountingDatabase(IDatabase inner) : IDatabase
    {
        private int _reads;

        public int Reads => Volatile.Read(ref _reads);

        public string Node => inner.Node;

        public TimeProvider Clock => inner.Clock;

        public string SkipLocked => inner.SkipLocked;

        public string? Announcement => inner.Announcement;

        public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel)
        {
            Interlocked.Increment(ref _reads);
            return inner.ReadAsync(work, cancel);
        }

        public Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => inner.WriteAsync(work, cancel);

        public Task<T> WriteSharedAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => inner.WriteSharedAsync(work, cancel);

        public ValueTask<bool> LeadsAsync(string job, CancellationToken cancel) => inner.LeadsAsync(job, cancel);

        public ValueTask ResignAsync(string job, CancellationToken cancel) => inner.ResignAsync(job, cancel);

        public Task<IAsyncDisposable> AloneAsync(string what, CancellationToken cancel) => inner.AloneAsync(what, cancel);

        public Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel) => inner.WaitForChangeAsync(atMost, cancel);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
