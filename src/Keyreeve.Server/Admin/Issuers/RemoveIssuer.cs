namespace Keyreeve.Server.Admin.Issuers;

/// <summary>DELETE /issuers/{issuer}: its tokens are worth nothing from then on, nor are those that stand on it.</summary>
internal static class RemoveIssuer
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (await IssuerNames.FindAsync(request) is not { } issuer)
            return AdminAnswer.NotFound("trusted issuer");
        if (request.IfMatch is { } version && version != issuer.Version)
            return AdminAnswer.Changed;
        if (!await request.Admin.Parts.Stores.Directory.RemoveIssuerAsync(issuer.Issuer, request.Entry("issuer.removed", null, issuer.Issuer, null), CancellationToken.None))
            return AdminAnswer.NotFound("trusted issuer");
        await request.RefreshAsync();
        await EndTokens.OfIssuerAsync(request, issuer.Issuer, "the issuer was removed");
        return AdminAnswer.Nothing;
    }
}
