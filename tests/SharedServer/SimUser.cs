using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Web;
using Keyreeve.Core.Login;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Testing;

/// <summary>
/// A person with a browser and a client's redirect URI: follows our redirects by hand, fills the forms, and tells where it was sent.
/// </summary>
public sealed partial class SimUser(TestServer server, string username = "alice")
{
    private readonly HttpClient _http = server.NewClient();
    private readonly CookieContainer _cookies = new();

    /// <summary>What the person types.</summary>
    public string Password { get; set; } = (string)server.User(username)["password"]!;

    /// <summary>The value of the consent button pressed.</summary>
    public string ConsentDecision { get; set; } = "allow";

    /// <summary>The secret of the person's authenticator app, base32; null without one.</summary>
    public string? TotpSecret { get; set; } = (string?)server.User(username)["totpSecret"];

    /// <summary>What the app shows now, or some steps away from now.</summary>
    public string Code(int away = 0) => Totp.Code(Base32.Decode(TotpSecret!)!, Totp.StepOf(server.Time.GetUtcNow()) + away);

    /// <summary>Pages seen on the way, as path of each.</summary>
    public List<string> Seen { get; } = [];

    /// <summary>The browser's languages, or null.</summary>
    public string? AcceptLanguage { get; set; }

    public HttpClient Http => _http;

    /// <summary>One request with this browser's cookies; redirects are not followed.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request)
    {
        var address = new Uri(_http.BaseAddress!, request.RequestUri!);
        if (_cookies.GetCookieHeader(address) is { Length: > 0 } cookie)
            request.Headers.Add("Cookie", cookie);
        if (AcceptLanguage is not null)
            request.Headers.TryAddWithoutValidation("Accept-Language", AcceptLanguage);
        var response = await _http.SendAsync(request);
        if (response.Headers.TryGetValues("Set-Cookie", out var set))
            foreach (var one in set)
                _cookies.SetCookies(address, one);
        return response;
    }

    /// <summary>The browser loses a cookie.</summary>
    public void Forget(string cookie)
    {
        foreach (Cookie one in _cookies.GetCookies(_http.BaseAddress!))
            if (one.Name == cookie)
                one.Expired = true;
    }

    /// <summary>The value of a cookie, or null.</summary>
    public string? CookieOf(string name) => _cookies.GetCookies(_http.BaseAddress!)[name]?.Value;

    public Task<HttpResponseMessage> GetAsync(string address) => SendAsync(new(HttpMethod.Get, address));

    /// <summary>Goes through login and consent; returns the parameters at the redirect URI, or the page it ended on.</summary>
    public async Task<Arrival> GoAsync(string address)
    {
        var response = await GetAsync(address);
        for (var step = 0; step < 12; step++)
        {
            if (response.StatusCode == HttpStatusCode.SeeOther)
            {
                var location = response.Headers.Location!.OriginalString;
                if (!location.StartsWith('/') && !location.StartsWith(server.Issuer, StringComparison.Ordinal))
                    return new(location, response, null);
                response = await GetAsync(location);
                continue;
            }
            var html = await response.Content.ReadAsStringAsync();
            Seen.Add(response.RequestMessage!.RequestUri!.AbsolutePath);
            if (response.StatusCode != HttpStatusCode.OK || Seen.Count(s => s == Seen[^1]) > 2 || Form(html) is not { } form)
                return new(null, response, html);
            if (html.Contains("name=\"password\"", StringComparison.Ordinal))
            {
                form["username"] = username;
                form["password"] = Password;
                response = await PostAsync("/login", form);
            }
            else if (html.Contains("name=\"code\"", StringComparison.Ordinal) && TotpSecret is not null)
            {
                form["code"] = Code();
                response = await PostAsync("/login", form);
            }
            else if (html.Contains("value=\"allow\"", StringComparison.Ordinal))
            {
                form["decision"] = ConsentDecision;
                response = await PostAsync("/consent", form);
            }
            else
            {
                return new(null, response, html);
            }
        }
        throw new InvalidOperationException("the flow does not end: " + string.Join(" > ", Seen));
    }

    public Task<HttpResponseMessage> PostAsync(string address, IReadOnlyDictionary<string, string> form) =>
        SendAsync(new(HttpMethod.Post, address) { Content = new FormUrlEncodedContent(form) });

