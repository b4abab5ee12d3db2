namespace Keyreeve.Server.Admin.Issuers;

/// <summary>GET /issuers/{issuer}</summary>
internal static class ShowIssuer
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request) =>
        await IssuerNames.FindAsync(request) is { } issuer ? AdminAnswer.Ok(IssuerJson.Write(issuer), issuer.Version) : AdminAnswer.NotFound("trusted issuer");
}
