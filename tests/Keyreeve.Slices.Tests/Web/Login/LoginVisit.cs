using System.Net;
using System.Text.RegularExpressions;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Login;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Login;

/// <summary>A person at the login page, step by step: the page that is shown, and what is sent from it.</summary>
internal sealed class LoginVisit(OpenIdServer server, SimUser user)
{
    public SimUser User { get; } = user;

    /// <summary>The page that is shown, or "" after a redirect to the client.</summary>
    public string Html { get; private set; } = "";

    public HttpResponseMessage Response { get; private set; } = null!;

    /// <summary>Where it ended outside the server, or null.</summary>
    public string? Location { get; private set; }

    /// <summary>The path and query of the page that is shown.</summary>
    public string Address { get; private set; } = "";

    public string? this[string parameter] => Location is null ? null : System.Web.HttpUtility.ParseQueryString(new Uri(Location).Query)[parameter];

    public Dictionary<string, string> Form => SimUser.Form(Html)!;

    public bool AsksPassword => Html.Contains("name=\"password\"", StringComparison.Ordinal);

    public bool AsksCode => Html.Contains("name=\"code\"", StringComparison.Ordinal);

    public bool AsksConsent => Html.Contains("value=\"allow\"", StringComparison.Ordinal);

    public bool ShowsError => Html.Contains("role=\"alert\"", StringComparison.Ordinal);

    public static async Task<LoginVisit> ToAsync(OpenIdServer server, SimUser user, SealFlow flow) => await new LoginVisit(server, user).GetAsync(flow.AuthorizeAddress);

    public async Task<LoginVisit> GetAsync(string address)
    {
        await FollowAsync(await User.GetAsync(address), address);
        return this;
    }

    public async Task<LoginVisit> PostAsync(string address, Dictionary<string, string> form)
    {
        await FollowAsync(await User.PostAsync(address, form), address);
        return this;
    }

    public Task<LoginVisit> SendAsync(params (string Name, string Value)[] fields)
    {
        var form = Form;
        foreach (var (name, value) in fields)
            form[name] = value;
        return PostAsync("/login", form);
    }

    public Task<LoginVisit> SendPasswordAsync(string username, string? password = null) => SendAsync(("username", username), ("password", password ?? User.Password));

    public Task<LoginVisit> SendCodeAsync(string? code = null) => SendAsync(("code", code ?? User.Code()));

    public async Task<LoginVisit> AllowIfAskedAsync()
    {
        if (!AsksConsent)
            return this;
        var form = Form;
        form["decision"] = "allow";
        return await PostAsync("/consent", form);
    }

    /// <summary>The options that the page gives to the browser's authenticator.</summary>
    public string PasskeyOptions => WebUtility.HtmlDecode(Regex.Match(Html, "data-options=\"([^\"]*)\"").Groups[1].Value);

    /// <summary>The claims of the ID token that the code of this visit redeems to.</summary>
    public async Task<System.Text.Json.Nodes.JsonObject> ClaimsAsync(SealFlow flow)
    {
        Assert.True(this["code"] is not null, Location ?? Html);
        var (status, body, _) = await flow.RedeemAsync(this["code"]!);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        return OpenIdServer.ClaimsOf((string)body["id_token"]!);
    }

    private async Task FollowAsync(HttpResponseMessage response, string address)
    {
        (Html, Location, Response, Address) = ("", null, response, address);
        for (var step = 0; step < 10 && response.StatusCode == HttpStatusCode.SeeOther; step++)
        {
            var location = response.Headers.Location!.OriginalString;
            if (!location.StartsWith('/') && !location.StartsWith(server.Issuer, StringComparison.Ordinal))
            {
                Location = location;
                return;
            }
            Address = location;
            Response = response = await User.GetAsync(location);
        }
        Html = await response.Content.ReadAsStringAsync();
    }
}

/// <summary>What tests do to users behind the pages.</summary>
internal static class FactorsOf
{
    /// <summary>Gives a user an authenticator app.</summary>
    public static async Task GiveTotpAsync(this OpenIdServer server, SimUser user, string username)
    {
        var row = (await server.Service<IDirectory>().FindUserByNameAsync(username, CancellationToken.None))!;
        var secret = System.Security.Cryptography.RandomNumberGenerator.GetBytes(Totp.SecretSize);
        var totp = new TotpSecret { Subject = row.Subject, Sealed = server.Service<Kek>().Seal(TotpSecret.Purpose(row.Subject), secret), LastStep = 0, CreatedAt = 1 };
        Assert.True(await server.Service<ICredentialStore>().AddTotpAsync(totp, Entry("totp.added"), CancellationToken.None));
        user.TotpSecret = Base32.Encode(secret);
    }

    /// <summary>Gives a user recovery codes.</summary>
    public static async Task<IReadOnlyList<string>> GiveRecoveryCodesAsync(this OpenIdServer server, string username)
    {
        var row = (await server.Service<IDirectory>().FindUserByNameAsync(username, CancellationToken.None))!;
        var (texts, hashes) = RecoveryCode.Generate(row.Subject);
        await server.Service<ICredentialStore>().ReplaceRecoveryCodesAsync(row.Subject, hashes, Entry("recovery"), CancellationToken.None);
        return texts;
    }

    public static Keyreeve.Core.Audit.AuditEntry Entry(string kind) => new() { Kind = kind, Outcome = Keyreeve.Core.Audit.AuditOutcome.Changed, At = 1, Actor = "system" };
}
