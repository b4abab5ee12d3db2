using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.Profiles;

/// <summary>GET /profiles/{id}: with its document, which leaves a line in the audit.</summary>
internal static class ShowProfile
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (await FindAsync(request) is not { } profile)
            return AdminAnswer.NotFound("profile");
        var purpose = ValProfile.Purpose(profile.ServiceId, profile.Target);
        if (!request.Admin.Parts.Kek.TryOpen(purpose, profile.SealedDocument, out var document))
            return new Refusal(RefusalCode.Unavailable, "the profile does not open", $"{purpose} does not open: {request.Admin.Parts.Kek.WhyNot(profile.SealedDocument)}");
        if (!request.Admin.TryAudit(request.Entry("profile.read", null, purpose, null) with { Outcome = AuditOutcome.Granted }))
            return new Refusal(RefusalCode.Busy, "please try again", "the audit queue is full: is the disk full?");
        var json = ProfileJson.Write(profile);
        json["document"] = JsonNode.Parse(document);
        CryptographicOperations.ZeroMemory(document);
        return AdminAnswer.Ok(json, profile.Version);
    }

    /// <summary>The profile of the path, or null.</summary>
    public static async Task<ValProfile?> FindAsync(AdminRequest request) =>
        ProfileJson.ReadId(request.Id) is var (service, target) ? await request.Admin.Parts.Stores.Profiles.FindAsync(service, target, request.Cancel) : null;
}
