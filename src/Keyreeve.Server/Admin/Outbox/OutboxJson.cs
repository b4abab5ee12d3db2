using System.Text.Json.Nodes;
using Keyreeve.Core.Outbox;

namespace Keyreeve.Server.Admin.Outbox;

/// <summary>What waits for a receiver, as the admin API writes it: numbers and times, never a message.</summary>
internal static class OutboxJson
{
    public static readonly AdminSchema Schema = new("OutboxReceiver",
        new AdminField("receiver", FieldKind.Text, "events:NAME for a receiver of revocations.", ReadOnly: true),
        new AdminField("waiting", FieldKind.Number, "Messages that wait.", ReadOnly: true),
        new AdminField("oldestAt", FieldKind.Time, "When the oldest of them was written; null when none waits.", ReadOnly: true),
        new AdminField("attempts", FieldKind.Number, "How often the oldest was tried in vain.", ReadOnly: true),
        new AdminField("nextAttemptAt", FieldKind.Time, "When it is tried again; null is now.", ReadOnly: true),
        new AdminField("lastOutcome", FieldKind.Text, "Class of the last attempt: delivered, status NNN, refused ERROR, or why there was no answer.", ReadOnly: true),
        new AdminField("dropped", FieldKind.Number, "Messages that were not kept because too many waited.", ReadOnly: true));

    public static JsonObject Write(ReceiverBacklog backlog) => new()
    {
        ["receiver"] = backlog.Receiver,
        ["waiting"] = backlog.Waiting,
        ["oldestAt"] = backlog.OldestAt is { } oldest ? Times.OfSeconds(oldest / 1000) : null,
        ["attempts"] = backlog.Attempts,
        ["nextAttemptAt"] = backlog.Waiting > 0 ? Times.OrNull(backlog.NextAttemptAt / 1000) : null,
        ["lastOutcome"] = backlog.LastOutcome,
        ["dropped"] = backlog.Dropped,
    };
}
