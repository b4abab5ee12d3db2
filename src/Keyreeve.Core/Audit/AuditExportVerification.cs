using System.Security.Cryptography;

namespace Keyreeve.Core.Audit;

/// <summary>Verifies an export without the store: the chains, what nodes have witnessed of each other, and that it is whole.</summary>
public static class AuditExportVerification
{
    /// <summary>Walks an export twice: first the chains, then what was witnessed and kept elsewhere.</summary>
    /// <param name="open">Opens the export at its beginning.</param>
    /// <param name="expected">Heads that were kept elsewhere.</param>
    public static AuditWalk Walk(Func<TextReader> open, IReadOnlyList<AuditHead> expected)
    {
        var walk = new Walker();
        string? broken;
        using (var first = open())
            broken = walk.ReadChains(first);
        if (broken is null)
            using (var second = open())
                broken = walk.Compare(second, expected);
        return new(walk.Lines, broken) { Witnessed = walk.Witnessed, Unchecked = walk.Unchecked };
    }

    private sealed class Walker
    {
        private readonly Dictionary<string, AuditHead> _heads = new(StringComparer.Ordinal);
        private readonly Dictionary<string, AuditExportLine.Start> _starts = new(StringComparer.Ordinal);
        private readonly List<(AuditHead Head, string Because)> _claims = [];

        private string? _node;
        private long _sequence;
        private byte[] _hash = [];

        public long Lines { get; private set; }

        public long Witnessed { get; private set; }

        public long Unchecked { get; private set; }

        /// <summary>What is broken, or null.</summary>
        public string? ReadChains(TextReader reader)
        {
            if (AuditExportLine.TryRead(reader.ReadLine()) is not AuditExportLine.Beginning beginning)
                return "line 1: this is no export of the audit";
            foreach (var head in beginning.Heads)
                if (head is null || !_heads.TryAdd(head.Node, head))
                    return "line 1: a chain has no head";
            for (var number = 2L; ; number++)
            {
                switch (AuditExportLine.TryRead(reader.ReadLine()))
                {
                    case AuditExportLine.Entry entry:
                        if (Next(entry.Line) is { } broken)
                            return broken;
                        break;
                    case AuditExportLine.Start start:
                        if ((EndOfNode() ?? Begin(start, number)) is { } wrong)
                            return wrong;
                        break;
                    case AuditExportLine.End end:
                        return EndOfNode() ?? (end.Count == Lines && reader.ReadLine() is null ? null : $"line {number}: lines of the export are missing, or stand after its end");
                    default:
                        return $"line {number}: the export was cut off here, or the line was changed";
                }
            }
        }

        /// <summary>Holds what was witnessed and kept against the lines.</summary>
        public string? Compare(TextReader reader, IReadOnlyList<AuditHead> expected)
        {
            _claims.AddRange(expected.Select(head => (head, "it was kept elsewhere")));
            var wanted = _claims.Select(c => (c.Head.Node, c.Head.Sequence)).ToHashSet();
            var found = new Dictionary<(string, long), string>();
            while (reader.ReadLine() is { } text)
                if (AuditExportLine.TryRead(text) is AuditExportLine.Entry { Line: var line } && wanted.Contains((line.Node, line.Sequence)))
                    found[(line.Node, line.Sequence)] = Convert.ToHexStringLower(line.Hash);
            foreach (var start in _starts.Values)
                found[(start.Node, start.After)] = Convert.ToHexStringLower(start.Hash);
            foreach (var (head, because) in _claims)
            {
                if (found.TryGetValue((head.Node, head.Sequence), out var hash))
                {
                    if (hash != head.Hash)
                        return $"{AuditVerification.Changed(head)}, as {because}";
                    Witnessed++;
                }
                // Of another node, or of a time before this export, nothing can be said here; what should be in it and is not, is missing.
                else if (_heads.TryGetValue(head.Node, out var last) && head.Sequence <= last.Sequence)
                    Unchecked++;
                else
                    return $"{AuditVerification.Missing(head)}, as {because}";
            }
            return null;
        }

        private string? Begin(AuditExportLine.Start start, long number)
        {
            if (!_heads.ContainsKey(start.Node) || !_starts.TryAdd(start.Node, start))
                return $"line {number}: the export was changed: there is no such chain, or it comes twice";
            (_node, _sequence, _hash) = (start.Node, start.After, start.Hash);
            return start.After != 0 || start.Hash.AsSpan().SequenceEqual(AuditChain.Genesis) ? null : $"{start.Node}/1: a chain does not begin so";
        }

        private string? Next(AuditLine line)
        {
            if (line.Node != _node || line.Sequence != _sequence + 1)
                return $"{_node}/{_sequence + 1}: the line is missing";
            if (!CryptographicOperations.FixedTimeEquals(AuditChain.Next(_hash, line.Sequence, line.Json), line.Hash))
                return $"{_node}/{line.Sequence}: the line was changed";
            (_sequence, _hash) = (line.Sequence, line.Hash);
            Lines++;
            foreach (var head in AuditWitness.Read(line.Json))
                _claims.Add((head, $"{line.Node}/{line.Sequence} has witnessed"));
            return null;
        }

        private string? EndOfNode()
        {
            if (_node is null)
                return null;
            var head = _heads[_node];
            return _sequence != head.Sequence ? $"{_node}/{_sequence + 1}: lines are missing at the end"
                : Convert.ToHexStringLower(_hash) != head.Hash ? $"{_node}/{_sequence}: the head is not that of the line" : null;
        }
    }
}
