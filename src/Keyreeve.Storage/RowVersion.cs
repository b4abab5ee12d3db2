using Keyreeve.Core.Refusals;

namespace Keyreeve.Storage;

/// <summary>The rule of row versions: 1 when a row is made, one more with each save, and the ETag of the admin API.</summary>
internal static class RowVersion
{
    /// <summary>Why the save may not happen, or null. <paramref name="stored"/> is null when there is no row.</summary>
    public static Refusal? Refuse(string what, long? stored, bool create, long? expected) => (stored, create) switch
    {
        (not null, true) => Refusal.Of(RefusalCode.Conflict, $"the {what} exists already"),
        (null, true) => null,
        (null, false) => Refusal.Of(RefusalCode.NotFound, $"there is no such {what}"),
        _ => expected is null || expected == stored ? null : Changed(what, stored.Value, expected.Value),
    };

    /// <summary>The same where a save adds what is missing; a row that is not there has version 0.</summary>
    public static Refusal? Refuse(string what, long? stored, long? expected) =>
        expected is null || expected == (stored ?? 0) ? null : Changed(what, stored ?? 0, expected.Value);

    private static Refusal Changed(string what, long stored, long expected) =>
        new(RefusalCode.Conflict, $"the {what} was changed since it was read", $"the {what} has version {stored}, the caller read version {expected}: read again");
}
