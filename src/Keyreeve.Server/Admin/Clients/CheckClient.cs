using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Clients;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>The rules, with what they need from the store.</summary>
internal static class CheckClient
{
    public static async Task<Refusal?> RunAsync(AdminRequest request, Client client)
    {
        var parts = request.Admin.Parts;
        // The store, not the snapshot: a service that another node added a moment ago counts.
        var services = await parts.Stores.Directory.ListServicesAsync(request.Cancel);
        await request.RefreshAsync();
        return ClientRules.WhyNot(client, parts.State.Scopes, [.. services.Select(s => s.ServiceId)], parts.Options.Settings.Rotation.Algorithms);
    }
}
