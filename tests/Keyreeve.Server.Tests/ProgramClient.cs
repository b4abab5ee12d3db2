using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Web;
using Keyreeve.Engines.Tls;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Server.Tests;

/// <summary>Speaks to a running program with nothing but what its data folder says.</summary>
public sealed partial class ProgramClient : IDisposable
{
    private const string Scope = "openid val:pump-control seal:key_management";
    private const string Verifier = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG";

    private readonly TempFolder _folder;
    private readonly CookieContainer _cookies = new();

    public ProgramClient(TempFolder folder)
    {
        _folder = folder;
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(folder.File("ca.pem"));
        var port = ((string)folder.Listeners["listeners"]!["https"]!).Split(':')[^1];
        Http = new HttpClient(TlsProfile.CreateHandler(roots)) { BaseAddress = new Uri("https://localhost:" + port), Timeout = TimeSpan.FromSeconds(60) };
    }

    public HttpClient Http { get; }

    /// <summary>Codes that were redeemed.</summary>
    public List<string> Codes { get; } = [];

    public void Dispose() => Http.Dispose();

    /// <summary>Signs a user in (alice, unless a name and a password say otherwise) at seal-client and redeems the code.</summary>
    public async Task<JsonObject> SignInAsync(string username = "alice", string? password = null, string scope = Scope)
    {
        var (status, body) = await RedeemAsync(await CodeAsync(username, password, scope));
        Assert.True(status == HttpStatusCode.OK, body);
        return JsonNode.Parse(body)!.AsObject();
    }

    /// <summary>Exchanges a code.</summary>
    public Task<(HttpStatusCode Status, string Body)> RedeemAsync(string code) => PostAsync("/token", Redemption(code));

    /// <summary>Exchanges a code; the whole answer.</summary>
    public Task<HttpResponseMessage> AnswerRedemptionAsync(string code) => SendFormAsync("/token", Redemption(code));

    /// <summary>Goes to the authorization endpoint, logs in and consents where it is asked for, and returns the code.</summary>
    public async Task<string> CodeAsync(string username = "alice", string? password = null, string scope = Scope)
    {
        var query = new Dictionary<string, string>
        {
            ["response_type"] = "code",
            ["client_id"] = "seal-client",
            ["scope"] = scope,
            ["redirect_uri"] = "http://127.0.0.1:8400/callback",
            ["state"] = "s",
            ["nonce"] = "n",
            ["acr_values"] = "3gpp:acr:password",
            ["code_challenge"] = PkceChallenge.Of(Verifier).Value,
            ["code_challenge_method"] = "S256",
        };
        var callback = await BrowseAsync("/authorize?" + string.Join('&', query.Select(p => p.Key + "=" + Uri.EscapeDataString(p.Value))), username, password);
        var code = HttpUtility.ParseQueryString(callback.Query)["code"] ?? throw new InvalidOperationException(callback.OriginalString);
        Codes.Add(code);
        return code;
    }

    /// <summary>What a user and a browser do with an authorization request: the callback that it ends with.</summary>
    public async Task<Uri> BrowseAsync(string authorize, string username = "alice", string? password = null)
    {
        var response = await SendAsync(new(HttpMethod.Get, authorize));
        for (var step = 0; step < 10; step++)
        {
            if (response.StatusCode == HttpStatusCode.SeeOther)
            {
                var location = response.Headers.Location!.OriginalString;
                if (location.StartsWith("http://127.0.0.1:", StringComparison.Ordinal))
                    return new Uri(location);
                response = await SendAsync(new(HttpMethod.Get, location));
                continue;
            }
            var html = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            // A page may offer several ways in, each a form; _charset_ would say that a browser was there and every unticked box was meant.
            var forms = html.Split("<form", StringSplitOptions.None)[1..].Select(f => f.Split("</form>")[0]).ToList();
            if (forms.Count == 0)
                throw new UnexpectedPageException(response, html);
            var ours = forms.Find(f => f.Contains("name=\"password\"", StringComparison.Ordinal)) ?? forms[0];
            var form = HiddenInput().Matches(ours).Where(m => Attribute(m.Value, "name") != "_charset_").ToDictionary(m => Attribute(m.Value, "name"), m => Attribute(m.Value, "value"), StringComparer.Ordinal);
            var login = html.Contains("name=\"password\"", StringComparison.Ordinal);
            if (login)
                (form["username"], form["password"]) = (username, password ?? (string)_folder.Demo["users"]![0]!["password"]!);
            else
                form["decision"] = "allow";
            response = await SendAsync(new(HttpMethod.Post, login ? "/login" : "/consent") { Content = new FormUrlEncodedContent(form) });
        }
        throw new InvalidOperationException("the sign-in does not end");
    }

