using Keyreeve.Core.Audit;
using Keyreeve.Storage;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>In the background: seals anew what a former KEK sealed, and writes down the heads of the other nodes' audit.</summary>
public sealed partial class Custody(ServerParts parts, KekKeeper kek, ILogger<Custody> log) : BackgroundService
{
    /// <summary>How long lines of one node may be without a witness. Our choice.</summary>
    private static readonly TimeSpan WitnessEvery = TimeSpan.FromMinutes(5);

    /// <summary>Lines looked at to tell whether a node wrote anything but witness lines.</summary>
    private const int Looked = 20;

    private readonly Dictionary<string, long> _seen = new(StringComparer.Ordinal);

    /// <inheritdoc />
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(kek.RunAsync(stoppingToken), WitnessAsync(stoppingToken));

    /// <summary>At the start, every few minutes, and at the stop; only when another node has written since.</summary>
    private async Task WitnessAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(WitnessEvery, parts.Clock);
        while (true)
        {
            try
            {
                // Also when stopping: this line is the last one that tells of the others.
                await WitnessOnceAsync(CancellationToken.None);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // The store may be away; the next round tells of more.
                LogFailed(log, e);
            }
            if (cancel.IsCancellationRequested)
                return;
            try
            {
                await timer.WaitForNextTickAsync(cancel);
            }
            catch (OperationCanceledException)
            {
                // Once more, then the end.
            }
        }
    }

    private async Task WitnessOnceAsync(CancellationToken cancel)
    {
        var audit = parts.Stores.Audit;
        var heads = await audit.HeadsAsync(cancel);
        var changed = false;
        foreach (var (node, sequence, _) in heads.Where(h => h.Node != parts.Stores.Database.Node && _seen.GetValueOrDefault(h.Node) != h.Sequence))
            changed |= !_seen.TryGetValue(node, out var seen) || await HasWorkedAsync(audit, node, seen, sequence, cancel);
        if (!changed || AuditWitness.Of(parts.Stores.Database.Node, heads, parts.Clock.GetUtcNow()) is not { } line)
            return;
        await audit.AppendAsync([line], cancel);
        foreach (var head in heads)
            _seen[head.Node] = head.Sequence;
    }

    /// <summary>A node that only witnessed has nothing to be witnessed: else two idle nodes would write of each other for ever.</summary>
    private static async Task<bool> HasWorkedAsync(AuditStore audit, string node, long seen, long head, CancellationToken cancel) =>
        head - seen > Looked || (await audit.ReadAsync(node, seen, Looked, cancel)).Any(line => AuditWitness.Read(line.Json).Count == 0);

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "writing down what other nodes audit failed; it is tried again")]
    private static partial void LogFailed(ILogger log, Exception e);
}
