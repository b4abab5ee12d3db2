using Keyreeve.Core.Identity;

namespace Keyreeve.Server.Admin.Users;

/// <summary>POST /users</summary>
internal static class CreateUser
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(UserJson.New)).Succeeded(out var body, out var refusal))
            return refusal;
        var empty = new User { Subject = User.NewSubject(), Username = "", SecurityStamp = "" };
        if (!(await UserJson.ReadAsync(body, empty, request)).Succeeded(out var asked, out refusal)
            || !(await NewPassword.SetAsync(body, asked, request)).Succeeded(out var made, out refusal)
            || !(await request.Admin.Parts.Stores.Directory.SaveUserAsync(made.User, create: true, null,
                request.Entry("user.created", null, made.User.Subject, $"username {made.User.Username}"), CancellationToken.None)).Succeeded(out var user, out refusal))
            return refusal;
        await request.RefreshAsync();
        var json = UserJson.Write(user, request.Admin.Now);
        if (made.Generated is not null)
            json["generatedPassword"] = made.Generated;
        return AdminAnswer.Created(UserJson.Path(user.Subject), json, user.Version);
    }
}
