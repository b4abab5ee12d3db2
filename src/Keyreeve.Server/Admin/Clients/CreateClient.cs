using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Clients;

/// <summary>POST /clients</summary>
internal static class CreateClient
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(ClientJson.New)).Succeeded(out var body, out var refusal)
            || !ClientJson.Read(body, null).Succeeded(out var asked, out refusal))
            return refusal;
        string? generated = null;
        if (asked.AuthMethods.Any(m => m is ClientAuthMethod.SecretBasic or ClientAuthMethod.SecretPost))
        {
            if (!NewSecret.Read(body, request.Admin.Now).Succeeded(out var made, out refusal))
                return refusal;
            generated = made.Generated;
            asked = asked with { Secrets = [made.Secret] };
        }
        else if (body.Has("secret"))
        {
            return Refusal.About(RefusalCode.InvalidParameter, "secret", "none of the authMethods uses a secret");
        }
        if (await CheckClient.RunAsync(request, asked) is { } wrong)
            return wrong;
        var saved = await request.Admin.Parts.Stores.Directory.SaveClientAsync(asked, create: true, null,
            request.Entry("client.created", asked.ClientId, null, null), CancellationToken.None);
        if (!saved.Succeeded(out var client, out refusal))
            return refusal;
        await request.RefreshAsync();
        var json = ClientJson.Write(client);
        if (generated is not null)
            json["clientSecret"] = generated;
        return AdminAnswer.Created(ClientJson.Path(client.ClientId), json, client.Version);
    }
}
