using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Admin.Seals;

/// <summary>POST /seal/init and /seal/rotate: a new root key, under another seal or under the same.</summary>
internal static class ChangeSeal
{
    public static async Task<AdminAnswer> InitializeAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(SealJson.Initialization)).Succeeded(out var body, out var refusal))
            return refusal;
        var name = body.RequiredText("method");
        var method = new[] { SealMethod.Kek, SealMethod.KeyFile, SealMethod.Passphrase, SealMethod.Shares }.FirstOrDefault(m => SealSources.NameOf(m) == name);
        if (body.Wrong is null && method == default)
            body.Fail("method", "method is kek, key-file, passphrase or shares");
        if (!SealSecrets.Read(body).Succeeded(out var secret, out refusal))
            return refusal;
        if (WhyNot(method, secret) is { } unfit)
            return unfit;
        if (!ReadShares(body, method).Succeeded(out var parameters, out refusal))
            return refusal;
        if (!(await request.Admin.Seal.InitializeAsync(method, secret.Text, parameters, request.Entry("seal.initialized", null, null, null))).Succeeded(out _, out refusal))
            return refusal;
        return await ShowSeal.HandleAsync(request);
    }

    public static async Task<AdminAnswer> RotateAsync(AdminRequest request)
    {
        if (!(await request.ReadOptionalAsync(SealJson.Rotation)).Succeeded(out var body, out var refusal) || !SealSecrets.Read(body).Succeeded(out var secret, out refusal))
            return refusal;
        if (!(await request.Admin.Seal.RotateAsync(secret.Text, request.Entry("seal.rotated", null, null, null))).Succeeded(out _, out refusal))
            return refusal;
        return await ShowSeal.HandleAsync(request);
    }

    private static Refusal? WhyNot(SealMethod method, SealSecrets secret) => method switch
    {
        SealMethod.Kek => secret.Text is null ? null : Refusal.About(RefusalCode.InvalidParameter, "method", "the server's own KEK needs no secret"),
        SealMethod.Passphrase when secret.Method != SealMethod.Passphrase => Refusal.About(RefusalCode.MissingParameter, "passphrase", "passphrase is required"),
        SealMethod.Passphrase when secret.Text!.Length < UnsealKey.LeastPassphrase =>
            Refusal.About(RefusalCode.InvalidParameter, "passphrase", $"the passphrase has at least {UnsealKey.LeastPassphrase} characters: six words, or a sentence"),
        SealMethod.KeyFile or SealMethod.Shares when secret.Text is null || secret.Method == SealMethod.Passphrase => Refusal.About(RefusalCode.MissingParameter, "key", "key is required"),
        _ => null,
    };

    private static Outcome<SealParameters> ReadShares(JsonBody body, SealMethod method)
    {
        if (method != SealMethod.Shares)
            return new SealParameters();
        var (set, shares, threshold) = (body.RequiredText("set", 8), body.Number("shares", 2, Shamir.MaxShares) ?? 0, body.Number("threshold", 2, Shamir.MaxShares) ?? 0);
        if (body.Wrong is null && !ShareText.IsSet(set))
            body.Fail("set", "set is 8 hexadecimal digits in lower case");
        if (body.Wrong is null && (threshold == 0 || shares < threshold))
            body.Fail("threshold", "shares and threshold are given, and no more open than there are");
        return body.Wrong is { } wrong ? wrong : new SealParameters { Set = set, Shares = shares, Threshold = threshold };
    }
}
