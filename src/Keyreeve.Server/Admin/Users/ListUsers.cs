namespace Keyreeve.Server.Admin.Users;

/// <summary>GET /users: a page, or the one user of a name.</summary>
internal static class ListUsers
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var directory = request.Admin.Parts.Stores.Directory;
        var users = request.Query("username") is { } name
            ? await directory.FindUserByNameAsync(name, request.Cancel) is { } user ? [user] : []
            : await directory.ListUsersAsync(page.After, page.Fetch, request.Cancel);
        return page.Of(users, u => UserJson.Write(u, request.Admin.Now), u => u.Subject);
    }
}
