namespace Keyreeve.Server.Admin.Users;

/// <summary>
/// DELETE /users/{subject}. Tokens are revoked before the removal, because after a crash in between nobody could repeat it; the
/// revocation also covers what is issued meanwhile.
/// </summary>
internal static class RemoveUser
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        var directory = request.Admin.Parts.Stores.Directory;
        if (await directory.FindUserAsync(request.Id, request.Cancel) is not { } user)
            return AdminAnswer.NotFound("user");
        if (request.IfMatch is { } version && version != user.Version)
            return AdminAnswer.Changed;
        await EndTokens.OfRemovedSubjectAsync(request, user.Subject, "the user is removed");
        if (!await directory.RemoveUserAsync(user.Subject, request.Entry("user.removed", null, user.Subject, $"username {user.Username}"), CancellationToken.None))
            return AdminAnswer.NotFound("user");
        await request.RefreshAsync();
        return AdminAnswer.Nothing;
    }
}
