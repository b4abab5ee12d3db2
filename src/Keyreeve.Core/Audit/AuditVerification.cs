using System.Security.Cryptography;

namespace Keyreeve.Core.Audit;

/// <summary>What a walk of the chain found.</summary>
/// <param name="Lines">Lines that hold.</param>
/// <param name="BrokenAt">The first line that does not, as "node/sequence: why", or null.</param>
public sealed record AuditWalk(long Lines, string? BrokenAt);

/// <summary>Walks the chain of every node from its beginning.</summary>
public static class AuditVerification
{
    /// <summary>Reads in pages of 1,000 lines; bounded memory whatever the length.</summary>
    public static async Task<AuditWalk> WalkAsync(IAuditStore store, CancellationToken cancel)
    {
        var lines = 0L;
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
                    var expected = AuditChain.Next(previous, line.Sequence, line.Json);
                    if (!CryptographicOperations.FixedTimeEquals(expected, line.Hash))
                        return new(lines, $"{node}/{line.Sequence}: the line was changed");
                    previous = line.Hash;
                    sequence = line.Sequence;
                    lines++;
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
        return new(lines, null);
    }

    private static async Task<long> HeadOfAsync(IAuditStore store, string node, CancellationToken cancel) =>
        (await store.HeadsAsync(cancel)).Where(h => string.Equals(h.Node, node, StringComparison.Ordinal)).Select(h => h.Sequence).FirstOrDefault();
}
