using System.Globalization;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>GET .../records?removed&amp;limit&amp;after: the records of the VAL service, or those that were removed and can be recovered.</summary>
internal static class ListOwnedRecords
{
    private const int DefaultLimit = 100;
    private const int MaxLimit = 1000;

    public static async Task<Refusal?> HandleAsync(OwnedRecordCall call)
    {
        if (Acceptable.WhyNotJson(call.Http.Request) is { } notJson)
            return notJson;
        if (!FormBody.ReadQuery(call.Http.Request).Succeeded(out var query, out var refusal))
            return refusal;
        if (!query.TrySingle("removed", out var removed) || !query.TrySingle("limit", out var limitText) || !query.TrySingle("after", out var after))
            return Refusal.Of(RefusalCode.RepeatedParameter, "removed, limit and after are sent once");
        var limit = DefaultLimit;
        if (limitText is not null && !(int.TryParse(limitText, NumberStyles.None, CultureInfo.InvariantCulture, out limit) && limit is >= 1 and <= MaxLimit))
            return Refusal.About(RefusalCode.InvalidParameter, "limit", $"limit is 1 to {MaxLimit}");
        if (removed is not (null or "true" or "false"))
            return Refusal.About(RefusalCode.InvalidParameter, "removed", "removed is true or false");
        KmIdentity? last = null;
        if (after is not null && !KeyRecordName.TryRead(after, out last))
            return Refusal.About(RefusalCode.InvalidParameter, "after", "after is 'next' of the page before");
        // One more than is shown: so it is known whether there is a next page.
        var records = await call.Records.ListAsync(call.ServiceId, last is { } l ? (call.ServiceId, l) : null, limit + 1, removed == "true", call.Http.RequestAborted);
        await ValServerDoor.WriteAsync(call.Http, StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("items"u8);
            foreach (var record in records.Take(limit))
                OwnedRecordJson.Write(json, record, null, call.Now);
            json.WriteEndArray();
            if (records.Count > limit)
                json.WriteString("next"u8, KeyRecordName.Of(records[limit - 1].Identity));
            else
                json.WriteNull("next"u8);
            json.WriteEndObject();
        });
        return null;
    }
}
