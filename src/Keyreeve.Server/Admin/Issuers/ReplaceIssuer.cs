namespace Keyreeve.Server.Admin.Issuers;

/// <summary>
/// PUT /issuers/{issuer}. What is changed counts from the next request on; disabling also ends the tokens that stand on the issuer. Tokens
/// of users, clients or scopes that were taken out live out their minutes.
/// </summary>
internal static class ReplaceIssuer
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (request.IfMatch is not { } version)
            return AdminAnswer.IfMatchRequired;
        if (!(await request.ReadAsync(IssuerJson.New)).Succeeded(out var body, out var refusal))
            return refusal;
        if (await IssuerNames.FindAsync(request) is not { } before)
            return AdminAnswer.NotFound("trusted issuer");
        if (!IssuerJson.Read(body, request.Id, before, request.Admin.Parts.Kek).Succeeded(out var asked, out refusal))
            return refusal;
        if (await IssuerRules.CheckAsync(request, asked, before) is { } wrong)
            return wrong;
        var entry = request.Entry("issuer.changed", null, asked.Issuer, Changes.Between(IssuerJson.Write(before), IssuerJson.Write(asked)));
        if (!(await request.Admin.Parts.Stores.Directory.SaveIssuerAsync(asked, create: false, version, entry, CancellationToken.None)).Succeeded(out var issuer, out refusal))
            return AdminAnswer.OfSave(refusal);
        await request.RefreshAsync();
        if (issuer.Disabled)
            await EndTokens.OfIssuerAsync(request, issuer.Issuer, "the issuer was disabled");
        return AdminAnswer.Ok(IssuerJson.Write(issuer), issuer.Version);
    }
}
