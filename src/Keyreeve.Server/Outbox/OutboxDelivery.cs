using System.Collections.Concurrent;
using System.Security.Cryptography;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Outbox;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Telemetry;
using Keyreeve.Storage;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Outbox;

/// <summary>
/// Takes messages out of the outbox and delivers them: one node at a time, several receivers at once, the messages of one receiver in
/// their order and one after the other. A message is deleted after its receiver has answered, so that a crash in between sends it
/// again under the same identifier.
/// </summary>
public sealed partial class OutboxDelivery(Stores stores, DeliverMessage deliver, TimeProvider clock, ILogger<OutboxDelivery> log) : BackgroundService
{
    /// <summary>The name under which nodes agree who delivers.</summary>
    private const string Job = "outbox";

    /// <summary>Receivers at once. Our choice.</summary>
    private const int MaxAtOnce = 16;

    /// <summary>Of them receivers whose last attempt failed: however many are dead, half of the places are for the living.</summary>
    private const int MaxFailingAtOnce = 8;

    /// <summary>Messages of one receiver before others have their turn. Our choice.</summary>
    private const int MaxPerTurn = 100;

    /// <summary>How soon messages of other nodes and postponed ones are seen; own new ones are seen at once.</summary>
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>How often what waits is counted, for metrics. Our choice.</summary>
    private static readonly TimeSpan MeasureEvery = TimeSpan.FromSeconds(5);

    /// <summary>Receivers whose last turn ended because the store failed: what was delivered could not be written down, so at once it would be sent again.</summary>
    private readonly ConcurrentDictionary<string, (int Failures, long At, TimeSpan Wait)> _held = new(StringComparer.Ordinal);

    private readonly Outage _outage = new(clock);

    private readonly ConcurrentDictionary<string, (Task Work, bool Failing)> _running = new(StringComparer.Ordinal);

    private long _measured;
    private volatile OutboxBacklog _backlog = OutboxBacklog.Nothing;

    /// <summary>What waited when this node, which delivers, last counted; nothing on a node that does not deliver, so that the sum over all nodes is what waits.</summary>
    public OutboxBacklog Backlog => _backlog;

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                try
                {
                    await StartDueAsync(stoppingToken);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    if (_outage.Begins())
                        LogFailed(log, e);
                }
                await stores.Outbox.WaitAsync(PollEvery, stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
        await Task.WhenAll(_running.Values.Select(r => r.Work));
    }

    private async Task StartDueAsync(CancellationToken cancel)
    {
        var leads = await stores.Database.LeadsAsync(Job, cancel);
        await MeasureAsync(leads, cancel);
        if (_running.Count >= MaxAtOnce || !leads)
            return;
        var failing = _running.Values.Count(r => r.Failing);
        foreach (var due in await stores.Outbox.DueAsync(clock.GetUtcNow().ToUnixTimeMilliseconds(), 4 * MaxAtOnce, cancel))
        {
            if (_running.Count >= MaxAtOnce)
                return;
            var isFailing = due.Attempts > 0;
            if (_running.ContainsKey(due.Receiver) || IsHeld(due.Receiver) || isFailing && failing >= MaxFailingAtOnce)
                continue;
            failing += isFailing ? 1 : 0;
            // Known as running before it begins: it takes itself out when it ends.
            var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _running[due.Receiver] = (TurnAsync(due, begin.Task, cancel), isFailing);
            begin.SetResult();
        }
    }

    private async Task MeasureAsync(bool leads, CancellationToken cancel)
    {
        if (!leads)
        {
            (_backlog, _measured) = (OutboxBacklog.Nothing, 0);
            return;
        }
        var now = clock.GetTimestamp();
        if (_measured != 0 && clock.GetElapsedTime(_measured, now) < MeasureEvery)
            return;
        _measured = now;
        _backlog = await stores.Outbox.MeasureAsync(cancel);
    }

