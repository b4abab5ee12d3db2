using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>POST .../records/{record}/recover: the removal taken back, with all versions as they were. Doing it again changes nothing.</summary>
internal static class RecoverOwnedRecord
{
    public static async Task<Refusal?> HandleAsync(OwnedRecordCall call) =>
        call.Identity().Succeeded(out var identity, out var refusal)
        && (await call.Change.RecoverAsync(call.ServiceId, identity, call.Entry(identity, "recovered"))).Succeeded(out _, out refusal)
            ? await call.AnswerAsync(StatusCodes.Status200OK)
            : refusal;
}
