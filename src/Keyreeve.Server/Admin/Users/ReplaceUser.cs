namespace Keyreeve.Server.Admin.Users;

/// <summary>
/// PUT /users/{subject}. Disabling ends sessions, grants and tokens. Taking a VAL service away, or changing a VAL identity, ends the
/// access tokens: they carry what they were issued for, and key records are opened by it. Every refresh asks the row again.
/// </summary>
internal static class ReplaceUser
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (request.IfMatch is not { } version)
            return AdminAnswer.IfMatchRequired;
        if (!(await request.ReadAsync(UserJson.Schema)).Succeeded(out var body, out var refusal))
            return refusal;
        var directory = request.Admin.Parts.Stores.Directory;
        if (await directory.FindUserAsync(request.Id, request.Cancel) is not { } before)
            return AdminAnswer.NotFound("user");
        if (before.Version != version)
            return AdminAnswer.Changed;
        if (!(await UserJson.ReadAsync(body, before, request)).Succeeded(out var after, out refusal))
            return refusal;
        var now = request.Admin.Now;
        var entry = request.Entry("user.changed", null, before.Subject, Changes.Between(UserJson.Write(before, now), UserJson.Write(after, now)));
        if (!(await directory.SaveUserAsync(after, create: false, version, entry, CancellationToken.None)).Succeeded(out var user, out refusal))
            return AdminAnswer.OfSave(refusal);
        if (user.Disabled)
            await EndTokens.OfSubjectAsync(request, user.Subject, "the user was disabled");
        else if (before.ValUserId != user.ValUserId || before.ValUeId != user.ValUeId || before.ValServiceIds.Except(user.ValServiceIds, StringComparer.Ordinal).Any())
            await EndTokens.OfSubjectAsync(request, user.Subject, "VAL identities or services were taken from the user");
        await request.RefreshAsync();
        return AdminAnswer.Ok(UserJson.Write(user, now), user.Version);
    }
}
