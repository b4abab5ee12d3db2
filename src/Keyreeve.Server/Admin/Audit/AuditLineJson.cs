using System.Globalization;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;

namespace Keyreeve.Server.Admin.Audit;

/// <summary>A line of the audit as the admin API lists it.</summary>
internal static class AuditLineJson
{
    public static readonly AdminSchema Schema = new("AuditLine",
        new AdminField("node", FieldKind.Text, "The node that wrote it.", ReadOnly: true),
        new AdminField("seq", FieldKind.Number, "Its number in the node's chain.", ReadOnly: true),
        new AdminField("at", FieldKind.Time, "When, with milliseconds.", ReadOnly: true),
        new AdminField("kind", FieldKind.Text, "Dotted name of the event.", ReadOnly: true),
        new AdminField("outcome", FieldKind.Text, "Granted, Refused or Changed.", ReadOnly: true),
        new AdminField("actor", FieldKind.Text, "Who acted.", ReadOnly: true),
        new AdminField("clientId", FieldKind.Text, "The client in whose name.", ReadOnly: true),
        new AdminField("subject", FieldKind.Text, "The user or record concerned.", ReadOnly: true),
        new AdminField("detail", FieldKind.Text, "The reason of a refusal, or what was changed.", ReadOnly: true),
        new AdminField("source", FieldKind.Text, "Address of the peer.", ReadOnly: true),
        new AdminField("correlationId", FieldKind.Text, "The reference in the log and in what the peer was told.", ReadOnly: true),
        new AdminField("hash", FieldKind.Text, "The chain's hash after this line.", ReadOnly: true));

    public static readonly AdminSchema Export = new("AuditExportLine",
        new AdminField("keyreeveAudit", FieldKind.Number, "First line: the format, 1.", ReadOnly: true),
        new AdminField("heads", FieldKind.Texts, "First line: every chain, as NODE:SEQ:HASH.", ReadOnly: true),
        new AdminField("node", FieldKind.Text, "The node.", ReadOnly: true),
        new AdminField("after", FieldKind.Number, "Before the lines of a node: the number they go on from.", ReadOnly: true),
        new AdminField("seq", FieldKind.Number, "Number of the line.", ReadOnly: true),
        new AdminField("hash", FieldKind.Text, "The chain's hash after it.", ReadOnly: true),
        new AdminField("line", FieldKind.Object, "The line, octet by octet as it was hashed.", ReadOnly: true),
        new AdminField("lines", FieldKind.Number, "Last line: how many there were.", ReadOnly: true));

    public static JsonObject Write(AuditLine line, AuditEntry entry)
    {
        var json = new JsonObject
        {
            ["node"] = line.Node,
            ["seq"] = line.Sequence,
            ["at"] = Times.OfMilliseconds(entry.At),
            ["kind"] = entry.Kind,
            ["outcome"] = entry.Outcome.ToString(),
        };
        foreach (var (name, value) in new[] { ("actor", entry.Actor), ("clientId", entry.ClientId), ("subject", entry.Subject), ("detail", entry.Detail), ("source", entry.Source), ("correlationId", entry.CorrelationId) })
            if (value is not null)
                json[name] = value;
        json["hash"] = Convert.ToHexStringLower(line.Hash);
        return json;
    }

    /// <summary>RFC 3339 with a zone; Unix milliseconds, or null.</summary>
    public static long? ReadTime(string text) =>
        text.Length <= 40 && text.Contains('T', StringComparison.Ordinal) && (text.EndsWith('Z') || text.LastIndexOfAny(['+', '-']) > 10)
        && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) ? time.ToUnixTimeMilliseconds() : null;
}