    private async Task TurnAsync(DueReceiver due, Task begin, CancellationToken cancel)
    {
        await begin;
        var isDone = false;
        try
        {
            var attempts = due.Attempts;
            for (var i = 0; i < MaxPerTurn && await stores.Database.LeadsAsync(Job, cancel); i++)
            {
                if (await stores.Outbox.OldestAsync(due.Receiver, clock.GetUtcNow().ToUnixTimeMilliseconds(), 1, cancel) is not [var oldest])
                    return;
                var isReady = await DeliverAsync(oldest, attempts, cancel);
                (isDone, attempts) = (true, 0);
                _held.TryRemove(due.Receiver, out _);
                if (!isReady)
                    return;
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: the message stays where it is.
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The store is away, or full, or the row is not ours to read: it is tried again, later each time.
            isDone = false;
            Hold(due.Receiver);
            if (_outage.Begins())
                LogFailed(log, e);
        }
        finally
        {
            _running.TryRemove(due.Receiver, out _);
            // Nothing was done when all that waits has expired, until the sweeper takes it away: looking at once would find the same.
            if (isDone)
                stores.Outbox.Wake();
        }
    }

    private void Hold(string receiver)
    {
        var failures = _held.TryGetValue(receiver, out var held) ? held.Failures + 1 : 1;
        _held[receiver] = (failures, clock.GetTimestamp(), DeliverySchedule.WaitAfter(failures, null, RandomNumberGenerator.GetInt32(1 << 20) / (double)(1 << 20)));
    }

    private bool IsHeld(string receiver) => _held.TryGetValue(receiver, out var held) && clock.GetElapsedTime(held.At) < held.Wait;

    /// <summary>True when the receiver is ready for its next message.</summary>
    private async Task<bool> DeliverAsync(WaitingMessage waiting, int attempts, CancellationToken cancel)
    {
        var (message, outbox) = (waiting.Message, stores.Outbox);
        var attempt = await deliver.RunAsync(message, cancel);
        // What the receiver said is written even while we stop: else it would get the message once more.
        var verdict = DeliverySchedule.Judge(attempt);
        ServerTelemetry.Attempted(verdict);
        switch (verdict)
        {
            case DeliveryVerdict.Delivered:
                await outbox.DeliveredAsync(message.Receiver, waiting.Sequence, attempt.Class, CancellationToken.None);
                return true;
            case DeliveryVerdict.Refused:
                LogRefused(log, message.Id, message.Receiver, attempt.Class);
                await outbox.RefusedAsync(message.Receiver, waiting.Sequence, attempt.Class, Refusal(message, attempt), CancellationToken.None);
                return true;
            default:
                var wait = DeliverySchedule.WaitAfter(attempts + 1, attempt.RetryAfter, RandomNumberGenerator.GetInt32(1 << 20) / (double)(1 << 20));
                LogPostponed(log, message.Id, message.Receiver, attempt.Class, attempts + 1, (long)wait.TotalMilliseconds);
                await outbox.PostponeAsync(message.Receiver, attempts + 1, (clock.GetUtcNow() + wait).ToUnixTimeMilliseconds(), attempt.Class, CancellationToken.None);
                return false;
        }
    }

    private AuditEntry Refusal(OutboxMessage message, DeliveryAttempt attempt) => new()
    {
        Kind = "outbox.refused",
        Outcome = AuditOutcome.Refused,
        At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = "system",
        Subject = message.Receiver,
        Detail = $"message {message.Id}: {attempt.Class}",
    };

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "delivering from the outbox failed; it is tried again")]
    private static partial void LogFailed(ILogger log, Exception e);

    [LoggerMessage(EventId = 2, Level = LogLevel.Warning, Message = "message {Id} to {Receiver}: {Outcome}, attempt {Attempt}; again in {Milliseconds} ms")]
    private static partial void LogPostponed(ILogger log, string id, string receiver, string outcome, int attempt, long milliseconds);

    [LoggerMessage(EventId = 3, Level = LogLevel.Warning, Message = "message {Id} to {Receiver}: {Outcome}; it is given up")]
    private static partial void LogRefused(ILogger log, string id, string receiver, string outcome);
}
