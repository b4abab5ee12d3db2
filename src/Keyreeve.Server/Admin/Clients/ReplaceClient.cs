namespace Keyreeve.Server.Admin.Clients;

/// <summary>
/// PUT /clients/{clientId}. What is changed counts from the next request on; disabling also ends the tokens that were issued.
/// Tokens with scopes that were taken away live out their minutes.
/// </summary>
internal static class ReplaceClient
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (request.IfMatch is not { } version)
            return AdminAnswer.IfMatchRequired;
        if (!(await request.ReadAsync(ClientJson.Schema)).Succeeded(out var body, out var refusal))
            return refusal;
        var directory = request.Admin.Parts.Stores.Directory;
        if (await directory.FindClientAsync(request.Id, request.Cancel) is not { } before)
            return AdminAnswer.NotFound("client");
        if (before.Version != version)
            return AdminAnswer.Changed;
        if (!ClientJson.Read(body, before).Succeeded(out var asked, out refusal))
            return refusal;
        if (await CheckClient.RunAsync(request, asked) is { } wrong)
            return wrong;
        var entry = request.Entry("client.changed", asked.ClientId, null, Changes.Between(ClientJson.Write(before), ClientJson.Write(asked)));
        if (!(await directory.SaveClientAsync(asked, create: false, version, entry, CancellationToken.None)).Succeeded(out var client, out refusal))
            return AdminAnswer.OfSave(refusal);
        await request.RefreshAsync();
        if (client.Disabled)
            await EndTokens.OfClientAsync(request, client.ClientId, "the client was disabled");
        else if (before.OwnedServices.Except(client.OwnedServices, StringComparer.Ordinal).Any())
            await EndTokens.OfClientAsync(request, client.ClientId, "VAL services were taken from the client");
        return AdminAnswer.Ok(ClientJson.Write(client), client.Version);
    }
}
