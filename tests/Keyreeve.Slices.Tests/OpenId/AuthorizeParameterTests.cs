using System.Net;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>
/// Every required parameter of table A.4.2.2-1 spoilt in every way. The person has logged in and consented: a request that passed
/// by mistake would come back with a code.
/// </summary>
[Proves("TS 33.434", "A.4.1")]
[Proves("TS 33.434", "A.4.2.2")]
[Proves("TS 33.434", "A.4.2.3")]
[Proves("RFC 6749", "3.1")]
[Proves("RFC 6749", "4.1.2.1")]
[Proves("RFC 9207", "2")]
public sealed class AuthorizeParameterTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Missing = "missing";
    private const string Repeated = "repeated";

    /// <summary>Parameter, value (or how it is spoilt), error.</summary>
    public static TheoryData<string, string, string> Spoilt() => new()
    {
        { "response_type", Missing, "invalid_request" },
        { "response_type", "", "invalid_request" },
        { "response_type", Repeated, "invalid_request" },
        { "response_type", "token", "unsupported_response_type" },
        { "response_type", "id_token", "unsupported_response_type" },
        { "response_type", "code id_token", "unsupported_response_type" },
        { "response_type", "id_token token", "unsupported_response_type" },
        { "response_type", "code token", "unsupported_response_type" },
        { "response_type", "none", "unsupported_response_type" },
        { "response_type", "CODE", "unsupported_response_type" },
        { "response_type", "code ", "unsupported_response_type" },
        { "response_type", "long 5000", "unsupported_response_type" },
        { "scope", Missing, "invalid_request" },
        { "scope", "", "invalid_request" },
        { "scope", Repeated, "invalid_request" },
        { "scope", "profile", "invalid_scope" },
        { "scope", "OpenID", "invalid_scope" },
        { "scope", "openid no-such-scope", "invalid_scope" },
        { "scope", "openid seal:key_provisioning", "invalid_scope" },
        { "scope", "openid keyreeve.admin", "invalid_scope" },
        { "scope", "openid \"val:pump-control\"", "invalid_scope" },
        { "scope", "openid pröfile", "invalid_scope" },
        { "scope", "long 4097", "invalid_scope" },
        { "state", Missing, "invalid_request" },
        { "state", "", "invalid_request" },
        { "state", Repeated, "invalid_request" },
        { "state", "long 2049", "invalid_request" },
        { "acr_values", Missing, "invalid_request" },
        { "acr_values", "", "invalid_request" },
        { "acr_values", Repeated, "invalid_request" },
        { "acr_values", "3gpp:acr:PASSWORD", "unmet_authentication_requirements" },
        { "acr_values", "urn:example:retina", "unmet_authentication_requirements" },
        { "acr_values", "long 5000", "unmet_authentication_requirements" },
        { "code_challenge", Missing, "invalid_request" },
        { "code_challenge", "", "invalid_request" },
        { "code_challenge", Repeated, "invalid_request" },
        { "code_challenge", "long 42", "invalid_request" },
        { "code_challenge", "long 44", "invalid_request" },
        { "code_challenge", "long 5000", "invalid_request" },
        { "code_challenge", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=", "invalid_request" },
        { "code_challenge", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa+", "invalid_request" },
        { "code_challenge_method", Missing, "invalid_request" },
        { "code_challenge_method", "", "invalid_request" },
        { "code_challenge_method", Repeated, "invalid_request" },
        { "code_challenge_method", "plain", "invalid_request" },
        { "code_challenge_method", "s256", "invalid_request" },
        { "code_challenge_method", "S512", "invalid_request" },
        { "code_challenge_method", "long 5000", "invalid_request" },
        // Not of the table, but never to be ignored either.
        { "request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported" },
        { "request_uri", "https://app.example/request.jwt", "request_uri_not_supported" },
        { "request_uri", "urn:example:request_uri:x", "request_uri_not_supported" },
        { "registration", "{}", "registration_not_supported" },
        { "nonce", "long 1025", "invalid_request" },
        { "nonce", Repeated, "invalid_request" },
        { "response_mode", "fragment", "invalid_request" },
        { "response_mode", "jwt", "invalid_request" },
        { "prompt", "maybe", "invalid_request" },
        { "prompt", "none login", "invalid_request" },
        { "prompt", "consent none", "invalid_request" },
        { "max_age", "-1", "invalid_request" },
        { "max_age", "soon", "invalid_request" },
        { "max_age", "1.5", "invalid_request" },
        { "max_age", "99999999999999999999", "invalid_request" },
        { "some_extension", Repeated, "invalid_request" },
    };

    [Theory]
    [MemberData(nameof(Spoilt))]
    public async Task A_spoilt_parameter_is_the_named_error_at_the_redirect_URI_and_no_code(string name, string how, string error)
    {
        var (user, flow) = await LoggedInAsync();
        var before = await server.TracesAsync();
        var answer = await AskAsync(user, Spoil(flow, name, how));
        Assert.Equal(HttpStatusCode.SeeOther, answer.Status);
        Assert.StartsWith(OpenIdServer.Callback + "?error=", answer.Location, StringComparison.Ordinal);
        Assert.Equal(error, answer["error"]);
        Assert.Equal(server.Issuer, answer["iss"]);
        Assert.Equal(name == "state" ? null : "state-123", answer["state"]);
        Assert.Null(answer["code"]);
        Answer.AssertDescription(answer["error_description"]!);
        Assert.True(answer.Response.Headers.CacheControl!.NoStore);
        Assert.Equal(before, await server.TracesAsync());
    }

    [Theory]
    [InlineData("client_id", Missing)]
    [InlineData("client_id", "")]
    [InlineData("client_id", Repeated)]
    [InlineData("client_id", "nobody")]
    [InlineData("client_id", "SEAL-CLIENT")]
    [InlineData("client_id", "long 5000")]
    [InlineData("redirect_uri", Missing)]
    [InlineData("redirect_uri", "")]
    [InlineData("redirect_uri", Repeated)]
    [InlineData("redirect_uri", "https://attacker.example/")]
    [InlineData("redirect_uri", "long 5000")]
    public async Task A_client_or_redirect_URI_that_is_not_proved_is_a_page_and_never_a_redirect(string name, string how)
    {
        var (user, flow) = await LoggedInAsync();
        var before = await server.TracesAsync();
        var answer = await AskAsync(user, Spoil(flow, name, how));
        AssertErrorPage(answer);
        Assert.Equal(before, await server.TracesAsync());
    }

    [Fact]
    public async Task A_disabled_client_is_as_unknown_as_one_that_never_was()
    {
        await server.AddClientAsync(new() { ClientId = "switched-off", Name = "Off", RedirectUris = [OpenIdServer.Callback], Scopes = ScopeList.Of(["openid"]), Disabled = true });
        var answer = await server.GetAsync(Address(server.NewFlow("switched-off")));
        AssertErrorPage(answer);
        var unknown = await server.GetAsync(Address(server.NewFlow("never-was")));
        Assert.Equal(WithoutReference(unknown.Text), WithoutReference(answer.Text));
    }

    [Theory]
    [InlineData("%0D%0ASet-Cookie:%20stolen=1")]
    [InlineData("%00")]
    [InlineData("a%0Ab")]
    [InlineData("%7F")]
    [InlineData("%C0%AF")]
    [InlineData("%ED%A0%80")]
    [InlineData("%FF")]
    [InlineData("100%")]
    [InlineData("%zz")]
    public async Task Control_characters_and_broken_encodings_are_refused_and_nothing_of_them_is_echoed(string state)
    {
        var flow = server.NewFlow();
        flow.Parameters.Remove("state");
        var answer = await server.GetRawAsync(Address(flow) + "&state=" + state);
        AssertErrorPage(answer);
        Assert.DoesNotContain("stolen", answer.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(answer.Response.Headers, h => h.Value.Any(v => v.Contains("stolen", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_query_over_the_limits_is_refused()
    {
        var flow = server.NewFlow();
        AssertErrorPage(await server.GetAsync(Address(flow) + "&extra=" + new string('x', OAuthLimits.MaxQuery)));
        AssertErrorPage(await server.GetAsync(Address(flow) + string.Concat(Enumerable.Range(0, 64).Select(i => $"&e{i}=1"))));
        AssertErrorPage(await server.GetAsync(Address(flow) + "&" + new string('n', OAuthLimits.MaxName + 1) + "=1"));
        Assert.Equal(HttpStatusCode.RequestUriTooLong, (await server.GetAsync(Address(flow) + "&extra=" + new string('x', 30_000))).Status);
    }

    [Fact]
    public async Task The_longest_query_that_is_taken_arrives_at_the_login_page()
    {
        var flow = server.NewFlow();
        var address = Address(flow) + "&extra=";
        address += new string('x', OAuthLimits.MaxQuery - (address.Length - "/authorize".Length));
        var arrival = await server.NewUser().GoAsync(address);
        Assert.NotNull(arrival["code"]);
    }

    [Fact]
    public async Task Unknown_parameters_are_ignored_and_the_order_does_not_matter()
    {
        var (user, flow) = await LoggedInAsync();
        var answer = await AskAsync(user, OpenIdServer.Query(flow.Parameters.Append(new("extra", "foobar")).Append(new("ui_locales", "se fi")).Append(new("display", "popup")).Reverse()));
        Assert.NotNull(answer["code"]);
        Assert.Equal("state-123", answer["state"]);
    }

    [Fact]
    public async Task The_acr_values_are_an_order_of_preference_of_which_one_must_be_known()
    {
        var (user, flow) = await LoggedInAsync();
        flow.Parameters["acr_values"] = "urn:example:retina 3gpp:acr:password";
        Assert.NotNull((await AskAsync(user, Address(flow)))["code"]);
    }

    [Fact]
    public async Task A_posted_request_is_turned_into_a_GET_and_served_alike()
    {
        var (user, flow) = await LoggedInAsync();
        var posted = await user.PostAsync("/authorize", flow.Parameters);
        Assert.Equal(HttpStatusCode.SeeOther, posted.StatusCode);
        var location = posted.Headers.Location!.OriginalString;
        Assert.StartsWith("/authorize/resume?ticket=", location, StringComparison.Ordinal);
        var arrival = await user.GoAsync(location);
        Assert.NotNull(arrival["code"]);
        Assert.Equal("state-123", arrival["state"]);
        Assert.Equal(server.Issuer, arrival["iss"]);
    }

    [Theory]
    [InlineData("application/json", "{}")]
    [InlineData("multipart/form-data; boundary=x", "--x--")]
    [InlineData("text/plain", "client_id=seal-client")]
    [InlineData("application/x-www-form-urlencoded", "client_id=seal-client&redirect_uri=https://attacker.example/")]
    [InlineData("application/x-www-form-urlencoded", "client_id=%00")]
    public async Task A_posted_request_that_does_not_read_is_a_page(string type, string body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/authorize") { Content = new StringContent(body) };
        request.Content.Headers.ContentType = System.Net.Http.Headers.MediaTypeHeaderValue.Parse(type);
        AssertErrorPage(await server.SendAsync(request));
    }

    private static string Spoil(SealFlow flow, string name, string how)
    {
        var original = flow.Parameters.GetValueOrDefault(name, "x");
        if (how == Repeated)
        {
            flow.Parameters[name] = original;
            return Address(flow) + "&" + name + "=" + Uri.EscapeDataString(original);
        }
        flow.Parameters.Remove(name);
        if (how != Missing)
            flow.Parameters[name] = how.StartsWith("long ", StringComparison.Ordinal) ? new string('a', int.Parse(how[5..])) : how;
        return Address(flow);
    }

    private static string Address(SealFlow flow) => OpenIdServer.Query(flow.Parameters);

    private static async Task<Answer> AskAsync(SimUser user, string address)
    {
        var response = await user.GetAsync(address);
        return new(response, await response.Content.ReadAsStringAsync());
    }

    private async Task<(SimUser User, SealFlow Flow)> LoggedInAsync()
    {
        var user = server.NewUser();
        var flow = server.NewFlow();
        await flow.CodeAsync(user);
        return (user, server.NewFlow());
    }

    internal static void AssertErrorPage(Answer answer)
    {
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Null(answer.Location);
        Assert.Equal("text/html", answer.Response.Content.Headers.ContentType!.MediaType);
        Assert.Contains("frame-ancestors 'none'", answer.Response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.True(answer.Response.Headers.CacheControl!.NoStore);
        Assert.DoesNotContain("code=", answer.Text, StringComparison.Ordinal);
    }

    private static string WithoutReference(string html) => System.Text.RegularExpressions.Regex.Replace(html, "<code>[^<]*</code>", "");
}
