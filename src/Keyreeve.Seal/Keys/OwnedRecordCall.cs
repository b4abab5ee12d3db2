using System.Globalization;
using System.Text.Json;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Seal;

/// <summary>
/// A call to the key records of a VAL service by the VAL server that owns it: what its operations share. The API is ours, beside the SEAL KP Request:
/// the same right, the same records, as resources with ETags. No payload ever comes out here.
/// </summary>
/// <param name="Http">The request.</param>
/// <param name="Door">The way in.</param>
/// <param name="Token">The token.</param>
/// <param name="ServiceId">The VAL service of the path, which is the caller's.</param>
/// <param name="Name">The record's segment of the path, or null.</param>
internal sealed record OwnedRecordCall(HttpContext Http, ValServerDoor Door, VerifiedToken Token, string ServiceId, string? Name)
{
    /// <summary>The records of a VAL service.</summary>
    public const string Collection = "/seal/km/v1/services/{serviceId}/records";

    /// <summary>One of them (<see cref="KeyRecordName"/>).</summary>
    public const string Document = Collection + "/{record}";

    /// <summary>Takes a removal back.</summary>
    public const string Recovery = Document + "/recover";

    private const string Kind = "km.record";

    /// <summary>Records.</summary>
    public IKeyRecordStore Records => Http.RequestServices.GetRequiredService<IKeyRecordStore>();

    /// <summary>Changes one.</summary>
    public ChangeKeyRecord Change => Http.RequestServices.GetRequiredService<ChangeKeyRecord>();

    /// <summary>Now, Unix seconds.</summary>
    public long Now => Door.Now.ToUnixTimeSeconds();

    /// <summary>Not there.</summary>
    public static Refusal NotFound => Refusal.Of(RefusalCode.NotFound, "there is no such key record");

    /// <summary>The endpoint of an operation, which answers and returns null, or says why not.</summary>
    public static RequestDelegate Of(string pattern, Func<OwnedRecordCall, Task<Refusal?>> operation) => async context =>
    {
        var door = context.RequestServices.GetRequiredService<ValServerDoor>();
        var scopes = door.State.Scopes;
        if (!(await door.EnterAsync(context, scopes.KeyManagementAudience, scopes.KeyProvisioning)).Succeeded(out var token, out var refusal))
        {
            await RefuseAsync(context, door, refusal);
            return;
        }
        var ids = PathIds.Read(context, pattern);
        if ((refusal = KpDecision.WhyNot(token)) is not null)
            BearerToken.Challenge(context.Response, refusal, scopes.KeyProvisioning);
        else if ((await door.ServerOfAsync(token, context.RequestAborted)).Succeeded(out var server, out refusal))
            // Before anything is looked up, and before anything of the path but the VAL service is read.
            refusal = context.RequestServices.GetRequiredService<EndToEnd>().WhyNotProved(server, token) is { } unproved ? unproved
                : ids is null ? NotFound
                : KpDecision.WhyNotOwner(token, server, ids[0], scopes) ?? await operation(new(context, door, token, ids[0], ids.Count > 1 ? ids[1] : null));
        if (refusal is null)
            return;
        door.TryAudit(door.Entry(context, Kind, AuditOutcome.Refused, token, NameOf(ids), $"{refusal.Code}: {refusal.Operator}"));
        await RefuseAsync(context, door, refusal);
    };

    /// <summary>The identity of the path, or that there can be no such record.</summary>
    public Outcome<KmIdentity> Identity() =>
        KeyRecordName.TryRead(Name!, out var identity) ? identity.Value : Refusal.Of(RefusalCode.NotFound, "a record is named by base64url of 'service', 'client ID', 'device ID' or 'user ID'");

