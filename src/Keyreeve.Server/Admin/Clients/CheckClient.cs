using Keyreeve.Core.Grants;
using Keyreeve.Core.Policy;
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
        return ClientRules.WhyNot(client, parts.State.Scopes, [.. services.Select(s => s.ServiceId)], parts.Options.Settings.Rotation.Algorithms)
            ?? await WhyNotEncryptedAsync(request, client, parts.State.Scopes);
    }

    /// <summary>A client whose tokens are encrypted can use an audience only when somebody there can read them.</summary>
    private static async Task<Refusal?> WhyNotEncryptedAsync(AdminRequest request, Client client, ScopeCatalogue scopes)
    {
        if (!client.EncryptAccessTokens)
            return null;
        foreach (var audience in scopes.AudienceOf(client.Scopes).Where(a => !scopes.IsOwn(a)))
        {
            var others = await request.Admin.Parts.Stores.Directory.FindClientsByAudienceAsync(audience, request.Cancel);
            // The registration that is being made counts, not the one before it.
            IReadOnlyList<Client> readers = [.. others.Where(c => c.ClientId != client.ClientId), client];
            if (!TokenEncryption.ReaderOf(audience, readers).Succeeded(out _, out var refusal))
                return Refusal.About(RefusalCode.InvalidParameter, "encryptAccessTokens", refusal.Operator);
        }
        return null;
    }
}