    public Task<JsonObject> RefreshAsync(string refreshToken) => TokenAsync(new() { ["grant_type"] = "refresh_token", ["refresh_token"] = refreshToken });

    public async Task<JsonObject> TokenAsync(Dictionary<string, string> form)
    {
        var (status, body) = await PostAsync("/token", form);
        Assert.True(status == HttpStatusCode.OK, body);
        return JsonNode.Parse(body)!.AsObject();
    }

    public async Task RevokeAsync(string token) => Assert.Equal(HttpStatusCode.OK, (await PostAsync("/revoke", new() { ["token"] = token })).Status);

    public async Task<bool> IsActiveAsync(string token) => (bool)JsonNode.Parse((await PostAsync("/introspect", new() { ["token"] = token })).Body)!["active"]!;

    public Task<(HttpStatusCode Status, string Body)> AskForKeysAsync(string token, long? dateTime = null) => SendKeyRequestAsync(token, KeyRequest(dateTime));

    /// <summary>The same until the server's start lies far enough back: for some seconds a request could be a replay of what its predecessor answered.</summary>
    public async Task<string> GetKeysAsync(string token)
    {
        for (var deadline = Environment.TickCount64 + 60_000; ;)
        {
            var (status, body) = await AskForKeysAsync(token);
            if (status != HttpStatusCode.Forbidden || Environment.TickCount64 > deadline)
            {
                Assert.True(status == HttpStatusCode.OK, body);
                return body;
            }
            await Task.Delay(200, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>A request for alice's record, with an id of its own.</summary>
    public string KeyRequest(long? dateTime = null) => new JsonObject
    {
        ["version"] = "1.0.0",
        ["sKmsUri"] = (string)_folder.Demo["skmsUri"]!,
        ["serviceId"] = "pump-control",
        ["userId"] = "sip:alice@val.example",
        ["dateTime"] = dateTime ?? TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(),
        ["requestId"] = Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8)),
    }.ToJsonString();

    /// <summary>Posts a key request as it is.</summary>
    public async Task<(HttpStatusCode Status, string Body)> SendKeyRequestAsync(string token, string request)
    {
        using var response = await AnswerKeyRequestAsync(token, request);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>Posts a key request; the whole answer.</summary>
    public async Task<HttpResponseMessage> AnswerKeyRequestAsync(string token, string request)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "/seal/km/v1/requests") { Content = new StringContent(request, null, "application/json") };
        message.Headers.Authorization = new("Bearer", token);
        return await Http.SendAsync(message, TestContext.Current.CancellationToken);
    }

    /// <summary>Posts a form as seal-client.</summary>
    public async Task<(HttpStatusCode Status, string Body)> PostAsync(string path, Dictionary<string, string> form)
    {
        using var response = await SendFormAsync(path, form);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>Posts a form as seal-client; the whole answer.</summary>
    public async Task<HttpResponseMessage> SendFormAsync(string path, Dictionary<string, string> form)
    {
        var secret = (string)_folder.Demo["clients"]!.AsArray().Single(c => (string)c!["clientId"]! == "seal-client")!["clientSecret"]!;
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent(form) };
        request.Headers.Authorization = AuthenticationHeaderValue.Parse(BasicCredentials.Write("seal-client", secret));
        return await Http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request)
    {
        var address = new Uri(Http.BaseAddress!, request.RequestUri!);
        if (_cookies.GetCookieHeader(address) is { Length: > 0 } cookie)
            request.Headers.Add("Cookie", cookie);
        // As browsers do: an error is a page then.
        request.Headers.Accept.ParseAdd("text/html");
        var response = await Http.SendAsync(request, TestContext.Current.CancellationToken);
        if (response.Headers.TryGetValues("Set-Cookie", out var set))
            foreach (var one in set)
                _cookies.SetCookies(address, one);
        return response;
    }

    private static Dictionary<string, string> Redemption(string code) => new()
    {
        ["grant_type"] = "authorization_code",
        ["code"] = code,
        ["client_id"] = "seal-client",
        ["redirect_uri"] = "http://127.0.0.1:8400/callback",
        ["code_verifier"] = Verifier,
    };

    private static string Attribute(string tag, string name) => WebUtility.HtmlDecode(Regex.Match(tag, "\\b" + name + "=\"([^\"]*)\"").Groups[1].Value);

    [GeneratedRegex("<input[^>]*type=\"hidden\"[^>]*>")]
    private static partial Regex HiddenInput();
}

/// <summary>A page without a form came where the sign-in should have gone on.</summary>
public sealed class UnexpectedPageException(HttpResponseMessage page, string html) : InvalidOperationException($"{(int)page.StatusCode}: a page without a form")
{
    public int Status { get; } = (int)page.StatusCode;

    public bool HasRetryAfter { get; } = page.Headers.RetryAfter is not null;

    public string Html { get; } = html;
}
