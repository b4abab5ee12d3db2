using Keyreeve.Core.Refusals;
using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.Profiles;

/// <summary>POST /profiles</summary>
internal static class CreateProfile
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(ProfileJson.Schema)).Succeeded(out var body, out var refusal)
            || !(await ProfileJson.ReadAsync(body, request)).Succeeded(out var asked, out refusal))
            return refusal;
        // Version 0 is that of a profile that is not there.
        var entry = request.Entry("profile.created", null, ValProfile.Purpose(asked.ServiceId, asked.Target), null);
        if (!(await request.Admin.Parts.Stores.Profiles.SaveAsync(asked, 0, entry, CancellationToken.None)).Succeeded(out var profile, out refusal))
            return refusal.Code == RefusalCode.Conflict ? Refusal.Of(RefusalCode.Conflict, "the profile exists already") : refusal;
        return AdminAnswer.Created(ProfileJson.Path(profile), ProfileJson.Write(profile), profile.Version);
    }
}
