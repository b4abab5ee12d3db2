using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Pages.Forms;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login.Methods;

/// <summary>User name and password.</summary>
public sealed class PasswordMethod(PasswordLogin login) : IAuthenticationMethod
{
    /// <inheritdoc />
    public LoginMethod Kind => LoginMethod.Password;

    /// <inheritdoc />
    public string Field => "password";

    /// <inheritdoc />
    public Type Form => typeof(PasswordForm);

    /// <inheritdoc />
    public bool IsOwned(User user, SecondFactors factors) => user.PasswordHash is not null;

    /// <inheritdoc />
    public Task<(bool Offered, object? Extra)> PrepareAsync(HttpContext context, User? user) => Task.FromResult<(bool, object?)>((true, null));

    /// <inheritdoc />
    public Task<Outcome<User>> CheckAsync(HttpContext context, ParameterList form, User? expected)
    {
        form.TrySingle("username", out var username);
        form.TrySingle(Field, out var password);
        return login.CheckAsync(username, password, context.RequestAborted);
    }
}
