using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Clients;

/// <summary>POST /clients/{clientId}/secrets: the second secret of a rotation.</summary>
internal static class AddClientSecret
{
    /// <summary>The old one and the new one.</summary>
    private const int MaxSecrets = 2;

    public static readonly AdminSchema Schema = new("NewClientSecret", new AdminField("secret", FieldKind.Text, "A secret made elsewhere, at least 43 characters; without it one is made.", WriteOnly: true));

    public static readonly AdminSchema Answer = new("ClientSecret",
        new AdminField("id", FieldKind.Text, "Names the secret.", ReadOnly: true),
        new AdminField("createdAt", FieldKind.Time, "When it was made.", ReadOnly: true),
        new AdminField("clientSecret", FieldKind.Text, "The secret that was made; shown this once.", ReadOnly: true));

    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadOptionalAsync(Schema)).Succeeded(out var body, out var refusal)
            || !NewSecret.Read(body, request.Admin.Now).Succeeded(out var made, out refusal))
            return refusal;
        var directory = request.Admin.Parts.Stores.Directory;
        if (await directory.FindClientAsync(request.Id, request.Cancel) is not { } before)
            return AdminAnswer.NotFound("client");
        if (request.IfMatch is { } version && version != before.Version)
            return AdminAnswer.Changed;
        if (before.Secrets.Length >= MaxSecrets)
            return Refusal.Of(RefusalCode.Conflict, "the client has two secrets: remove the older one first");
        if (before.Secrets.Any(s => ClientJson.IdOf(s) == ClientJson.IdOf(made.Secret)))
            return Refusal.Of(RefusalCode.Conflict, "the client has this secret already");
        var entry = request.Entry("client.secret_added", before.ClientId, null, $"secret {ClientJson.IdOf(made.Secret)}");
        if (!(await directory.SaveClientAsync(before with { Secrets = [.. before.Secrets, made.Secret] }, create: false, before.Version, entry, CancellationToken.None)).Succeeded(out var client, out refusal))
            return refusal;
        await request.RefreshAsync();
        var json = ClientJson.WriteSecret(made.Secret);
        if (made.Generated is not null)
            json["clientSecret"] = made.Generated;
        return AdminAnswer.Created(ClientJson.Path(client.ClientId) + "/secrets/" + ClientJson.IdOf(made.Secret), json, client.Version);
    }
}
