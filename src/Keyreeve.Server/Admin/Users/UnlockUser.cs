namespace Keyreeve.Server.Admin.Users;

/// <summary>POST /users/{subject}/unlock</summary>
internal static class UnlockUser
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        var saved = await ChangeUser.SaveAsync(request, "user.unlocked", "changed: failedLogins, lockedUntil",
            user => user with { FailedLogins = 0, LockCount = 0, LockedUntil = 0 });
        if (!saved.Succeeded(out var after, out var refusal))
            return refusal;
        await request.Admin.Parts.Stores.Credentials.ClearAttemptsAsync(after.Subject, request.Entry("second_factor.unlocked", null, after.Subject, null), CancellationToken.None);
        await request.RefreshAsync();
        return AdminAnswer.Ok(UserJson.Write(after, request.Admin.Now), after.Version);
    }
}
