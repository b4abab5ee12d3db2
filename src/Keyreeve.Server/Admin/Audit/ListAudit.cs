using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Audit;

/// <summary>GET /audit: lines, newest first. That somebody looked is a line of its own.</summary>
internal static class ListAudit
{
    public static readonly string[] Filters = ["from", "to", "kind", "outcome", "subject", "client", "actor", "node", "correlationId"];

    /// <summary>Characters of a filter. Our choice: longer than any identifier.</summary>
    private const int MaxFilter = 512;

    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var asked, out var refusal) || !ReadQuery(request).Succeeded(out var query, out refusal))
            return refusal;
        AuditPlace? after = null;
        if (asked.After is { } cursor && !AuditPlace.TryRead(cursor, out after))
            return Refusal.About(RefusalCode.InvalidParameter, "after", "after is the 'next' of the page before");
        if (!request.Admin.TryAudit(request.Entry("audit.read", null, null, $"list {query}") with { Outcome = AuditOutcome.Granted }))
            return Refusal.Of(RefusalCode.Busy, "the audit cannot be written now");
        var stores = request.Admin.Parts.Stores;
        var page = await stores.Audit.ListAsync(query, after, asked.Limit, request.Cancel);
        return AdminAnswer.Ok(new JsonObject
        {
            ["items"] = new JsonArray([.. page.Lines.Select(l => (JsonNode)AuditLineJson.Write(l.Line, l.Entry))]),
            ["next"] = page.Next?.ToString(),
            ["incomplete"] = !await stores.Audit.IsSearchableAsync(request.Cancel),
        });
    }

    private static Outcome<AuditQuery> ReadQuery(AdminRequest request)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in Filters)
        {
            switch (request.Queries(name))
            {
                case []:
                    break;
                case [{ Length: > 0 and <= MaxFilter } value]:
                    values[name] = value;
                    break;
                case [_]:
                    return Refusal.About(RefusalCode.InvalidParameter, name, $"{name} has 1 to {MaxFilter} characters");
                default:
                    return Refusal.About(RefusalCode.RepeatedParameter, name, $"{name} is sent once");
            }
        }
        foreach (var name in (string[])["from", "to"])
            if (values.TryGetValue(name, out var time) && AuditLineJson.ReadTime(time) is null)
                return Refusal.About(RefusalCode.InvalidParameter, name, $"{name} is a time like 2026-01-31T12:00:00Z");
        AuditOutcome outcome = default;
        if (values.TryGetValue("outcome", out var text) && (!Enum.TryParse(text, ignoreCase: true, out outcome) || !Enum.IsDefined(outcome) || char.IsAsciiDigit(text[0])))
            return Refusal.About(RefusalCode.InvalidParameter, "outcome", "outcome is Granted, Refused or Changed");
        return new AuditQuery
        {
            From = values.TryGetValue("from", out var from) ? AuditLineJson.ReadTime(from) : null,
            To = values.TryGetValue("to", out var to) ? AuditLineJson.ReadTime(to) : null,
            Kind = values.GetValueOrDefault("kind"),
            Outcome = text is null ? null : outcome,
            Subject = values.GetValueOrDefault("subject"),
            ClientId = values.GetValueOrDefault("client"),
            Actor = values.GetValueOrDefault("actor"),
            Node = values.GetValueOrDefault("node"),
            CorrelationId = values.GetValueOrDefault("correlationId"),
        };
    }
}
