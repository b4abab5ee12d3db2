using Keyreeve.Server.Admin.Certificates;

namespace Keyreeve.Server.Admin.Clients;

/// <summary>
/// DELETE /clients/{clientId}. Its tokens and the certificates that were issued for it are revoked before the removal, because after a
/// crash in between nobody could repeat it, and once more after it, for what was issued meanwhile.
/// </summary>
internal static class RemoveClient
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        var directory = request.Admin.Parts.Stores.Directory;
        if (await directory.FindClientAsync(request.Id, request.Cancel) is not { } client)
            return AdminAnswer.NotFound("client");
        if (request.IfMatch is { } version && version != client.Version)
            return AdminAnswer.Changed;
        await EndTokens.OfClientAsync(request, client.ClientId, "the client is removed");
        await RevokeCertificate.AllOfClientAsync(request, client);
        if (!await directory.RemoveClientAsync(client.ClientId, request.Entry("client.removed", client.ClientId, null, null), CancellationToken.None))
            return AdminAnswer.NotFound("client");
        await RevokeCertificate.AllOfClientAsync(request, client);
        await request.RefreshAsync();
        await EndTokens.OfClientAsync(request, client.ClientId, "the client was removed");
        return AdminAnswer.Nothing;
    }
}
