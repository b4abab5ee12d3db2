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

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }
}

/// <summary>A VAL UE: a device and the VAL services mapped to it (TS 33.434 5.2.3).</summary>
public sealed record Device
{
    /// <summary>VAL UE ID.</summary>
    public required string ValUeId { get; init; }

    /// <summary>VAL service IDs mapped to this UE.</summary>
    public IReadOnlyList<string> ValServiceIds { get; init; } = [];

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }
}
