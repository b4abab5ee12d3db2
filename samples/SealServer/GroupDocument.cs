namespace Keyreeve.Samples;

/// <summary>VALGroupDocument of TS 29.549, with what this sample needs of it.</summary>
internal sealed record GroupDocument(string? ValGroupId, string? GrpDesc, TargetUe[]? Members, string[]? ValServiceIds, string? ResUri);

/// <summary>ValTargetUe: a VAL user or a VAL UE.</summary>
internal sealed record TargetUe(string? ValUserId, string? ValUeId);