    /// <summary>The record of the path with its versions. A removed one is not there: the list has it.</summary>
    public async Task<Outcome<StoredKeys>> FindAsync()
    {
        if (!Identity().Succeeded(out var identity, out var refusal))
            return refusal;
        var stored = await Records.ReadAsync([(ServiceId, identity)], Http.RequestAborted);
        return stored[0].Record is { RemovedAt: 0 } ? stored[0] : NotFound;
    }

    /// <summary>
    /// The row version that If-Match or If-None-Match asks for: null for any, 0 for a record that is not there, -1 for one that never is. "If-Match: *", and
    /// several tags, are about the version of this moment.
    /// </summary>
    public async Task<Outcome<Precondition>> PreconditionAsync()
    {
        var (match, none) = (Http.Request.Headers.IfMatch, Http.Request.Headers.IfNoneMatch);
        if (none.Count > 0)
            return none is ["*"] && match.Count == 0 ? new Precondition(0) : Refusal.About(RefusalCode.InvalidParameter, "If-None-Match", "If-None-Match is *, and stands alone");
        if (!EntityTag.IsOfSeveral(Http.Request))
            return new Precondition(EntityTag.IfMatch(Http.Request));
        return (await FindAsync()).Succeeded(out var stored, out var refusal) ? new Precondition(EntityTag.IfMatch(Http.Request, stored.Record!.Version))
            : refusal.Code == RefusalCode.NotFound ? new Precondition(-1)
            : refusal;
    }

    /// <summary>The audit line of a change; never the payload.</summary>
    public AuditEntry Entry(KmIdentity identity, string detail) => Door.Entry(Http, Kind, AuditOutcome.Changed, Token, KeyRecord.Purpose(ServiceId, identity), detail);

    /// <summary>Answers with the record as it is now.</summary>
    public async Task<Refusal?> AnswerAsync(int status)
    {
        if (!(await FindAsync()).Succeeded(out var stored, out var refusal))
            return refusal;
        EntityTag.Write(Http.Response, stored.Record!.Version);
        if (HttpMethods.IsGet(Http.Request.Method) && EntityTag.IsKnown(Http.Request, stored.Record.Version) && !IsOtherByNow(stored))
        {
            ValServerDoor.WriteNotModified(Http);
            return null;
        }
        await ValServerDoor.WriteAsync(Http, status, json => OwnedRecordJson.Write(json, stored.Record, stored.Versions, Now));
        return null;
    }

    /// <summary>
    /// A version that began or ended since the last change is shown so, under the same row version: who has the tag may have seen it before, and gets the whole.
    /// </summary>
    private bool IsOtherByNow(StoredKeys stored) =>
        stored.Versions.SelectMany(v => (long[])[v.ActivatesAt, v.ExpiresAt]).Any(moment => moment > stored.Record!.UpdatedAt && moment <= Now);

    /// <summary>For the audit: the record where the path names one, else the VAL service.</summary>
    private static string NameOf(IReadOnlyList<string>? ids) => ids switch
    {
        null or [{ Length: > 255 }, ..] => "-",
        [var service, var name] when KeyRecordName.TryRead(name, out var identity) => KeyRecord.Purpose(service, identity.Value),
        _ => string.Create(CultureInfo.InvariantCulture, $"key_records/{ids[0].Length}:{ids[0]}"),
    };

    private static Task RefuseAsync(HttpContext context, ValServerDoor door, Refusal refusal)
    {
        door.Refused(context, Kind, refusal);
        context.Response.Headers.XContentTypeOptions = "nosniff";
        // Without a parameter it is the version; with one it is the record itself that stands in the way.
        return refusal is { Code: RefusalCode.Conflict, Param: null }
            ? ProblemDocument.WriteAsync(context, StatusCodes.Status412PreconditionFailed, "PreconditionFailed", refusal.Peer, "If-Match")
            : ProblemDocument.WriteAsync(context, refusal);
    }
}

/// <summary>What a change was made from.</summary>
/// <param name="Version">A row version, 0 for a record that is not there, null for any.</param>
internal sealed record Precondition(long? Version);
