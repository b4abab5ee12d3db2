using System.Runtime.CompilerServices;
using Keyreeve.Core.Audit;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Web.Login;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>Everything that runs beside the requests: snapshots, audit, key rotation, telling of failed key requests.</summary>
public sealed partial class BackgroundWork(ServerParts parts, AuditQueue audit, IReplayMemory replays, KeyFailures failures, KeyFailureEvents failureEvents,
    Readiness readiness, ILogger<BackgroundWork> log) : BackgroundService
{
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan TendEvery = TimeSpan.FromMinutes(1);

    /// <summary>Rows deleted in one transaction: short enough that no request waits for it.</summary>
    private const int ForgetBatch = 500;

    private readonly Outage _auditFailure = new(parts.Clock);

    /// <inheritdoc />
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        audit.RunAsync(parts.Stores.Audit, e => LogOnce(_auditFailure, e, "writing the audit"), stoppingToken),
        FollowAsync(stoppingToken),
        // Each apart: one that fails does not keep the others from their work.
        EveryAsync(TendEvery, "key rotation", () => RotateAsync(stoppingToken), stoppingToken),
        EveryAsync(TendEvery, "forgetting key requests", () => ForgetAsync(stoppingToken), stoppingToken),
        EveryAsync(parts.Options.Settings.KeyFailurePeriod, "telling of failed key requests",
            () => failures.TellAsync(failureEvents, messages => parts.Stores.Outbox.SendAsync(messages, stoppingToken), parts.Clock.GetUtcNow()), stoppingToken),
        AgainAsync("filling in what the new schema asks for", () => parts.Stores.Backfills.RunAsync(background: true, null, stoppingToken), stoppingToken),
        AgainAsync("reading key records into memory", () => parts.Stores.KeyMemory.RunAsync(parts.Options.Settings.KeyMemoryMegabytes << 20, stoppingToken), stoppingToken));

    private async Task RotateAsync(CancellationToken cancel)
    {
        if (await parts.Rotator.RotateAsync(cancel) > 0)
            await parts.State.RefreshAsync(cancel);
    }

    private async Task ForgetAsync(CancellationToken cancel)
    {
        if (replays is SharedReplays shared && await parts.Stores.Database.LeadsAsync("forgetting key requests", cancel))
            await shared.SweepAsync(ForgetBatch, cancel);
    }

    /// <summary>Until it ends well.</summary>
    private async Task AgainAsync(string what, Func<Task> work, CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            try
            {
                await work();
                return;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(log, e, what);
                await Task.Delay(TendEvery, parts.Clock, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Keeps the snapshots up to date. A failure is logged once, not twice a second, and so is its end.</summary>
    private async Task FollowAsync(CancellationToken cancel)
    {
        var failing = false;
        while (!cancel.IsCancellationRequested)
        {
            try
            {
                await parts.Stores.Changes.WaitAsync(PollEvery, cancel);
                await parts.State.RefreshAsync(cancel);
                readiness.StoreAnswers(true);
                if (failing)
                    LogAgain(log);
                failing = false;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                readiness.StoreAnswers(e is not StoreUnavailableException);
                if (!failing)
                    LogFailed(log, e, "reading what changed");
                failing = true;
            }
            catch (OperationCanceledException)
            {
                // Stopping; or a store that gave up, and then the next round asks again.
            }
        }
    }

    private void LogOnce(Outage outage, Exception e, string what)
    {
        if (outage.Begins())
            LogFailed(log, e, what);
    }

    private async Task EveryAsync(TimeSpan period, string what, Func<Task> work, CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(period, parts.Clock);
        var outage = new Outage(parts.Clock, period);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                try
                {
                    await work();
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // The store may be away for a moment; the next round tries again, and the log says once that it did.
                    LogOnce(outage, e, what);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    [LoggerMessage(EventId = 2, Level = LogLevel.Information, Message = "reading what changed works again")]
    private static partial void LogAgain(ILogger log);

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "{What} failed; it is tried again")]
    private static partial void LogFailed(ILogger log, Exception e, string what);
}
