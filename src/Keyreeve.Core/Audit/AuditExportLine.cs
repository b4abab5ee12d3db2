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
            return string.Join(' ', root.EnumerateObject().Select(m => m.Name)) switch
            {
                "keyreeveAudit at heads" when root.GetProperty("keyreeveAudit").GetInt32() == 1 =>
                    new Beginning([.. root.GetProperty("heads").EnumerateArray().Select(h => AuditHead.TryRead(h.GetString() ?? "", out var head) ? head : null)]),
                "node after hash" => new Start(Node(), root.GetProperty("after").GetInt64(), Hash()),
                // The raw text: what was hashed are its octets, not its meaning.
                "node seq hash line" => new Entry(new(Node(), root.GetProperty("seq").GetInt64(), Encoding.UTF8.GetBytes(root.GetProperty("line").GetRawText()), Hash())),
                "lines" => new End(root.GetProperty("lines").GetInt64()),
                _ => null,
            };

            string Node() => root.GetProperty("node").GetString() ?? "";

            byte[] Hash() => Convert.FromHexString(root.GetProperty("hash").GetString() ?? "");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }
}
