using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Clients;

/// <summary>DELETE /clients/{clientId}/secrets/{secret}: the end of a rotation, or of a secret that leaked. "oldest" names the older of two.</summary>
internal static class RemoveClientSecret
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        var directory = request.Admin.Parts.Stores.Directory;
        if (await directory.FindClientAsync(request.Ids[0], request.Cancel) is not { } before)
            return AdminAnswer.NotFound("client");
        if (request.IfMatch is { } version && version != before.Version)
            return AdminAnswer.Changed;
        // Added last stands last: two secrets of one second have an order all the same.
        var secret = request.Ids[1] == "oldest" && before.Secrets.Length > 1
            ? before.Secrets[0]
            : before.Secrets.FirstOrDefault(s => ClientJson.IdOf(s) == request.Ids[1]);
        if (secret is null)
            return request.Ids[1] == "oldest" ? Refusal.Of(RefusalCode.Conflict, "the client has no second secret: add the new one first") : AdminAnswer.NotFound("secret");
        if (before.Secrets.Length == 1 && before.AuthMethods.Any(m => m is ClientAuthMethod.SecretBasic or ClientAuthMethod.SecretPost))
            return Refusal.Of(RefusalCode.Conflict, "this is the client's last secret, and it authenticates by one: add another first, or disable the client");
        var entry = request.Entry("client.secret_removed", before.ClientId, null, $"secret {ClientJson.IdOf(secret)}");
        if (!(await directory.SaveClientAsync(before with { Secrets = before.Secrets.Remove(secret) }, create: false, before.Version, entry, CancellationToken.None)).Succeeded(out _, out var refusal))
            return refusal;
        await request.RefreshAsync();
        return AdminAnswer.Nothing;
    }
}
