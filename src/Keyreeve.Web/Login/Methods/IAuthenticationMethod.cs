using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login.Methods;

/// <summary>
/// A way to show who one is. The login page shows the forms of the methods that fit, finds by the field that came back which one was
/// used, and asks it; everything about order, strength and sessions is decided elsewhere. Registered as a service, a new one is there.
/// </summary>
public interface IAuthenticationMethod
{
    /// <summary>What it is worth.</summary>
    LoginMethod Kind { get; }

    /// <summary>The form field that carries the proof: a form in which it is not empty is this method's.</summary>
    string Field { get; }

    /// <summary>The component of its form; it has one parameter, <c>Model</c>, of type <see cref="MethodForm"/>.</summary>
    Type Form { get; }

    /// <summary>True when a user has it.</summary>
    bool IsOwned(User user, SecondFactors factors);

    /// <summary>
    /// What its form needs beyond the common fields (a challenge, say), or null. <paramref name="user"/> is null at the first step, where nobody is known.
    /// False when the method cannot be used here and its form is left out.
    /// </summary>
    Task<(bool Offered, object? Extra)> PrepareAsync(HttpContext context, User? user);

    /// <summary>Checks what was posted. At the second step <paramref name="expected"/> is who showed the first factor: nobody else may come out.</summary>
    Task<Outcome<User>> CheckAsync(HttpContext context, ParameterList form, User? expected);
}

/// <summary>What every form of the login page needs.</summary>
/// <param name="Ticket">Comes back in the field <c>ticket</c>.</param>
/// <param name="AntiforgeryFieldName">Name of the antiforgery field.</param>
/// <param name="AntiforgeryToken">The antiforgery token.</param>
/// <param name="UserName">Fills in a user name.</param>
/// <param name="Failed">An attempt failed just now: fields say so to screen readers, and refer to the element <c>login-error</c>.</param>
/// <param name="First">This form is the first of the page: its field gets the cursor.</param>
/// <param name="Second">The first factor was shown already.</param>
/// <param name="Extra">From <see cref="IAuthenticationMethod.PrepareAsync"/>.</param>
public sealed record MethodForm(string Ticket, string AntiforgeryFieldName, string AntiforgeryToken, string? UserName, bool Failed, bool First, bool Second, object? Extra)
{
    /// <summary>For <c>aria-describedby</c>.</summary>
    public string? DescribedBy => Failed && First ? "login-error" : null;

    /// <summary>For <c>aria-invalid</c>.</summary>
    public string? Invalid => Failed && First ? "true" : null;
}

/// <summary>All methods there are, in the order in which they are offered.</summary>
public sealed class AuthenticationMethods(IEnumerable<IAuthenticationMethod> all)
{
    /// <summary>All.</summary>
    public IReadOnlyList<IAuthenticationMethod> All { get; } = [.. all];

    /// <summary>The kinds that a user has.</summary>
    public IReadOnlyList<LoginMethod> OwnedBy(User user, SecondFactors factors) => [.. All.Where(m => m.IsOwned(user, factors)).Select(m => m.Kind)];

    /// <summary>The kinds of a list of identifiers; what is no more is left out.</summary>
    public IReadOnlyList<LoginMethod> Read(string ids) => [.. ids.Split(' ').Select(id => All.FirstOrDefault(m => m.Kind.Id == id)?.Kind).OfType<LoginMethod>()];
}
