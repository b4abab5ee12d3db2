using Keyreeve.Core.Policy;

namespace Keyreeve.Core.Identity;

/// <summary>A VAL service (TS 23.434 clause 7): what scope <c>val:S</c> asks for and which audience its tokens carry.</summary>
public sealed record ValService
{
    /// <summary>VAL service ID: scope characters only, 1 to 200.</summary>
    public required string ServiceId { get; init; }

    /// <summary>Shown on the consent page.</summary>
    public required string Name { get; init; }

    /// <summary>The audience registered for the VAL server.</summary>
    public required string Audience { get; init; }

    /// <summary>
    /// The authentication classes that are good enough for this service, the preferred one first; a stronger one than any of them is
    /// good enough too. Never empty.
    /// </summary>
    public IReadOnlyList<string> AcrValues { get; init; } = [AuthenticationClass.Password];

    /// <summary>Where its owner is told that key requests for it fail (TS 33.434 5.3.3), or null.</summary>
    public string? KeyFailuresUri { get; init; }

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }

    /// <summary>The IDs of both lists, each once, in ordinal order; both are so themselves.</summary>
    internal static IReadOnlyList<string> Union(IReadOnlyList<string> assigned, IReadOnlyList<string> provisioned) =>
        provisioned.Count == 0 ? assigned
        : assigned.Count == 0 ? provisioned
        : [.. assigned.Concat(provisioned).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
}

/// <summary>A VAL UE: a device and the VAL services mapped to it (TS 33.434 5.2.3).</summary>
public sealed record Device
{
    /// <summary>VAL UE ID.</summary>
    public required string ValUeId { get; init; }

    /// <summary>VAL service IDs that operators mapped to this UE.</summary>
    public IReadOnlyList<string> ValServiceIds { get; init; } = [];

    /// <summary>VAL service IDs that VAL servers provisioned for it; read with the device, not written with it.</summary>
    public IReadOnlyList<string> ProvisionedServiceIds { get; init; } = [];

    /// <summary>The VAL services of this UE, whoever mapped them.</summary>
    public IReadOnlyList<string> AllServiceIds => ValService.Union(ValServiceIds, ProvisionedServiceIds);

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }
}
