using Keyreeve.Web.Login.Methods;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Web.Login;

/// <summary>What the login needs: the methods, in the order in which they are offered, and what they share.</summary>
public static class LoginServices
{
    /// <summary>Adds it. A method of one's own is added after this call, as another <see cref="IAuthenticationMethod"/>.</summary>
    public static IServiceCollection AddLoginMethods(this IServiceCollection services) => services
        .AddSingleton<LoginAudit>()
        .AddSingleton<AnswerBeat>()
        .AddScoped<PasswordLogin>()
        .AddScoped<ChosenPassword>()
        .AddScoped<PasskeyCeremony>()
        .AddScoped<SecondFactorCheck>()
        .AddScoped<LoginFlow>()
        .AddScoped<AuthenticationMethods>()
        .AddScoped<IAuthenticationMethod, PasswordMethod>()
        .AddScoped<IAuthenticationMethod, TotpMethod>()
        .AddScoped<IAuthenticationMethod, PasskeyMethod>()
        .AddScoped<IAuthenticationMethod, RecoveryMethod>();
}
