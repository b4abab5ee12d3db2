using System.Collections.Concurrent;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Sweeping;

/// <summary>Deletes what has expired, every minute, on one node, in small batches with rests between them (<see cref="SweepPace"/>).</summary>
public sealed partial class Sweeper(Stores stores, TimeProvider clock, ILogger<Sweeper> log) : BackgroundService
{
    private const string Job = "sweeping";
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    /// <summary>A sweep that takes longer says how far it is, as often.</summary>
    private static readonly TimeSpan TellEvery = TimeSpan.FromSeconds(10);

    /// <summary>By kind; an outage of the store, which is that of all kinds, has the empty name.</summary>
    private readonly ConcurrentDictionary<string, Outage> _outages = new(StringComparer.Ordinal);

    /// <summary>Told of every batch: name of the sweep, rows deleted. For metrics.</summary>
    public Action<string, int>? Swept { get; set; }

    /// <summary>One round over everything; returns the rows deleted. A kind that fails does not keep the others.</summary>
    public async Task<long> SweepAsync(CancellationToken cancel)
    {
        var total = 0L;
        foreach (var sweep in stores.Sweeps)
        {
            try
            {
                total += await SweepAsync(sweep, cancel);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                if (_outages.GetOrAdd(e is TryLaterException ? "" : sweep.Name, static (_, clock) => new(clock, Every), clock).Begins())
                    LogFailed(log, e, sweep.Name);
            }
        }
        return total;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await SweepAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            // Stopping. What was not swept is swept after the next start.
        }
    }

    private async Task<long> SweepAsync(Sweep sweep, CancellationToken cancel)
    {
        // Rows that expire while it goes on are the next round's, so that it comes to an end.
        var now = clock.GetUtcNow() - ClockJumps.Forgiven;
        var (total, pace) = (0L, SweepPace.Start);
        var began = clock.GetTimestamp();
        var told = began;
        // Asked before each batch: a node that lost the lead stops, and two that sweep for a moment leave each other's rows alone.
        while (await stores.Database.LeadsAsync(Job, cancel))
        {
            var step = await sweep.RunAsync(now, pace.Rows, cancel);
            total += step.Rows;
            Swept?.Invoke(sweep.Name, step.Rows);
            if (step.Rows < pace.Rows)
                break;
            pace = pace.After(step);
            if (clock.GetElapsedTime(told) > TellEvery)
            {
                told = clock.GetTimestamp();
                LogProgress(log, sweep.Name, total, pace.Rows);
            }
            await Task.Delay(pace.Wait, clock, cancel);
        }
        if (told != began)
            LogDone(log, sweep.Name, total, (long)clock.GetElapsedTime(began).TotalSeconds);
        return total;
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "sweeping {Kind} failed; it is tried again")]
    private static partial void LogFailed(ILogger log, Exception e, string kind);

    [LoggerMessage(EventId = 2, Level = LogLevel.Information, Message = "sweeping {Kind}: {Rows} rows so far, {Batch} in a batch")]
    private static partial void LogProgress(ILogger log, string kind, long rows, int batch);

    [LoggerMessage(EventId = 3, Level = LogLevel.Information, Message = "swept {Kind}: {Rows} rows in {Seconds} s")]
    private static partial void LogDone(ILogger log, string kind, long rows, long seconds);
}
