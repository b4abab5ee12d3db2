using Keyreeve.Core.Audit;

namespace Keyreeve.Tests.Core.Audit;

/// <summary>The audit in a list; lines and heads lie open, so that a test can do what an intruder would.</summary>
internal sealed class MemoryAuditStore : IAuditStore
{
    public Dictionary<string, List<AuditLine>> Lines { get; } = [];

    public Dictionary<string, (long Sequence, byte[] Hash)> Heads { get; } = [];

    /// <summary>Called before each read of lines, as another process that writes meanwhile.</summary>
    public Action? BeforeRead { get; set; }

    public void Append(string node, params AuditEntry[] entries)
    {
        if (!Lines.TryGetValue(node, out var lines))
            Lines[node] = lines = [];
        foreach (var entry in entries)
        {
            var (sequence, previous) = Heads.TryGetValue(node, out var head) ? head : (0, AuditChain.Genesis);
            var json = entry.ToCanonicalJson();
            var hash = AuditChain.Next(previous, sequence + 1, json);
            lines.Add(new AuditLine(node, sequence + 1, json, hash));
            Heads[node] = (sequence + 1, hash);
        }
    }

    public Task AppendAsync(IReadOnlyList<AuditEntry> entries, CancellationToken cancel)
    {
        Append("node", [.. entries]);
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<AuditLine>> ReadAsync(string node, long after, int limit, CancellationToken cancel)
    {
        BeforeRead?.Invoke();
        return Task.FromResult<IReadOnlyList<AuditLine>>([.. Lines.GetValueOrDefault(node, []).Where(l => l.Sequence > after).OrderBy(l => l.Sequence).Take(limit)]);
    }

    public Task<IReadOnlyList<(string Node, long Sequence, byte[] Hash)>> HeadsAsync(CancellationToken cancel) =>
        Task.FromResult<IReadOnlyList<(string, long, byte[])>>([.. Heads.Select(h => (h.Key, h.Value.Sequence, h.Value.Hash)), .. Lines.Keys.Where(n => !Heads.ContainsKey(n)).Select(n => (n, 0L, Array.Empty<byte>()))]);
}
