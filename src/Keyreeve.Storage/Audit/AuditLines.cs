using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Keyreeve.Core.Audit;
using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>Appends to the chain of one node.</summary>
internal static class AuditLines
{
    /// <summary>Fewer lines go one by one; more are one journey to PostgreSQL. Our choice: a change of state writes one or two.</summary>
    private const int Least = 8;

    private const string InsertMany = "INSERT INTO audit (node, seq, json, hash, at) SELECT @Node, n.s, n.j, n.h, n.a FROM unnest(@Sequences::bigint[], @Jsons::bytea[], @Hashes::bytea[], @Ats::bigint[]) AS n(s, j, h, a)";
    private const string InsertOne = "INSERT INTO audit (node, seq, json, hash, at) VALUES (@Node, @Sequence, @Json, @Hash, @At)";
    private static readonly string[] Names = ["@Node", "@Sequence", "@Json", "@Hash", "@At"];
    private static readonly Statement Insert = new(InsertOne, Names);
    private static readonly Statement Advance = new("UPDATE audit_heads SET seq = seq + @Count WHERE node = @Node RETURNING seq, hash", "@Count", "@Node");
    private static readonly Statement Close = new("UPDATE audit_heads SET hash = @Hash WHERE node = @Node", "@Hash", "@Node");

    /// <summary>
    /// Takes the numbers first: the update locks the head, so that nobody else of this node can continue from the same hash.
    /// </summary>
    public static async Task AppendAsync(UnitOfWork unit, string node, IReadOnlyList<AuditEntry> entries)
    {
        var head = await AdvanceAsync(unit, node, entries.Count);
        if (head is null)
        {
            await unit.ExecuteAsync("INSERT INTO audit_heads (node, seq, hash) VALUES (@Node, 0, @Hash) ON CONFLICT (node) DO NOTHING",
                new { Node = node, Hash = AuditChain.Genesis });
            head = await AdvanceAsync(unit, node, entries.Count)
                ?? throw new InvalidDataException($"the audit head of node {node} cannot be made");
        }

        var lines = Chain(node, head.Sequence - entries.Count, head.Hash, entries);
        if (unit.Connection is SqliteConnection sqlite)
            InsertEach(sqlite, lines);
        else if (lines.Count < Least)
            foreach (var (line, at) in lines)
                await unit.ExecuteAsync(Insert.In(unit, node, line.Sequence, line.Json, line.Hash, at));
        else
            await unit.ExecuteAsync(InsertMany, new
            {
                Node = node,
                Sequences = lines.Select(l => l.Line.Sequence).ToArray(),
                Jsons = lines.Select(l => l.Line.Json).ToArray(),
                Hashes = lines.Select(l => l.Line.Hash).ToArray(),
                Ats = lines.Select(l => l.At).ToArray(),
            });
        await unit.ExecuteAsync(Close.In(unit, lines[^1].Line.Hash, node));
    }

    /// <summary>The number of a node's last line; 0 when it has none.</summary>
    public static Task<long> EndAsync(UnitOfWork unit, string node) => unit.SingleAsync<long>("SELECT COALESCE(MAX(seq), 0) FROM audit_heads WHERE node = @Node", new { Node = node });

    /// <summary>Those of the entries that stand in no line after a number. Two that are alike need two lines.</summary>
    public static async Task<IReadOnlyList<AuditEntry>> MissingAsync(UnitOfWork unit, string node, long since, IReadOnlyList<AuditEntry> entries)
    {
        var written = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var json in await unit.QueryAsync<byte[]>("SELECT json FROM audit WHERE node = @Node AND seq > @Since", new { Node = node, Since = since }))
            CollectionsMarshal.GetValueRefOrAddDefault(written, Encoding.UTF8.GetString(json), out _)++;
        return [.. entries.Where(entry => --CollectionsMarshal.GetValueRefOrAddDefault(written, Encoding.UTF8.GetString(entry.ToCanonicalJson()), out _) < 0)];
    }

    /// <summary>On the connection's transaction, as everything else on it.</summary>
    private static void InsertEach(SqliteConnection connection, List<(AuditLine Line, long At)> lines)
    {
        var insert = SqliteStatement.On(connection, InsertOne, Names);
        foreach (var (line, at) in lines)
        {
            insert.Bind(0, line.Node);
            insert.Bind(1, line.Sequence);
            insert.Bind(2, line.Json);
            insert.Bind(3, line.Hash);
            insert.Bind(4, at);
            insert.Step();
            insert.Reset();
        }
    }

    private static List<(AuditLine Line, long At)> Chain(string node, long sequence, byte[] hash, IReadOnlyList<AuditEntry> entries)
    {
        var lines = new List<(AuditLine, long)>(entries.Count);
        var buffer = new ArrayBufferWriter<byte>(1024);
        using var writer = new Utf8JsonWriter(buffer);
        foreach (var entry in entries)
        {
            buffer.ResetWrittenCount();
            writer.Reset();
            entry.WriteCanonical(writer);
            writer.Flush();
            var json = buffer.WrittenSpan.ToArray();
            hash = AuditChain.Next(hash, ++sequence, json);
            lines.Add((new(node, sequence, json, hash), entry.At));
        }
        return lines;
    }

    private static Task<Head?> AdvanceAsync(UnitOfWork unit, string node, long count) =>
        unit.FirstAsync(Advance.In(unit, count, node), row => new Head(row.GetInt64(0), row.GetFieldValue<byte[]>(1)));

    private sealed record Head(long Sequence, byte[] Hash);
}
