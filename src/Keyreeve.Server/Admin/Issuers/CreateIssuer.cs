namespace Keyreeve.Server.Admin.Issuers;

/// <summary>POST /issuers</summary>
internal static class CreateIssuer
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(IssuerJson.New)).Succeeded(out var body, out var refusal)
            || !IssuerJson.Read(body, null, null, request.Admin.Parts.Kek).Succeeded(out var asked, out refusal))
            return refusal;
        if (await IssuerRules.CheckAsync(request, asked, null) is { } wrong)
            return wrong;
        if (!(await request.Admin.Parts.Stores.Directory.SaveIssuerAsync(asked, create: true, null,
                request.Entry("issuer.created", null, asked.Issuer, null), CancellationToken.None)).Succeeded(out var issuer, out refusal))
            return refusal;
        await request.RefreshAsync();
        return AdminAnswer.Created(IssuerJson.Path(issuer.Issuer), IssuerJson.Write(issuer), issuer.Version);
    }
}
