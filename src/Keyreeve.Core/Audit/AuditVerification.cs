using System.Security.Cryptography;

namespace Keyreeve.Core.Audit;

/// <summary>What a walk of the chain found.</summary>
/// <param name="Lines">Lines that hold.</param>
/// <param name="BrokenAt">The first line that does not, as "node/sequence: why", or null.</param>
public sealed record AuditWalk(long Lines, string? BrokenAt)
{
    /// <summary>Heads that other nodes wrote down, and that are as they wrote.</summary>
    public long Witnessed { get; init; }

    /// <summary>Heads that could not be compared, because what was walked does not reach so far back.</summary>
    public long Unchecked { get; init; }
}

/// <summary>Walks the chain of every node from its beginning.</summary>
public static class AuditVerification
{
    /// <summary>Lines between two reports of progress.</summary>
    private const long ReportEvery = 50_000;

    /// <summary>Reads in pages of 1,000 lines; bounded memory whatever the length.</summary>
    public static Task<AuditWalk> WalkAsync(IAuditStore store, CancellationToken cancel) => WalkAsync(store, [], null, cancel);

    /// <summary>The same, and compares what was kept elsewhere and what other nodes have witnessed.</summary>
    /// <param name="store">The lines; the server may run and write.</param>
    /// <param name="expected">Heads that were kept elsewhere.</param>
    /// <param name="progress">Told the node, the line and the last line, now and then.</param>
    /// <param name="cancel">Ends the walk.</param>
    public static async Task<AuditWalk> WalkAsync(IAuditStore store, IReadOnlyList<AuditHead> expected, Action<string, long, long>? progress, CancellationToken cancel)
    {
        var lines = 0L;
        var witnessed = 0L;
        foreach (var (node, last, head) in await store.HeadsAsync(cancel))
        {
            var previous = AuditChain.Genesis;
            var sequence = 0L;
            var goesOn = false;
            while (!goesOn)
            {
                var page = await store.ReadAsync(node, sequence, 1000, cancel);
                foreach (var line in page)
                {
                    goesOn = sequence == last;
                    if (goesOn)
                        break;
                    if (line.Sequence != sequence + 1)
                        return new(lines, $"{node}/{sequence + 1}: the line is missing");
                    var expectedHash = AuditChain.Next(previous, line.Sequence, line.Json);
                    if (!CryptographicOperations.FixedTimeEquals(expectedHash, line.Hash))
                        return new(lines, $"{node}/{line.Sequence}: the line was changed");
                    previous = line.Hash;
                    sequence = line.Sequence;
                    lines++;
                    foreach (var seen in AuditWitness.Read(line.Json))
                    {
                        if (await DiffersAsync(store, seen, cancel) is { } why)
                            return new(lines, $"{why}, as {node}/{line.Sequence} has witnessed") { Witnessed = witnessed };
                        witnessed++;
                    }
                    if (sequence % ReportEvery == 0)
                        progress?.Invoke(node, sequence, last);
                }
                if (page.Count == 0)
                    break;
            }
            // The server may run and write: then the head has moved too, and what came after is the next walk's.
            if (goesOn && await HeadOfAsync(store, node, cancel) <= last)
                return new(lines, $"{node}/{sequence + 1}: " + (last == 0 ? "the chain has no head" : "a line stands after the head of the chain"));
            // A chain whose end was cut off is whole in itself; the head, kept apart, knows better.
            if (sequence != last)
                return new(lines, $"{node}/{sequence + 1}: lines are missing at the end");
            if (last != 0 && !CryptographicOperations.FixedTimeEquals(previous, head))
                return new(lines, $"{node}/{sequence}: the head is not that of the line");
        }
        foreach (var kept in expected)
            if (await DiffersAsync(store, kept, cancel) is { } why)
                return new(lines, $"{why}, as it was kept elsewhere") { Witnessed = witnessed };
        return new(lines, null) { Witnessed = witnessed };
    }

    /// <summary>Why the chain does not have this head, or null. A witness never tells of more than was committed before it.</summary>
    private static async Task<string?> DiffersAsync(IAuditStore store, AuditHead head, CancellationToken cancel) =>
        await store.ReadAsync(head.Node, head.Sequence - 1, 1, cancel) is [{ } line] && line.Sequence == head.Sequence
            ? Convert.ToHexStringLower(line.Hash) == head.Hash ? null : Changed(head)
            : Missing(head);

    internal static string Changed(AuditHead head) => $"{head.Node}/{head.Sequence}: the chain is not the one that was there";

    internal static string Missing(AuditHead head) => $"{head.Node}/{head.Sequence}: the line is missing, or was cut off with the end of the chain";

    private static async Task<long> HeadOfAsync(IAuditStore store, string node, CancellationToken cancel) =>
        (await store.HeadsAsync(cancel)).Where(h => string.Equals(h.Node, node, StringComparison.Ordinal)).Select(h => h.Sequence).FirstOrDefault();
}
