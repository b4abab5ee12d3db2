using System.Security.Cryptography.X509Certificates;
using Keyreeve.Client;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Server.Tour;

/// <summary>Steps 2 to 6 of figure 5.2.4-1.</summary>
internal sealed class SealSignIn(DemoCast cast, X509Certificate2Collection roots, TourPrinter print, TourSpoil spoil)
{
    private const string AcrPassword = "3gpp:acr:password";

    /// <summary>Tokens, or why there are none.</summary>
    internal async Task<(TourStop? Stop, TokenSet? Tokens)> PlayAsync(SimClient simC, CancellationToken cancel)
    {
        print.Step("5.2.4", 2, "VAL UE sends an OpenID Connect Authentication Request");
        if (!ScopeList.TryRead(cast.SimC.Scopes, out var scopes))
            return (new("scopes in demo.json", "characters that are none of a scope"), null);
        var request = simC.NewRequest(scopes);
        print.Facts(request.Parameters.Select(p => (p.Key, p.Key is "state" or "nonce" ? TourPrinter.Short(p.Value) : p.Value)));
        // The challenge has gone out with the true verifier: another one now is what a thief of the code would have.
        if (spoil == TourSpoil.WrongVerifier)
            request = request with { CodeVerifier = simC.NewRequest(scopes).CodeVerifier };
        using var browser = new TourBrowser(roots, new Uri(simC.Metadata.Issuer), request.RedirectUri);
        var place = await browser.OpenAsync(request.Address, cancel);
        if (place is not BrowserPlace.Page page || FormOf(page, f => f.AsksPassword) is not { } login)
            return (new("the sign-in form", Describe(place)), null);
        print.Held("the SIM-S shows its sign-in form");

        print.Step("5.2.4", 3, "User authentication is performed between VAL UE and the SIM-S");
        var (stop, callback) = await AuthenticateAsync(browser, page, login, cancel);
        if (callback is null)
            return (stop, null);

        print.Step("5.2.4", 4, "SIM-S sends an OpenID Connect Authentication Response");
        var response = simC.ReadResponse(request, callback);
        if (response is not AuthenticationResponse.Code code)
            return (new("an authorization code", response switch
            {
                AuthenticationResponse.Denied denied => denied.Error.Describe(),
                AuthenticationResponse.Ignored ignored => ignored.Why,
                _ => "something else",
            }), null);
        print.Facts(("redirect_uri", request.RedirectUri), ("code", TourPrinter.Short(code.Text.Reveal())), ("state", TourPrinter.Short(request.State.Reveal())));
        print.Held("state is the one sent");
        if (simC.Metadata.IssuerInResponse)
            print.Held("iss is the SIM-S asked");

        print.Step("5.2.4", 5, "UE sends an OpenID Connect Token Request");
        print.Facts(
            ("grant_type", "authorization_code"), ("code", TourPrinter.Short(code.Text.Reveal())), ("client_id", cast.SimC.ClientId),
            ("redirect_uri", request.RedirectUri), ("code_verifier", TourPrinter.Short(request.CodeVerifier.Reveal())),
            ("client authentication", "secret in the Authorization header"));
        var answer = await simC.ExchangeAsync(code, cancel);

        print.Step("5.2.4", 6, "SIM-S sends an OpenID Connect Token Response");
        if (!answer.Succeeded(out var tokens, out var failure))
            return (SealScenes.StopOf("an ID token and an access token", failure), null);
        Show(tokens);
        return Check(tokens) is { } wrong ? (wrong, null) : (null, tokens);
    }

    private async Task<(TourStop? Stop, string? Callback)> AuthenticateAsync(TourBrowser browser, BrowserPlace.Page page, HtmlForm login, CancellationToken cancel)
    {
        var password = spoil == TourSpoil.WrongPassword ? cast.User.Password + "-wrong" : cast.User.Password;
        print.Facts(("username", cast.User.UserName), ("password", "(not shown)"));
        var place = await browser.SubmitAsync(page, login,
            login.Filled(new Dictionary<string, string> { ["username"] = cast.User.UserName, ["password"] = password }), cancel);
        if (place is BrowserPlace.Page again && FormOf(again, f => f.AsksPassword) is not null)
            return (new($"{cast.User.UserName} signed in", "the sign-in form again: " + HtmlForm.Message(again.Html)), null);
        if (place is BrowserPlace.Page { Status: 200 } consent && FormOf(consent, f => f.HasButton("decision", "allow")) is { } form)
        {
            print.Held("password accepted; the user is asked for consent");
            place = await browser.SubmitAsync(consent, form, form.Filled(new Dictionary<string, string>(), "decision", "allow"), cancel);
            print.Held("the user allows");
        }
        if (place is not BrowserPlace.Arrived arrived)
            return (new($"{cast.User.UserName} signed in and sent back to the client", Describe(place)), null);
        print.Held("the browser is sent back to the client");
        return (null, arrived.Callback);
    }

    private void Show(TokenSet tokens)
    {
        print.Token("ID token", tokens.IdToken.Text);
        print.Held("ID token: signature by the SIM-S's key, iss, aud, exp, iat, nonce, at_hash");
        print.Token("access token", tokens.AccessToken);
        print.Facts(("refresh token", tokens.RefreshToken is { } refresh ? TourPrinter.Short(refresh.Reveal()) : "(none)"), ("scope granted", tokens.Scope.Text));
    }

    /// <summary>What the specification promises beyond OpenID Connect: the method asked for, and "each ... uniquely identify the user".</summary>
    private TourStop? Check(TokenSet tokens)
    {
        var claims = tokens.IdToken.Claims;
        if (claims.GetString("acr") != AcrPassword)
            return new("acr " + AcrPassword, claims.GetString("acr") ?? "none");
        if (claims.GetString("val_user_id") != cast.User.ValUserId)
            return new("val_user_id " + cast.User.ValUserId, claims.GetString("val_user_id") ?? "none");
        if (!claims.GetStrings("val_service_ids").Contains(cast.User.ServiceId))
            return new("val_service_ids with " + cast.User.ServiceId, string.Join(", ", claims.GetStrings("val_service_ids")));
        return cast.SimC.Refreshes && tokens.RefreshToken is null ? new("a refresh token", "none") : null;
    }

    private static HtmlForm? FormOf(BrowserPlace.Page page, Func<HtmlForm, bool> fits) => HtmlForm.ReadAll(page.Html).FirstOrDefault(fits);

    private static string Describe(BrowserPlace place) => place switch
    {
        BrowserPlace.Page page => $"a page (HTTP {page.Status}): {HtmlForm.Message(page.Html)}",
        BrowserPlace.Arrived arrived => ErrorOf(arrived.Callback),
        BrowserPlace.Lost lost => lost.Why,
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>The query may hold a code; only an error is shown.</summary>
    private static string ErrorOf(string callback)
    {
        var mark = callback.IndexOf('?', StringComparison.Ordinal);
        return mark >= 0
            && ParameterList.TryRead(System.Text.Encoding.UTF8.GetBytes(callback[(mark + 1)..]), out var list, out _)
            && list.TrySingle("error", out var error) && error is not null
                ? $"error {Printable.Of(error, 64)} at the client" : "the browser back at the client at once";
    }
}
