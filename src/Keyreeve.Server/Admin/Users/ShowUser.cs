namespace Keyreeve.Server.Admin.Users;

/// <summary>GET /users/{subject}</summary>
internal static class ShowUser
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request) =>
        await request.Admin.Parts.Stores.Directory.FindUserAsync(request.Id, request.Cancel) is { } user
            ? AdminAnswer.Ok(UserJson.Write(user, request.Admin.Now), user.Version)
            : AdminAnswer.NotFound("user");
}
