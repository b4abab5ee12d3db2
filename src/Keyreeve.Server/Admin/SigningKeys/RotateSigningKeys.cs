namespace Keyreeve.Server.Admin.SigningKeys;

/// <summary>POST /signing-keys/rotate: the next keys are published now. Nobody's token dies, and no verifier meets an unknown kid.</summary>
internal static class RotateSigningKeys
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        await request.Admin.Parts.Rotator.RotateEarlyAsync(request.Operator.Actor, CancellationToken.None);
        await request.RefreshAsync();
        return await ListSigningKeys.HandleAsync(request);
    }
}
