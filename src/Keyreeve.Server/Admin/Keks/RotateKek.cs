namespace Keyreeve.Server.Admin.Keks;

/// <summary>POST /kek/rotate: from now on another KEK seals; what is there is sealed anew in the background.</summary>
internal static class RotateKek
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadOptionalAsync(KekJson.Rotation)).Succeeded(out var body, out var refusal))
            return refusal;
        var (to, alone) = (body.Text("to", 16), body.Flag("alone", absent: false));
        if (body.Wrong is { } wrong)
            return wrong;
        if (!(await request.Admin.KekKeeper.RotateAsync(to, alone, request.Entry("kek.rotated", null, null, null))).Succeeded(out _, out refusal))
            return refusal;
        return await ShowKek.HandleAsync(request);
    }
}
