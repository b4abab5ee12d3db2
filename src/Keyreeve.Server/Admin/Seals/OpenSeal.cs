using System.Text.Json.Nodes;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Seals;

/// <summary>POST /seal/unseal and /seal/lock: this node alone.</summary>
internal static class OpenSeal
{
    public static async Task<AdminAnswer> UnsealAsync(AdminRequest request)
    {
        if (!(await request.ReadOptionalAsync(SealJson.Unsealing)).Succeeded(out var body, out var refusal) || !SealSecrets.Read(body, "share").Succeeded(out var secret, out refusal))
            return refusal;
        if (!(await request.Admin.Seal.UnsealAsync(secret.Method, secret.Text, request.Entry("seal.unsealed", null, null, null))).Succeeded(out var progress, out refusal))
            return refusal;
        return AdminAnswer.Ok(new JsonObject { ["sealed"] = !progress.IsOpen, ["given"] = progress.Given, ["needed"] = progress.Needed });
    }

    public static async Task<AdminAnswer> LockAsync(AdminRequest request)
    {
        await request.Admin.Seal.LockAsync(request.Entry("seal.locked", null, request.Admin.Parts.Stores.Database.Node, null));
        return await ShowSeal.HandleAsync(request);
    }
}

/// <summary>A secret in a body: at most one, and which.</summary>
/// <param name="Method">What it is for, or null when there is none; a key may be a key file's or what shares give, then null too.</param>
/// <param name="Text">The secret, or null.</param>
internal readonly record struct SealSecrets(SealMethod? Method, string? Text)
{
    private const int MaxText = 1024;

    /// <summary>Reads passphrase, key, and, where it is known, share.</summary>
    public static Outcome<SealSecrets> Read(JsonBody body, string? share = null)
    {
        var (passphrase, key, part) = (body.Text("passphrase", MaxText), body.Text("key", MaxText), share is null ? null : body.Text(share, MaxText));
        if (body.Wrong is { } wrong)
            return wrong;
        if (new[] { passphrase, key, part }.Count(t => t is not null) > 1)
            return Refusal.About(RefusalCode.InvalidParameter, "key", "one secret is given: a passphrase, a key or a share");
        return passphrase is not null ? new SealSecrets(SealMethod.Passphrase, passphrase)
            : part is not null ? new SealSecrets(SealMethod.Shares, part)
            : new SealSecrets(key is not null && share is not null ? SealMethod.KeyFile : null, key);
    }

    /// <summary>Prints no secret.</summary>
    public override string ToString() => $"secret for {Method}";
}
