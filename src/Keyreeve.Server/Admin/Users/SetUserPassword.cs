using System.Text.Json.Nodes;

namespace Keyreeve.Server.Admin.Users;

/// <summary>POST /users/{subject}/password: also the answer to a stolen password, so everything obtained with the old one ends.</summary>
internal static class SetUserPassword
{
    public static readonly AdminSchema Schema = new("NewPassword",
        new AdminField("password", FieldKind.Text, "8 to 512 characters; without it one is made.", WriteOnly: true),
        new AdminField("temporary", FieldKind.Flag, "For one login, which ends with a new password."));

    public static readonly AdminSchema Answer = new("PasswordSet", new AdminField("generatedPassword", FieldKind.Text, "The password that was made; shown this once.", ReadOnly: true));

    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadOptionalAsync(Schema)).Succeeded(out var body, out var refusal))
            return refusal;
        if (await request.Admin.Parts.Stores.Directory.FindUserAsync(request.Id, request.Cancel) is not { } before)
            return AdminAnswer.NotFound("user");
        if (!(await NewPassword.SetAsync(body, before, request)).Succeeded(out var made, out refusal))
            return refusal;
        var temporary = body.Flag("temporary", absent: false);
        if (body.Wrong is { } wrong)
            return wrong;
        // A new password also ends a lock that guesses at the old one caused.
        var saved = await ChangeUser.SaveAsync(request, "user.password_set", (made.Generated is null ? "set by the operator" : "generated") + (temporary ? ", temporary" : ""),
            user => user with { PasswordHash = made.User.PasswordHash, SecurityStamp = made.User.SecurityStamp, MustChangePassword = temporary, FailedLogins = 0, LockCount = 0, LockedUntil = 0 });
        if (!saved.Succeeded(out var after, out refusal))
            return refusal;
        await EndTokens.OfSubjectAsync(request, after.Subject, "the password was changed");
        return AdminAnswer.Ok(new JsonObject { ["subject"] = after.Subject, ["generatedPassword"] = made.Generated }, after.Version);
    }
}
