using System.Buffers.Text;
using System.Security.Cryptography;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Login;

namespace Keyreeve.Server.Admin.Users;

/// <summary>A password an operator sets, or one that is made: the row with its hash, and the text if it was made here.</summary>
/// <param name="User">With the new hash and a new security stamp.</param>
/// <param name="Generated">The password that was made, to be shown once; null when the operator chose it.</param>
internal sealed record NewPassword(User User, string? Generated)
{
    /// <summary>120 bits: 20 characters that can be typed from paper.</summary>
    private const int GeneratedOctets = 15;

    /// <summary>Reads member "password" and hashes it, in the queue that logins wait in.</summary>
    public static async Task<Outcome<NewPassword>> SetAsync(JsonBody body, User user, AdminRequest request)
    {
        var chosen = body.Text("password", PasswordLogin.MaxPassword);
        var minLength = request.Admin.Parts.Options.Settings.PasswordMinLength;
        if (chosen is not null && PasswordRules.WhyNot(chosen, user.Username, minLength) is { } fault)
            body.Fail("password", PasswordRules.RefusalOf(fault, minLength).Peer);
        if (body.Wrong is { } wrong)
            return wrong;
        var password = chosen ?? Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(GeneratedOctets));
        using var lease = await request.Admin.Passwords.EnterAsync(request.Cancel);
        if (!lease.IsAcquired)
            return new Refusal(RefusalCode.Busy, "too many passwords are checked at this moment; please try again shortly", "the password queue is full");
        return new NewPassword(user with
        {
            PasswordHash = request.Admin.Hasher.HashPassword(new Account(user), password),
            SecurityStamp = NewStamp(),
        }, chosen is null ? password : null);
    }

    /// <summary>Changes with every change of credentials; ends sessions.</summary>
    private static string NewStamp() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(12));
}
