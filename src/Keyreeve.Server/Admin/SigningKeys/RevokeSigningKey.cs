namespace Keyreeve.Server.Admin.SigningKeys;

/// <summary>DELETE /signing-keys/{kid}: for a key that leaked. A successor signs at once, even though caches do not know it yet.</summary>
internal static class RevokeSigningKey
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!await request.Admin.Parts.Rotator.RevokeAsync(request.Id, request.Operator.Actor, CancellationToken.None))
            return AdminAnswer.NotFound("signing key");
        await request.RefreshAsync();
        return AdminAnswer.Nothing;
    }
}
