using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>When records of a VAL service are counted, and that a place is given back by who made nothing.</summary>
public sealed class RecordQuotaTests : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyreeve-quota-");
    private readonly SteppedClock _clock = new();
    private SqliteEngine? _database;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    private Stores Stores => new(_database!);

    public async ValueTask InitializeAsync() => _database = await SqliteEngine.OpenAsync(Path.Combine(_folder.FullName, "keyreeve.db"), TimeProvider.System, "node-1", None);

    public async ValueTask DisposeAsync()
    {
        await _database!.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_change_that_makes_nothing_or_fails_takes_no_place()
    {
        var quota = new RecordQuota(Stores.KeyRecords, new SealSettings { SKmsUris = ["https://skm.example"], MaxRecordsPerService = 1 }, _clock);
        for (var i = 0; i < 3; i++)
        {
            Assert.True((await quota.InPlaceAsync("s", User, () => Done(KpResult.Unchanged))).Succeeded(out _, out _));
            Assert.False((await quota.InPlaceAsync("s", User, () => Task.FromResult<Outcome<ChangedRecord>>(Refusal.Of(RefusalCode.Conflict, "no")))).Succeeded(out _, out _));
            await Assert.ThrowsAsync<IOException>(() => quota.InPlaceAsync("s", User, () => throw new IOException("away")));
        }
        Assert.True((await quota.InPlaceAsync("s", User, () => Done(KpResult.Added))).Succeeded(out _, out _));
        Assert.False((await quota.InPlaceAsync("s", User, () => throw new InvalidOperationException("there is no place"))).Succeeded(out _, out var refusal));
        Assert.Equal(RefusalCode.QuotaReached, refusal!.Code);
        // The store has none: seconds later it is asked again, because there was no room.
        _clock.Seconds += 11;
        Assert.True((await quota.InPlaceAsync("s", User, () => Done(KpResult.Added))).Succeeded(out _, out _));
        Assert.True((await quota.InPlaceAsync("other", User, () => Done(KpResult.Added))).Succeeded(out _, out _));
    }

    [Fact]
    public async Task None_is_as_many_as_one_likes()
    {
        var quota = new RecordQuota(Stores.KeyRecords, new SealSettings { SKmsUris = ["https://skm.example"], MaxRecordsPerService = 0 }, _clock);
        for (var i = 0; i < 100; i++)
            Assert.True((await quota.InPlaceAsync("s", User, () => Done(KpResult.Added))).Succeeded(out _, out _));
    }

    private static KmIdentity User => new(KmIdentityKind.User, "u");

    private static Task<Outcome<ChangedRecord>> Done(KpResult result) =>
        Task.FromResult<Outcome<ChangedRecord>>(new ChangedRecord(new KeyRecord { ServiceId = "s", Identity = User, UpdatedAt = 1 }, result));

    private sealed class SteppedClock : TimeProvider
    {
        public long Seconds { get; set; } = 1;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }
}
