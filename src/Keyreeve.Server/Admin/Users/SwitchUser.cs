namespace Keyreeve.Server.Admin.Users;

/// <summary>POST /users/{subject}/disable and /enable</summary>
internal static class SwitchUser
{
    /// <summary>Revokes even when the user was disabled already: repeating it mends what a crash between the two steps left.</summary>
    public static async Task<AdminAnswer> DisableAsync(AdminRequest request)
    {
        if (!(await ChangeUser.SaveAsync(request, "user.disabled", "changed: disabled", user => user with { Disabled = true })).Succeeded(out var after, out var refusal))
            return refusal;
        await EndTokens.OfSubjectAsync(request, after.Subject, "the user was disabled");
        return AdminAnswer.Ok(UserJson.Write(after, request.Admin.Now), after.Version);
    }

    public static async Task<AdminAnswer> EnableAsync(AdminRequest request)
    {
        if (!(await ChangeUser.SaveAsync(request, "user.enabled", "changed: disabled", user => user with { Disabled = false })).Succeeded(out var after, out var refusal))
            return refusal;
        await request.RefreshAsync();
        return AdminAnswer.Ok(UserJson.Write(after, request.Admin.Now), after.Version);
    }
}
