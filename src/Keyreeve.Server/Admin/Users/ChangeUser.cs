using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Users;

/// <summary>A change of one aspect of a user that needs no If-Match: it is made anew on whatever the row has become meanwhile.</summary>
internal static class ChangeUser
{
    private const int Attempts = 5;

    public static async Task<Outcome<User>> SaveAsync(AdminRequest request, string kind, string detail, Func<User, User> change)
    {
        var directory = request.Admin.Parts.Stores.Directory;
        Refusal? refusal = null;
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (await directory.FindUserAsync(request.Id, CancellationToken.None) is not { } before)
                return Refusal.Of(RefusalCode.NotFound, "there is no such user");
            var entry = request.Entry(kind, null, before.Subject, detail);
            if ((await directory.SaveUserAsync(change(before), create: false, before.Version, entry, CancellationToken.None)).Succeeded(out var user, out refusal))
                return user;
            if (refusal.Code != RefusalCode.Conflict)
                break;
        }
        return refusal!;
    }
}
