using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.Profiles;

/// <summary>PUT /profiles/{id}: a new document under the same key.</summary>
internal static class ReplaceProfile
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (request.IfMatch is not { } version)
            return AdminAnswer.IfMatchRequired;
        if (!(await request.ReadAsync(ProfileJson.Replacement)).Succeeded(out var body, out var refusal))
            return refusal;
        if (await ShowProfile.FindAsync(request) is not { } before)
            return AdminAnswer.NotFound("profile");
        // Members that name another key would be a mistake nobody notices: the document would land under the path's key.
        foreach (var member in (string[])["serviceId", "valUserId", "valUeId"])
            if (body.Text(member) is { } named && named != (string?)ProfileJson.Write(before)[member])
                body.Fail(member, $"{member} is not that of the profile in the path; the key of a profile cannot be changed");
        // Version 0 would mean "make it": a profile that was removed meanwhile does not come back.
        if (version <= 0)
            return AdminAnswer.Changed;
        if (!ProfileJson.ReadDocument(body, before.ServiceId, before.Target, request).Succeeded(out var asked, out refusal))
            return refusal;
        var entry = request.Entry("profile.changed", null, ValProfile.Purpose(asked.ServiceId, asked.Target), "changed: document");
        if (!(await request.Admin.Parts.Stores.Profiles.SaveAsync(asked, version, entry, CancellationToken.None)).Succeeded(out var profile, out refusal))
            return AdminAnswer.OfSave(refusal);
        return AdminAnswer.Ok(ProfileJson.Write(profile), profile.Version);
    }
}
