using System.Buffers;
using System.Text.Json;

namespace Keyreeve.Core.Audit;

/// <summary>
/// The audit as lines of JSON that can be verified without the store:
/// <code>
///  {"keyreeveAudit":1,"at":MILLISECONDS,"heads":["NODE:SEQ:HASH", ...]}     every chain there is
///  {"node":NODE,"after":SEQ,"hash":HASH}                                     before the lines of each node: where they go on from
///  {"node":NODE,"seq":SEQ,"hash":HASH,"line":CANONICAL JSON}                 in order, octet by octet as it was hashed
///  {"lines":COUNT}                                                           without it the export was cut off
/// </code>
/// </summary>
public static class AuditExport
{
    /// <summary>Lines read at once.</summary>
    private const int PageSize = 1000;

    /// <summary>Writes the lines of every chosen node, up to the heads of this moment.</summary>
    /// <param name="store">The audit.</param>
    /// <param name="node">One node only, or null for all.</param>
    /// <param name="after">By node, the last line that is had already.</param>
    /// <param name="now">The moment, for the first line.</param>
    /// <param name="output">Gets lines in UTF-8.</param>
    /// <param name="cancel">Ends it; the export is then without its last line.</param>
    public static async Task WriteAsync(IAuditStore store, string? node, IReadOnlyDictionary<string, long> after, DateTimeOffset now, Stream output, CancellationToken cancel)
    {
        var buffer = new ArrayBufferWriter<byte>(64 * 1024);
        var heads = await store.HeadsAsync(cancel);
        Write(buffer, json =>
        {
            json.WriteNumber("keyreeveAudit"u8, 1);
            json.WriteNumber("at"u8, now.ToUnixTimeMilliseconds());
            json.WriteStartArray("heads"u8);
            foreach (var head in heads)
                json.WriteStringValue(new AuditHead(head.Node, head.Sequence, Convert.ToHexStringLower(head.Hash)).ToString());
            json.WriteEndArray();
        });
        var count = 0L;
        foreach (var (name, last, _) in heads.Where(h => node is null || h.Node == node))
        {
            var sequence = Math.Min(after.GetValueOrDefault(name), last);
            var before = sequence == 0 ? AuditChain.Genesis : await store.ReadAsync(name, sequence - 1, 1, cancel) is [var one, ..] ? one.Hash : [];
            Write(buffer, json =>
            {
                json.WriteString("node"u8, name);
                json.WriteNumber("after"u8, sequence);
                json.WriteString("hash"u8, Convert.ToHexStringLower(before));
            });
            while (sequence < last)
            {
                var page = (await store.ReadAsync(name, sequence, PageSize, cancel)).TakeWhile(l => l.Sequence <= last).ToList();
                foreach (var line in page)
                {
                    Write(buffer, json =>
                    {
                        json.WriteString("node"u8, line.Node);
                        json.WriteNumber("seq"u8, line.Sequence);
                        json.WriteString("hash"u8, Convert.ToHexStringLower(line.Hash));
                        json.WritePropertyName("line"u8);
                        // Someone may have put there what is no JSON: the export then ends, and its end is missing.
                        json.WriteRawValue(line.Json);
                    });
                    count++;
                }
                await FlushAsync();
                if (page.Count == 0)
                    break; // lines are missing: the verification says so
                sequence = page[^1].Sequence;
            }
        }
        Write(buffer, json => json.WriteNumber("lines"u8, count));
        await FlushAsync();

        async Task FlushAsync()
        {
            await output.WriteAsync(buffer.WrittenMemory, cancel);
            await output.FlushAsync(cancel);
            buffer.ResetWrittenCount();
        }
    }

    private static void Write(ArrayBufferWriter<byte> buffer, Action<Utf8JsonWriter> members)
    {
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }
        buffer.Write("\n"u8);
    }
}
