namespace Keyreeve.Server.Admin.Outbox;

/// <summary>GET /outbox</summary>
internal static class ListOutbox
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        return page.Of(await request.Admin.Parts.Stores.Outbox.ListAsync(page.After ?? "", page.Fetch, request.Cancel), OutboxJson.Write, b => b.Receiver);
    }
}
