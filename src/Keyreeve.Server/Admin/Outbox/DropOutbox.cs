namespace Keyreeve.Server.Admin.Outbox;

/// <summary>DELETE /outbox/{receiver}: what waits is thrown away, for a receiver that will not come back or whose address was wrong.</summary>
internal static class DropOutbox
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        var dropped = await request.Admin.Parts.Stores.Outbox.DropAsync(request.Id,
            count => request.Entry("outbox.backlog_dropped", null, request.Id, $"{count} messages thrown away"), CancellationToken.None);
        return dropped is null ? AdminAnswer.NotFound("receiver") : AdminAnswer.Nothing;
    }
}
