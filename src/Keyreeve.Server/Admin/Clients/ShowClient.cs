namespace Keyreeve.Server.Admin.Clients;

/// <summary>GET /clients/{clientId}</summary>
internal static class ShowClient
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request) =>
        await request.Admin.Parts.Stores.Directory.FindClientAsync(request.Id, request.Cancel) is { } client
            ? AdminAnswer.Ok(ClientJson.Write(client), client.Version)
            : AdminAnswer.NotFound("client");
}
