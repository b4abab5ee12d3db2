using System.Text.Json.Nodes;

namespace Keyreeve.Server.Admin.Keks;

/// <summary>POST /kek/retire: forgets a KEK that no row needs.</summary>
internal static class RetireKek
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadOptionalAsync(KekJson.Retirement)).Succeeded(out var body, out var refusal))
            return refusal;
        var id = body.Text("id", 16);
        if (body.Wrong is { } wrong)
            return wrong;
        if (!(await request.Admin.KekKeeper.RetireAsync(id, request.Entry("kek.retired", null, null, null))).Succeeded(out var retired, out refusal))
            return refusal;
        return AdminAnswer.Ok(new JsonObject
        {
            ["id"] = retired,
            ["note"] = $"backups made before now need KEK {retired}: keep a copy of it away from them for as long as you keep one of them",
        });
    }
}
