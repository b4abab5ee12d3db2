using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.Profiles;

/// <summary>DELETE /profiles/{id}</summary>
internal static class RemoveProfile
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (await ShowProfile.FindAsync(request) is not { } profile)
            return AdminAnswer.NotFound("profile");
        if (request.IfMatch is { } version && version != profile.Version)
            return AdminAnswer.Changed;
        var entry = request.Entry("profile.removed", null, ValProfile.Purpose(profile.ServiceId, profile.Target), null);
        return await request.Admin.Parts.Stores.Profiles.RemoveAsync(profile.ServiceId, profile.Target, entry, CancellationToken.None) ? AdminAnswer.Nothing : AdminAnswer.NotFound("profile");
    }
}
