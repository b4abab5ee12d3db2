using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Keyreeve.Core.Audit;

/// <summary>Which lines of the audit; what is null is not asked about. Texts match exactly.</summary>
public sealed record AuditQuery
{
    /// <summary>Unix milliseconds: not before.</summary>
    public long? From { get; init; }

    /// <summary>Unix milliseconds: before this moment.</summary>
    public long? To { get; init; }

    /// <summary>A kind, or the beginning of one with a dot at its end, as "token.".</summary>
    public string? Kind { get; init; }

    /// <summary>What became of it.</summary>
    public AuditOutcome? Outcome { get; init; }

    /// <summary>The user or record concerned.</summary>
    public string? Subject { get; init; }

    /// <summary>The client in whose name.</summary>
    public string? ClientId { get; init; }

    /// <summary>Who acted.</summary>
    public string? Actor { get; init; }

    /// <summary>The node that wrote it.</summary>
    public string? Node { get; init; }

    /// <summary>The reference in log and answer.</summary>
    public string? CorrelationId { get; init; }

    /// <summary>True for a line that is asked for.</summary>
    public bool Matches(string node, AuditEntry entry) =>
        (From is not { } from || entry.At >= from) && (To is not { } to || entry.At < to)
        && (Kind is null || (Kind.EndsWith('.') ? entry.Kind.StartsWith(Kind, StringComparison.Ordinal) : entry.Kind == Kind))
        && (Outcome is not { } outcome || entry.Outcome == outcome)
        && Is(Subject, entry.Subject) && Is(ClientId, entry.ClientId) && Is(Actor, entry.Actor) && Is(Node, node) && Is(CorrelationId, entry.CorrelationId);

    /// <summary>What is asked, for the line that says that somebody asked.</summary>
    public override string ToString() => string.Join(' ', new (string Name, object? Value)[]
    {
        ("from", From), ("to", To), ("kind", Kind), ("outcome", Outcome), ("subject", Subject), ("client", ClientId), ("actor", Actor), ("node", Node), ("correlation", CorrelationId),
    }.Where(p => p.Value is not null).Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Name}={p.Value}")));

    private static bool Is(string? asked, string? value) => asked is null || string.Equals(asked, value, StringComparison.Ordinal);
}

/// <summary>The place of a line in the order of a list, newest first: time, then node, then number.</summary>
/// <param name="At">Unix milliseconds.</param>
/// <param name="Node">The node that wrote it.</param>
/// <param name="Sequence">Its number there.</param>
public sealed record AuditPlace(long At, string Node, long Sequence)
{
    /// <summary>Reads AT.SEQ.NODE.</summary>
    public static bool TryRead(string text, [NotNullWhen(true)] out AuditPlace? place)
    {
        var parts = text.Split('.', 3);
        place = parts.Length == 3 && long.TryParse(parts[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var at)
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) ? new(at, parts[2], sequence) : null;
        return place is not null;
    }

    /// <summary>AT.SEQ.NODE</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{At}.{Sequence}.{Node}");
}

/// <summary>A page of a list.</summary>
/// <param name="Lines">Lines that were asked for, newest first; a page may hold fewer than asked and still have a next one.</param>
/// <param name="Next">Where the next page begins (after this place), or null.</param>
public sealed record AuditPage(IReadOnlyList<(AuditLine Line, AuditEntry Entry)> Lines, AuditPlace? Next);
