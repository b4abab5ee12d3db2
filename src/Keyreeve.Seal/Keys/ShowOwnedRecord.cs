using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>GET .../records/{record}: its versions and their times; never a payload.</summary>
internal static class ShowOwnedRecord
{
    public static async Task<Refusal?> HandleAsync(OwnedRecordCall call) =>
        Acceptable.WhyNotJson(call.Http.Request) is { } notJson ? notJson : await call.AnswerAsync(StatusCodes.Status200OK);
}
