using System.Collections.Concurrent;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>
/// How many key records a VAL service may have by the requests of its VAL server: what a peer can make grow has an end (Seal:MaxRecordsPerService). Rows of a large
/// service are not counted for each request: a node counts once an hour, adds what it makes itself, and looks again when the end is reached. So what other nodes
/// make within the hour may be too many by as much. Imports of operators are not held up by it, and count.
/// </summary>
public sealed class RecordQuota(IKeyRecordStore records, SealSettings settings, TimeProvider clock)
{
    /// <summary>How long a count is believed. Our choice.</summary>
    private static readonly TimeSpan Believed = TimeSpan.FromHours(1);

    /// <summary>The same when there was no room: records that were shredded make some. Our choice.</summary>
    private static readonly TimeSpan BelievedFull = TimeSpan.FromSeconds(10);

    /// <summary>By VAL service; only registered ones get here.</summary>
    private readonly ConcurrentDictionary<string, Counted> _counted = new(StringComparer.Ordinal);

    /// <summary>Runs a change that may make a record, when there is room for one or the record is there already.</summary>
    public async Task<Outcome<ChangedRecord>> InPlaceAsync(string serviceId, KmIdentity identity, Func<Task<Outcome<ChangedRecord>>> change)
    {
        if (settings.MaxRecordsPerService == 0)
            return await change();
        var counted = _counted.GetOrAdd(serviceId, static _ => new Counted());
        var has = await TakeAsync(counted, serviceId);
        if (!has && (await records.ReadAsync([(serviceId, identity)], CancellationToken.None))[0].Record is null)
            return new Refusal(RefusalCode.QuotaReached, $"the VAL service has as many key records as it may have ({settings.MaxRecordsPerService}); those that were removed count until they are shredded",
                $"VAL service {serviceId} has {settings.MaxRecordsPerService} key records or more: shred removed ones (keyreeve admin key shred), or raise Seal:MaxRecordsPerService");
        var isMade = false;
        try
        {
            var changed = await change();
            isMade = changed.Succeeded(out var done, out _) && done.Result == KpResult.Added;
            return changed;
        }
        finally
        {
            if (has)
                counted.End(isMade);
        }
    }

    private async Task<bool> TakeAsync(Counted counted, string serviceId)
    {
        if (counted.IsOld(clock, counted.IsFull(settings.MaxRecordsPerService) ? BelievedFull : Believed))
            counted.Set(await records.CountAsync(serviceId, settings.MaxRecordsPerService, CancellationToken.None), clock.GetTimestamp());
        return counted.TryTake(settings.MaxRecordsPerService);
    }

    private sealed class Counted
    {
        private readonly Lock _lock = new();
        private long _records;
        private int _underWay;
        private long? _at;

        public bool IsOld(TimeProvider clock, TimeSpan after)
        {
            lock (_lock)
                return _at is not { } at || clock.GetElapsedTime(at) > after;
        }

        public bool IsFull(long most)
        {
            lock (_lock)
                return _records + _underWay >= most;
        }

        public void Set(long records, long at)
        {
            lock (_lock)
                (_records, _at) = (records, at);
        }

        public bool TryTake(long most)
        {
            lock (_lock)
            {
                if (_records + _underWay >= most)
                    return false;
                _underWay++;
                return true;
            }
        }

        public void End(bool isMade)
        {
            lock (_lock)
            {
                _underWay--;
                _records += isMade ? 1 : 0;
            }
        }
    }
}
