using System.Globalization;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Users;

/// <summary>A user as the admin API writes and reads it. The password hash and the security stamp are never part of it.</summary>
internal static class UserJson
{
    private static readonly AdminField[] Fields =
    [
        new("subject", FieldKind.Text, "sub of tokens; made by the server, never given again.", ReadOnly: true),
        new("username", FieldKind.Text, "What the user types: 1 to 255 characters, upper and lower case alike.", Required: true),
        new("displayName", FieldKind.Text, "Shown on pages and in name."),
        new("email", FieldKind.Text, "Shown in email."),
        new("valUserId", FieldKind.Text, "VAL user ID."),
        new("valUeId", FieldKind.Text, "VAL UE ID of the user's device."),
        new("valServiceIds", FieldKind.Texts, "VAL services mapped to the user; each must exist."),
        new("provisionedServiceIds", FieldKind.Texts, "VAL services that VAL servers provisioned for the VAL user ID; the user has these too.", ReadOnly: true),
        new("disabled", FieldKind.Flag, "No login, no refresh, tokens revoked."),
        new("hasPassword", FieldKind.Flag, "Whether a password is set.", ReadOnly: true),
        new("mustChangePassword", FieldKind.Flag, "The password is for one login, which ends with a new one.", ReadOnly: true),
        new("failedLogins", FieldKind.Number, "Wrong passwords since the last success or lock.", ReadOnly: true),
        new("lockedUntil", FieldKind.Time, "No password is checked until then; null when not locked.", ReadOnly: true),
        new("version", FieldKind.Number, "Row version, the ETag.", ReadOnly: true),
    ];

    public static readonly AdminSchema Schema = new("User", Fields);

    public static readonly AdminSchema New = new("NewUser", [.. Fields, new AdminField("password", FieldKind.Text, "8 to 512 characters; without it one is made.", WriteOnly: true)]);

    public static readonly AdminSchema Created = new("CreatedUser",
        [.. Fields, new AdminField("generatedPassword", FieldKind.Text, "The password that was made; shown this once.", ReadOnly: true)]);

    public static string Path(string subject) => $"{AdminRoutes.Base}/users/{Uri.EscapeDataString(subject)}";

    public static JsonObject Write(User user, DateTimeOffset now) => new()
    {
        ["subject"] = user.Subject,
        ["username"] = user.Username,
        ["displayName"] = user.DisplayName,
        ["email"] = user.Email,
        ["valUserId"] = user.ValUserId,
        ["valUeId"] = user.ValUeId,
        ["valServiceIds"] = Changes.Array(user.ValServiceIds),
        ["provisionedServiceIds"] = Changes.Array(user.ProvisionedServiceIds),
        ["disabled"] = user.Disabled,
        ["hasPassword"] = user.PasswordHash is not null,
        ["mustChangePassword"] = user.MustChangePassword,
        ["failedLogins"] = user.FailedLogins,
        ["lockedUntil"] = user.LockedUntil > now.ToUnixTimeMilliseconds() ? Times.OfSeconds(user.LockedUntil / 1000) : null,
        ["version"] = user.Version,
    };

    /// <summary>The user with what the body says; members that are not there are empty.</summary>
    public static async Task<Outcome<User>> ReadAsync(JsonBody body, User before, AdminRequest request)
    {
        var user = before with
        {
            Username = body.RequiredText("username"),
            DisplayName = body.Text("displayName"),
            Email = body.Text("email"),
            ValUserId = body.Text("valUserId"),
            ValUeId = body.Text("valUeId"),
            ValServiceIds = body.Texts("valServiceIds", 200, 200) ?? [],
            Disabled = body.Flag("disabled", absent: before.Disabled),
        };
        if (body.Wrong is { } wrong)
            return wrong;
        // A letter with a mark of its own looks like the composed one and would be another user.
        if (user.Username.Any(c => CharUnicodeInfo.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark))
            return Refusal.About(RefusalCode.InvalidParameter, "username", "username has no combining marks: write composed letters (Unicode NFC)");
        return await Services.ServiceNames.WhyUnknownAsync(request, "valServiceIds", user.ValServiceIds) is { } unknown ? unknown : user;
    }
}
