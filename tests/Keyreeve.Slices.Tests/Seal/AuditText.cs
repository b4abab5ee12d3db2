using System.Text;
using Keyreeve.Core.Audit;
using Keyreeve.Slices.Tests.OpenId;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>Everything the audit holds, as text.</summary>
internal static class AuditText
{
    public static async Task<string> OfAsync(OpenIdServer host)
    {
        var (audit, text) = (host.Service<IAuditStore>(), new StringBuilder());
        foreach (var (node, _, _) in await audit.HeadsAsync(CancellationToken.None))
            foreach (var line in await audit.ReadAsync(node, 0, 100_000, CancellationToken.None))
                text.AppendLine(Encoding.UTF8.GetString(line.Json));
        return text.ToString();
    }
}
