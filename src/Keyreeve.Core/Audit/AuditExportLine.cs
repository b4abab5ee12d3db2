using System.Text;
using System.Text.Json;

namespace Keyreeve.Core.Audit;

/// <summary>One line of an export, read back (see <see cref="AuditExport"/>).</summary>
internal abstract record AuditExportLine
{
    private AuditExportLine()
    {
    }

    /// <summary>The first line: the heads, null for a chain that has none.</summary>
    public sealed record Beginning(IReadOnlyList<AuditHead?> Heads) : AuditExportLine;

    /// <summary>Before the lines of a node.</summary>
    public sealed record Start(string Node, long After, byte[] Hash) : AuditExportLine;

    /// <summary>A line of the audit.</summary>
    public sealed record Entry(AuditLine Line) : AuditExportLine;

    /// <summary>The last line.</summary>
    public sealed record End(long Count) : AuditExportLine;

    /// <summary>Null for what is no such line.</summary>
    public static AuditExportLine? TryRead(string? text)
    {
        if (text is null)
            return null;
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var root = document.RootElement;
            if (root.TryGetProperty("keyreeveAudit", out var format))
                return format.GetInt32() != 1 ? null
                    : new Beginning([.. root.GetProperty("heads").EnumerateArray().Select(h => AuditHead.TryRead(h.GetString() ?? "", out var head) ? head : null)]);
            if (root.TryGetProperty("lines", out var count))
                return new End(count.GetInt64());
            var node = root.GetProperty("node").GetString() ?? "";
            var hash = Convert.FromHexString(root.GetProperty("hash").GetString() ?? "");
            return root.TryGetProperty("after", out var after)
                ? new Start(node, after.GetInt64(), hash)
                // The raw text: what was hashed are its octets, not its meaning.
                : new Entry(new(node, root.GetProperty("seq").GetInt64(), Encoding.UTF8.GetBytes(root.GetProperty("line").GetRawText()), hash));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }
}
