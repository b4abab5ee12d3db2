using System.Buffers.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Server.Admin.Users;

/// <summary>
/// GET /users/{subject}/second-factors, DELETE /users/{subject}/second-factors/{factor}: what a user has beside a password, never a secret.
/// Taking one away ends the sessions, because they may stand on it.
/// </summary>
internal static class SecondFactorsOfUser
{
    private const string Totp = "totp";
    private const string Recovery = "recovery";

    public static readonly AdminSchema Schema = new("SecondFactor",
        new AdminField("factor", FieldKind.Text, "totp, recovery, or the credential ID of a passkey.", ReadOnly: true),
        new AdminField("kind", FieldKind.Text, "totp, recovery or passkey.", ReadOnly: true),
        new AdminField("name", FieldKind.Text, "What its owner calls a passkey.", ReadOnly: true),
        new AdminField("createdAt", FieldKind.Time, "When it was set up.", ReadOnly: true),
        new AdminField("lastUsedAt", FieldKind.Time, "When a passkey was last used.", ReadOnly: true),
        new AdminField("left", FieldKind.Number, "Recovery codes that are left.", ReadOnly: true));

    public static async Task<AdminAnswer> ListAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var stores = request.Admin.Parts.Stores;
        if (await stores.Directory.FindUserAsync(request.Id, request.Cancel) is not { } user)
            return AdminAnswer.NotFound("user");
        var factors = await stores.Credentials.FindAsync(user.Subject, request.Cancel);
        var all = new List<JsonObject>();
        if (factors.Totp is { } totp)
            all.Add(new() { ["factor"] = Totp, ["kind"] = Totp, ["createdAt"] = Times.OfSeconds(totp.CreatedAt / 1000) });
        if (factors.RecoveryCodes > 0)
            all.Add(new() { ["factor"] = Recovery, ["kind"] = Recovery, ["left"] = factors.RecoveryCodes });
        all.AddRange(factors.Passkeys.Select(p => new JsonObject
        {
            ["factor"] = Base64Url.EncodeToString(p.CredentialId),
            ["kind"] = "passkey",
            ["name"] = p.Name,
            ["createdAt"] = Times.OfSeconds(p.CreatedAt / 1000),
            ["lastUsedAt"] = p.LastUsedAt == 0 ? null : Times.OfSeconds(p.LastUsedAt / 1000),
        }));
        // A user has a few dozen at most: one page holds them all.
        return page.Of(all, f => f, f => (string)f["factor"]!);
    }

    public static async Task<AdminAnswer> RemoveAsync(AdminRequest request)
    {
        var stores = request.Admin.Parts.Stores;
        if (await stores.Directory.FindUserAsync(request.Id, request.Cancel) is not { } user)
            return AdminAnswer.NotFound("user");
        var factor = request.Ids[1];
        var entry = request.Entry("second_factor.removed", null, user.Subject, factor);
        var removed = factor switch
        {
            Totp => await stores.Credentials.RemoveTotpAsync(user.Subject, entry, CancellationToken.None),
            Recovery => (await stores.Credentials.FindAsync(user.Subject, request.Cancel)).RecoveryCodes > 0 && await ForgetCodesAsync(),
            _ => Base64UrlStrict.TryDecode(factor, out var id) && await stores.Credentials.RemovePasskeyAsync(user.Subject, id, entry, CancellationToken.None),
        };
        if (!removed)
            return AdminAnswer.NotFound("second factor");
        // A lock that guesses at it caused goes with it.
        await stores.Credentials.ClearAttemptsAsync(user.Subject, null, CancellationToken.None);
        await stores.Sessions.EndOthersAsync(user.Subject, null, request.Entry("session.ended", null, user.Subject, "all: a second factor was removed"), CancellationToken.None);
        return AdminAnswer.Nothing;

        async Task<bool> ForgetCodesAsync()
        {
            await stores.Credentials.ReplaceRecoveryCodesAsync(user.Subject, [], entry, CancellationToken.None);
            return true;
        }
    }
}