    /// <summary>The hidden fields of the first form, or null.</summary>
    public static Dictionary<string, string>? Form(string html)
    {
        if (!html.Contains("<form", StringComparison.Ordinal))
            return null;
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Match input in HiddenInput().Matches(html))
            fields[WebUtility.HtmlDecode(Attribute(input.Value, "name"))] = WebUtility.HtmlDecode(Attribute(input.Value, "value"));
        return fields;
    }

    private static string Attribute(string tag, string name) => Regex.Match(tag, "\\b" + name + "=\"([^\"]*)\"").Groups[1].Value;

    [GeneratedRegex("<input[^>]*type=\"hidden\"[^>]*>")]
    private static partial Regex HiddenInput();
}

/// <summary>Where a browser ended: at a redirect URI, or on a page of ours.</summary>
public sealed record Arrival(string? Location, HttpResponseMessage Response, string? Html)
{
    /// <summary>A parameter of the authorization response.</summary>
    public string? this[string name] => Location is null ? null : HttpUtility.ParseQueryString(new Uri(Location).Query)[name];
}

/// <summary>The requests of a well-behaved SEAL client, each part open to be spoilt by a test.</summary>
public sealed class SealFlow(TestServer server, string clientId = "seal-client")
{
    public const string Verifier = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG";

    public string RedirectUri { get; set; } = "http://127.0.0.1:8400/callback";

    /// <summary>The parameters of table A.4.2.2-1.</summary>
    public Dictionary<string, string> Parameters { get; } = new(StringComparer.Ordinal)
    {
        ["response_type"] = "code",
        ["client_id"] = clientId,
        ["scope"] = "openid val:pump-control seal:key_management",
        ["redirect_uri"] = "http://127.0.0.1:8400/callback",
        ["state"] = "state-123",
        ["nonce"] = "nonce-456",
        ["acr_values"] = "3gpp:acr:password",
        ["code_challenge"] = PkceChallenge.Of(Verifier).Value,
        ["code_challenge_method"] = "S256",
    };

    public string AuthorizeAddress => "/authorize?" + string.Join('&', Parameters.Select(p => p.Key + "=" + Uri.EscapeDataString(p.Value)));

    /// <summary>Logs in, consents, and returns the code.</summary>
    public async Task<string> CodeAsync(SimUser? user = null) =>
        (await (user ?? new SimUser(server)).GoAsync(AuthorizeAddress))["code"] ?? throw new InvalidOperationException("no code");

    /// <summary>Exchanges a code.</summary>
    public Task<(HttpStatusCode Status, JsonObject Body, HttpResponseMessage Response)> RedeemAsync(string code, string? verifier = Verifier) =>
        TokenAsync(new() { ["grant_type"] = "authorization_code", ["code"] = code, ["client_id"] = clientId, ["redirect_uri"] = RedirectUri, ["code_verifier"] = verifier ?? "" });

    public Task<(HttpStatusCode Status, JsonObject Body, HttpResponseMessage Response)> RefreshAsync(string refreshToken, string? scope = null)
    {
        var form = new Dictionary<string, string> { ["grant_type"] = "refresh_token", ["refresh_token"] = refreshToken };
        if (scope is not null)
            form["scope"] = scope;
        return TokenAsync(form);
    }

    /// <summary>A whole login: tokens.</summary>
    public async Task<JsonObject> TokensAsync(SimUser? user = null)
    {
        var (status, body, _) = await RedeemAsync(await CodeAsync(user));
        return status == HttpStatusCode.OK ? body : throw new InvalidOperationException(body.ToJsonString());
    }

    public Task<(HttpStatusCode Status, JsonObject Body, HttpResponseMessage Response)> TokenAsync(Dictionary<string, string> form) => PostAsync("/token", form);

    /// <summary>Posts a form as this client, authenticated by the Authorization header.</summary>
    public async Task<(HttpStatusCode Status, JsonObject Body, HttpResponseMessage Response)> PostAsync(string path, Dictionary<string, string> form)
    {
        using var http = server.NewClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent(form) };
        request.Headers.Authorization = server.Basic(clientId);
        var response = await http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return (response.StatusCode, text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject(), response);
    }
}
