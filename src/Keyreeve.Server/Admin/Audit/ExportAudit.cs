using System.Globalization;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Audit;

/// <summary>GET /audit/export: the chains as they are, so that whoever keeps the file can verify it without us.</summary>
internal static class ExportAudit
{
    /// <summary>Nodes that are gone on from at most.</summary>
    private const int MaxAfter = AuditWitness.MaxNodes;

    public static Task<AdminAnswer> HandleAsync(AdminRequest request) => Task.FromResult(Handle(request));

    private static AdminAnswer Handle(AdminRequest request)
    {
        if (request.Queries("node").Count > 1)
            return Refusal.About(RefusalCode.RepeatedParameter, "node", "node is sent once");
        var after = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var text in request.Queries("after"))
        {
            var colon = text?.LastIndexOf(':') ?? -1;
            if (colon < 1 || !long.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) || after.Count == MaxAfter || !after.TryAdd(text![..colon], sequence))
                return Refusal.About(RefusalCode.InvalidParameter, "after", "after is NODE:SEQ, once for each node");
        }
        var node = request.Query("node");
        var what = string.Join(' ', after.Select(a => string.Create(CultureInfo.InvariantCulture, $"after={a.Key}:{a.Value}")).Prepend(node is null ? "export" : $"export node={node}"));
        if (!request.Admin.TryAudit(request.Entry("audit.read", null, null, what) with { Outcome = AuditOutcome.Granted }))
            return Refusal.Of(RefusalCode.Busy, "the audit cannot be written now");
        var (store, now) = (request.Admin.Parts.Stores.Audit, request.Admin.Now);
        return AdminAnswer.Stream("application/x-ndjson", (output, cancel) => AuditExport.WriteAsync(store, node, after, now, output, cancel));
    }
}
