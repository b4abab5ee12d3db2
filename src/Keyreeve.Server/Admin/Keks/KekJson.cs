using System.Text.Json.Nodes;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;

namespace Keyreeve.Server.Admin.Keks;

/// <summary>The KEK as the admin API tells of it: ids, which say nothing about the keys, and who needs which.</summary>
internal static class KekJson
{
    /// <summary>A random nonce is good for 2^32 seals with one key (NIST SP 800-38D 8.3); half of that is the time to change it.</summary>
    private const long ManySeals = 1L << 31;

    /// <summary>Our choice: the longest that a key should seal.</summary>
    private static readonly TimeSpan Old = TimeSpan.FromDays(730);

    public static readonly AdminSchema Status = new("KekStatus",
        new AdminField("current", FieldKind.Text, "Id of the KEK that seals.", ReadOnly: true),
        new AdminField("source", FieldKind.Text, "file or environment.", ReadOnly: true),
        new AdminField("since", FieldKind.Time, "When the file was written; null when it comes from the environment.", ReadOnly: true),
        new AdminField("sealsSinceStart", FieldKind.Number, "Values this node sealed since it started.", ReadOnly: true),
        new AdminField("keys", FieldKind.Objects, "Each known KEK: id, use (seals or opens), rows that need it, retirable.", ReadOnly: true),
        new AdminField("tables", FieldKind.Objects, "Rows by table, column and KEK id; known says whether that KEK is known here.", ReadOnly: true),
        new AdminField("rewrap", FieldKind.Object, "The walk that seals anew: state, seen, rewrapped, unopened rows, finishedAt.", ReadOnly: true),
        new AdminField("warnings", FieldKind.Texts, "What an operator should do something about.", ReadOnly: true));

    public static readonly AdminSchema Rotation = new("KekRotation",
        new AdminField("to", FieldKind.Text, "Id of a key in kek.old to switch to; else a new one is made."),
        new AdminField("alone", FieldKind.Flag, "There is no other node on this database."));

    public static readonly AdminSchema Retirement = new("KekRetirement",
        new AdminField("id", FieldKind.Text, "The key to take out of kek.old; may be left out when there is one only."));

    public static readonly AdminSchema Retired = new("RetiredKek",
        new AdminField("id", FieldKind.Text, "The key that was taken out.", ReadOnly: true),
        new AdminField("note", FieldKind.Text, "What it is still needed for.", ReadOnly: true));

    public static JsonObject Write(Core.Keys.Kek kek, KekKeeper keeper, IReadOnlyList<SealedCount> counts, DateTimeOffset now)
    {
        var rewrap = keeper.Rewrap;
        return new JsonObject
        {
            ["current"] = kek.Id,
            ["source"] = KekFiles.IsFromEnvironment ? "environment" : "file",
            ["since"] = keeper.Files.Since is { } since ? Times.OfSeconds(since.ToUnixTimeSeconds()) : null,
            ["sealsSinceStart"] = kek.Seals,
            ["keys"] = new JsonArray([.. kek.OtherIds.Prepend(kek.Id).Select(id => (JsonNode)new JsonObject
            {
                ["id"] = id,
                ["use"] = id == kek.Id ? "seals" : "opens",
                ["rows"] = RowsOf(id),
                ["retirable"] = id != kek.Id && RowsOf(id) == 0,
            })]),
            ["tables"] = new JsonArray([.. counts.Select(c => (JsonNode)new JsonObject
            {
                ["table"] = c.Column.Table,
                ["column"] = c.Column.Column,
                ["kek"] = c.KekId,
                ["rows"] = c.Rows,
                ["known"] = IsKnown(kek, c.KekId),
            })]),
            ["rewrap"] = new JsonObject
            {
                ["state"] = rewrap.State,
                ["seen"] = rewrap.Progress.Seen,
                ["rewrapped"] = rewrap.Progress.Rewrapped,
                ["unopened"] = rewrap.Progress.Unopened,
                ["finishedAt"] = rewrap.FinishedAt is { } at ? Times.OfSeconds(at.ToUnixTimeSeconds()) : null,
            },
            ["warnings"] = Changes.Array(Warnings(kek, keeper, counts, now)),
        };

        long RowsOf(string id) => counts.Where(c => c.KekId == id).Sum(c => c.Rows);
    }

    private static IEnumerable<string> Warnings(Core.Keys.Kek kek, KekKeeper keeper, IReadOnlyList<SealedCount> counts, DateTimeOffset now)
    {
        foreach (var count in counts.Where(c => !IsKnown(kek, c.KekId)))
            yield return $"{count.Rows} rows of {count.Column.Table} are sealed by KEK {count.KekId ?? "(no sealed value)"}, which is not known here";
        if (keeper.Rewrap.Progress is { Unopened: > 0, FirstUnopened: { } why })
            yield return $"a sealed row does not open: {why}";
        if (Math.Max(kek.Seals, counts.Where(c => c.KekId == kek.Id).Sum(c => c.Rows)) > ManySeals)
            yield return "the current KEK has sealed more than 2^31 values; it is good for 2^32: rotate";
        if (keeper.Files.Since is { } since && now - since > Old)
            yield return "the current KEK is older than two years: rotate";
    }

    private static bool IsKnown(Core.Keys.Kek kek, string? id) => id is not null && (id == kek.Id || kek.OtherIds.Contains(id, StringComparer.Ordinal));
}
