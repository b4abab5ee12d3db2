using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Server.Admin.Services;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>
/// POST /key-records/import: a batch of records as lines of JSON. Every line has an answer: added, changed, unchanged, empty or refused with its number
/// and reason; what was added or changed is on disk in one transaction with a line of the audit. Sent again, nothing changes.
/// </summary>
internal static class ImportKeyRecords
{
    /// <summary>What it answers with.</summary>
    public static readonly AdminSchema Answer = new("KeyRecordImport",
        new AdminField("added", FieldKind.Number, "New records.", ReadOnly: true),
        new AdminField("changed", FieldKind.Number, "Records that have a new version.", ReadOnly: true),
        new AdminField("unchanged", FieldKind.Number, "Records that have the payload already.", ReadOnly: true),
        new AdminField("empty", FieldKind.Number, "Lines without anything.", ReadOnly: true),
        new AdminField("refused", FieldKind.Objects, "Every line that was refused: line (from 1), param, reason.", ReadOnly: true));

    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadLinesAsync(KeyRecordLines.MaxBody)).Succeeded(out var body, out var refusal))
            return refusal;
        var lines = new Lines();
        try
        {
            if (!lines.TryRead(body.Memory))
                return Refusal.Of(RefusalCode.TooLarge, $"a batch has at most {KeyRecordLines.MaxLines} lines");
            lines.RefuseWhere(await ServiceNames.RegisteredAsync(request, lines.Keys.Select(k => k.ServiceId)));
            var now = request.Admin.Now.ToUnixTimeSeconds();
            var saved = await request.Admin.Provisioning.SaveManyAsync(lines.Keys, null, now,
                count => request.Entry("key_record.imported", null, lines.Subject, string.Create(CultureInfo.InvariantCulture, $"{count} records")), CancellationToken.None, isImport: true);
            return Tell(lines, saved);
        }
        finally
        {
            body.Clear();
            foreach (var key in lines.Keys)
                CryptographicOperations.ZeroMemory(key.Payload);
        }
    }

    private static AdminAnswer Tell(Lines lines, IReadOnlyList<Outcome<(KeyRecord Record, Provisioned What)>> saved)
    {
        var counts = new Dictionary<Provisioned, long>();
        for (var i = 0; i < saved.Count; i++)
        {
            if (saved[i].Succeeded(out var one, out var refusal))
                counts[one.What] = counts.GetValueOrDefault(one.What) + 1;
            // It is not the line's fault: the batch comes again, and what was written of it is unchanged then.
            else if (refusal.Code is RefusalCode.Sealed or RefusalCode.Unavailable or RefusalCode.Busy)
                return refusal;
            else
                lines.Refuse(lines.NumberOf[i], refusal.Param, refusal.Peer);
        }
        return AdminAnswer.Ok(new JsonObject
        {
            ["added"] = counts.GetValueOrDefault(Provisioned.Added),
            ["changed"] = counts.GetValueOrDefault(Provisioned.Changed),
            ["unchanged"] = counts.GetValueOrDefault(Provisioned.Unchanged),
            ["empty"] = lines.Empty,
            ["refused"] = new JsonArray([.. lines.Refused.OrderBy(r => r.Line).Select(r => (JsonNode)r.Json)]),
        });
    }

    /// <summary>A body, line by line.</summary>
    private sealed class Lines
    {
        /// <summary>What is to be stored.</summary>
        public List<ProvisionedKey> Keys { get; } = [];

        /// <summary>The line of each.</summary>
        public List<int> NumberOf { get; } = [];

        public List<(int Line, JsonObject Json)> Refused { get; } = [];

        public int Empty { get; private set; }

        /// <summary>For the audit: the VAL service, when there is one only.</summary>
        public string Subject => Keys.Count > 0 && Keys[0].ServiceId is var one && Keys.TrueForAll(k => k.ServiceId == one)
            ? string.Create(CultureInfo.InvariantCulture, $"key_records/{one.Length}:{one}")
            : "key_records";

        /// <summary>False when there are too many.</summary>
        public bool TryRead(ReadOnlyMemory<byte> body)
        {
            for (var (number, rest) = (1, body); rest.Length > 0; number++)
            {
                if (number > KeyRecordLines.MaxLines)
                    return false;
                var end = rest.Span.IndexOf((byte)'\n');
                var line = end < 0 ? rest : rest[..end];
                rest = end < 0 ? default : rest[(end + 1)..];
                if (KeyRecordLines.IsEmpty(line.Span))
                {
                    Empty++;
                }
                else if (KeyRecordLines.TryRead(line, out var read, out var error))
                {
                    NumberOf.Add(number);
                    Keys.Add(new(read.ServiceId, read.Identity, read.Material.Payload, read.Material.ActivatesAt, read.Material.ExpiresAt));
                }
                else
                {
                    Refuse(number, error.Param, error.Reason);
                }
            }
            return true;
        }

        /// <summary>Refuses those whose VAL service is.</summary>
        public void RefuseWhere(Func<string, Refusal?> why)
        {
            var kept = 0;
            for (var i = 0; i < Keys.Count; i++)
            {
                if (why(Keys[i].ServiceId) is { } refusal)
                {
                    CryptographicOperations.ZeroMemory(Keys[i].Payload);
                    Refuse(NumberOf[i], refusal.Param, refusal.Peer);
                }
                else
                {
                    (Keys[kept], NumberOf[kept]) = (Keys[i], NumberOf[i]);
                    kept++;
                }
            }
            Keys.RemoveRange(kept, Keys.Count - kept);
            NumberOf.RemoveRange(kept, NumberOf.Count - kept);
        }

        public void Refuse(int line, string? param, string reason)
        {
            var json = new JsonObject { ["line"] = line };
            if (param is not null)
                json["param"] = param;
            json["reason"] = reason;
            Refused.Add((line, json));
        }
    }
}
