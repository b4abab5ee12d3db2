using System.Security.Cryptography;
using System.Text.Json;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Seal;

/// <summary>SS_UserProfileRetrieval: the profiles of a VAL user or VAL UE, for VAL servers and for the user's own client.</summary>
[Spec("TS 29.549", "SS_UserProfileRetrieval")]
public static class RetrieveProfiles
{
    /// <summary>The resource "VAL Services".</summary>
    public const string Path = "/ss-upr/v1/val-services";

    private const string Kind = "profile.read";

    internal static async Task HandleAsync(HttpContext context)
    {
        var door = context.RequestServices.GetRequiredService<ValServerDoor>();
        var scopes = door.State.Scopes;
        if (!(await door.EnterAsync(context, scopes.UserProfileAudience, scopes.UserProfile)).Succeeded(out var token, out var refusal))
        {
            await RefuseAsync(context, door, refusal);
            return;
        }
        var query = Acceptable.WhyNotJson(context.Request) is { } notJson ? notJson : Read(context.Request);
        IReadOnlyList<Opened> profiles = [];
        if (query.Succeeded(out var asked, out refusal) && ProfileDecision.Decide(token, asked.ServiceId, asked.Target).Succeeded(out var services, out refusal))
        {
            if (asked.ServiceId is not null && WhyTooWeak(context, door, token, services[0]) is { } tooWeak)
                refusal = tooWeak;
            else
                (profiles, refusal) = await OpenAsync(context, door, token, services, asked.Target);
        }
        // Who reads a person's profile leaves a trace, or does not read it.
        var (outcome, detail) = refusal is null ? (AuditOutcome.Granted, $"{profiles.Count} profiles") : (AuditOutcome.Refused, $"{refusal.Code}: {refusal.Operator}");
        var audited = door.TryAudit(door.Entry(context, Kind, outcome, token, asked is null ? "-" : ValProfile.Purpose(asked.ServiceId ?? "", asked.Target), detail));
        if (refusal is null && !audited)
            refusal = new Refusal(RefusalCode.Busy, "please try again", "the audit queue is full: is the disk full?");
        if (refusal is null)
            await ValServerDoor.WriteAsync(context, StatusCodes.Status200OK, json => Write(json, asked!.Target, profiles));
        else
            await RefuseAsync(context, door, refusal);
        foreach (var profile in profiles)
            CryptographicOperations.ZeroMemory(profile.Document);
    }

    private static Outcome<Asked> Read(HttpRequest http)
    {
        if (!FormBody.ReadQuery(http).Succeeded(out var query, out var refusal))
            return refusal;
        if (!query.TrySingle("val-service-id", out var service))
            return Refusal.About(RefusalCode.RepeatedParameter, "val-service-id", "val-service-id is sent once");
        if (service is { Length: > ValTargetUe.MaxIdentity })
            return Refusal.About(RefusalCode.InvalidParameter, "val-service-id", $"val-service-id has at most {ValTargetUe.MaxIdentity} characters");
        if (!ValTargetUe.TryReadQuery(query, out var target, out var error))
            return ValServerDoor.Of(error);
        return target is { } known ? new Asked(service, known) : Refusal.About(RefusalCode.MissingParameter, ValTargetUe.Parameter, "val-tgt-ue is required");
    }

    /// <summary>A VAL service that wants a stronger login than the token's; the answer has the challenge that says which.</summary>
    private static Refusal? WhyTooWeak(HttpContext context, ValServerDoor door, VerifiedToken token, string serviceId)
    {
        var scopes = door.State.Scopes;
        if (scopes.Find(ScopeCatalogue.ValPrefix + serviceId) is not { } service)
            return null;
        var demand = new AuthenticationDemand(service.AcrValues);
        var tooWeak = demand.Judge(token, door.Now);
        if (tooWeak is not null)
            BearerToken.Challenge(context.Response, tooWeak, scopes.UserProfile, demand);
        return tooWeak;
    }

    /// <summary>
    /// A VAL service that was taken away has no profiles any more, whatever tokens are left of it; one that wants a stronger login is left
    /// out of an answer about all of them.
    /// </summary>
    private static async Task<(IReadOnlyList<Opened> Profiles, Refusal? Refusal)> OpenAsync(HttpContext context, ValServerDoor door, VerifiedToken token, IReadOnlyList<string> services, KmIdentity target)
    {
        var (store, kek) = (context.RequestServices.GetRequiredService<IProfileStore>(), context.RequestServices.GetRequiredService<Kek>());
        var known = services.Where(s => door.State.Scopes.Find(ScopeCatalogue.ValPrefix + s) is { } service && new AuthenticationDemand(service.AcrValues).Judge(token, door.Now) is null)
            .ToHashSet(StringComparer.Ordinal);
        var opened = new List<Opened>();
        foreach (var profile in (await store.OfAsync(target, context.RequestAborted)).Where(p => known.Contains(p.ServiceId)))
        {
            if (!kek.TryOpen(ValProfile.Purpose(profile.ServiceId, target), profile.SealedDocument, out var document))
                return (opened, new Refusal(RefusalCode.Unavailable, "the server could not complete the request", $"a profile of VAL service {profile.ServiceId} does not open: {kek.WhyNot(profile.SealedDocument)}"));
            opened.Add(new(document));
        }
        return (opened, null);
    }

    /// <summary>ProfileDoc: "profileInformation" is a string; it holds the document as JSON text.</summary>
    private static void Write(Utf8JsonWriter json, KmIdentity target, IReadOnlyList<Opened> profiles)
    {
        json.WriteStartArray();
        foreach (var profile in profiles)
        {
            json.WriteStartObject();
            json.WriteString("profileInformation"u8, profile.Document);
            json.WritePropertyName("valTgtUe"u8);
            ValTargetUe.Write(json, target);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static Task RefuseAsync(HttpContext context, ValServerDoor door, Refusal refusal)
    {
        door.Refused(context, Kind, refusal);
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return ProblemDocument.WriteAsync(context, refusal);
    }

    /// <param name="ServiceId">The VAL service, or null for all.</param>
    /// <param name="Target">Whose.</param>
    private sealed record Asked(string? ServiceId, KmIdentity Target);

    private sealed record Opened(byte[] Document);
}
