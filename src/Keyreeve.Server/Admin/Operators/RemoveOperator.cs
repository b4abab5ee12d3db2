using Keyreeve.Core.Refusals;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Admin.Operators;

/// <summary>DELETE /operators/{thumbprint}: effective with the next request, also on connections that are open.</summary>
internal static class RemoveOperator
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        var parts = request.Admin.Parts;
        if (!await OperatorCertificates.IsRegisteredAsync(parts.Stores.Sealed, parts.Kek, request.Id, request.Cancel))
            return AdminAnswer.NotFound("operator");
        return await OperatorCertificates.RemoveUnlessLastAsync(parts.Stores.Sealed, request.Id, request.Entry("operator.removed", null, request.Id, null), CancellationToken.None)
            ? AdminAnswer.Nothing
            : Refusal.Of(RefusalCode.Conflict, "the last operator cannot be removed: register another one first");
    }
}
