using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>What a request to the token endpoint may look like at all. The same door stands before /introspect and /revoke.</summary>
[Proves("RFC 6749", "3.2")]
[Proves("RFC 6749", "5.2")]
[Proves("TS 33.434", "A.4.2.4")]
public sealed class TokenRequestFormTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string ClientCredentials = "grant_type=client_credentials&scope=val%3Apump-control";

    [Theory]
    [InlineData("application/json", "{\"grant_type\":\"client_credentials\"}")]
    [InlineData("text/plain", ClientCredentials)]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--b--\r\n")]
    [InlineData("application/x-www-form-urlencoded-not", ClientCredentials)]
    [InlineData(null, ClientCredentials)]
    public async Task Only_a_form_is_read(string? type, string body)
    {
        foreach (var path in (string[])["/token", "/introspect", "/revoke"])
            (await PostAsync(path, body, type)).AssertError(HttpStatusCode.UnsupportedMediaType, "invalid_request");
    }

    [Theory]
    [InlineData("grant_type=client_credentials")]
    [InlineData("client_secret=in-a-log-file")]
    [InlineData("x")]
    public async Task Nothing_may_be_in_the_query(string query)
    {
        foreach (var path in (string[])["/token", "/introspect", "/revoke"])
        {
            var answer = await PostAsync(path + "?" + query, ClientCredentials);
            answer.AssertError(HttpStatusCode.BadRequest, "invalid_request");
            Assert.DoesNotContain("in-a-log-file", answer.Text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Proves("TS 33.434", "4.2")]
    public async Task A_body_over_64_KiB_is_413_with_and_without_a_length(bool chunked)
    {
        foreach (var path in (string[])["/token", "/introspect", "/revoke"])
        {
            var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(ClientCredentials + "&x=" + new string('x', OAuthLimits.MaxBody), Encoding.ASCII, "application/x-www-form-urlencoded") };
            request.Headers.Authorization = server.Server.Basic("val-server");
            request.Headers.TransferEncodingChunked = chunked ? true : null;
            (await server.SendAsync(request)).AssertError(HttpStatusCode.RequestEntityTooLarge, "invalid_request");
        }
        // A kilobyte less is read, and judged for what it says.
        Assert.Equal(HttpStatusCode.OK, (await PostAsync("/token", ClientCredentials + "&x=" + new string('x', OAuthLimits.MaxBody - 1024))).Status);
    }

    [Theory]
    [InlineData("&grant_type=client_credentials")]
    [InlineData("&scope=val%3Apump-control")]
    [InlineData("&scope=")]
    [InlineData("&x=1&x=2")]
    [InlineData("&x=1&X=1&x=")]
    [InlineData("&gr%61nt_type=password")]
    public async Task A_repeated_parameter_is_refused_however_it_is_spelt(string more) =>
        (await PostAsync("/token", ClientCredentials + more)).AssertError(HttpStatusCode.BadRequest, "invalid_request");

    [Theory]
    [InlineData("&x=%00")]
    [InlineData("&x=%0d%0a")]
    [InlineData("&x=%C0%AF")]
    [InlineData("&x=%")]
    [InlineData("&x=%4")]
    [InlineData("&x=%G0")]
    public async Task Broken_encodings_are_refused(string more) =>
        (await PostAsync("/token", ClientCredentials + more)).AssertError(HttpStatusCode.BadRequest, "invalid_request");

    [Fact]
    public async Task More_than_64_parameters_are_refused() =>
        (await PostAsync("/token", ClientCredentials + string.Concat(Enumerable.Range(0, 63).Select(i => $"&p{i}=1")))).AssertError(HttpStatusCode.RequestEntityTooLarge, "invalid_request");

    [Fact]
    public async Task Unknown_parameters_and_a_charset_are_ignored() =>
        Assert.Equal(HttpStatusCode.OK, (await PostAsync("/token", ClientCredentials + "&extra=1", "application/x-www-form-urlencoded; charset=utf-8")).Status);

    [Theory]
    [InlineData("grant_type", "invalid_request")]
    [InlineData("code", "invalid_request")]
    [InlineData("redirect_uri", "invalid_request")]
    [InlineData("code_verifier", "invalid_request")]
    public async Task A_missing_or_empty_parameter_is_named_and_the_code_stays_good(string name, string error)
    {
        var flow = server.NewFlow();
        var form = RedeemForm(await flow.CodeAsync());
        foreach (var empty in (bool[])[true, false])
        {
            var spoilt = new Dictionary<string, string>(form);
            spoilt.Remove(name);
            if (empty)
                spoilt[name] = "";
            var answer = await server.PostAsync("/token", server.Server.Basic("seal-client"), [.. spoilt.Select(f => (f.Key, f.Value))]);
            answer.AssertError(HttpStatusCode.BadRequest, error);
        }
        Assert.Equal(HttpStatusCode.OK, (await flow.TokenAsync(form)).Status);
    }

    [Theory]
    [InlineData("password", "unsupported_grant_type")]
    [InlineData("implicit", "unsupported_grant_type")]
    [InlineData("urn:ietf:params:oauth:grant-type:device_code", "unsupported_grant_type")]
    [InlineData("AUTHORIZATION_CODE", "unsupported_grant_type")]
    [InlineData("authorization_code ", "unsupported_grant_type")]
    [InlineData("client_credentials", "unauthorized_client")]
    public async Task A_grant_that_does_not_exist_or_is_not_the_clients_is_refused(string grant, string error)
    {
        var before = await server.TracesAsync();
        var user = server.Server.User("alice");
        var answer = await server.PostAsync("/token", server.Server.Basic("seal-client"),
            ("grant_type", grant), ("username", "alice"), ("password", (string)user["password"]!), ("scope", "openid"));
        answer.AssertError(HttpStatusCode.BadRequest, error);
        Assert.Equal(before, await server.TracesAsync());
    }

    [Theory]
    [InlineData("authorization_code")]
    [InlineData("refresh_token")]
    public async Task A_machine_may_neither_redeem_nor_refresh(string grant) =>
        (await server.PostAsync("/token", server.Server.Basic("machine-client"), ("grant_type", grant), ("code", new string('A', 43)), ("refresh_token", "x")))
            .AssertError(HttpStatusCode.BadRequest, "unauthorized_client");

    [Fact]
    public async Task A_client_without_the_code_grant_gets_no_code()
    {
        await server.AddClientAsync(new()
        {
            ClientId = "no-codes",
            Name = "No codes",
            RedirectUris = [OpenIdServer.Callback],
            Grants = [GrantType.ClientCredentials],
            Scopes = ScopeList.Of(["openid"]),
        });
        var flow = server.NewFlow("no-codes");
        flow.Parameters["scope"] = "openid";
        Assert.Equal("unauthorized_client", (await server.NewUser().GoAsync(flow.AuthorizeAddress))["error"]);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    [InlineData("HEAD")]
    public async Task Other_methods_than_POST_are_not_allowed(string method)
    {
        foreach (var path in (string[])["/token", "/introspect", "/revoke"])
        {
            var answer = await server.SendAsync(new(new HttpMethod(method), path));
            Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.Status);
            // OPTIONS is the browser's question before a script of another origin may ask.
            Assert.Equal(["POST"], answer.Response.Content.Headers.Allow.Except(["OPTIONS"]));
        }
    }

    private static Dictionary<string, string> RedeemForm(string code) => new()
    {
        ["grant_type"] = "authorization_code",
        ["code"] = code,
        ["client_id"] = "seal-client",
        ["redirect_uri"] = OpenIdServer.Callback,
        ["code_verifier"] = SealFlow.Verifier,
    };

    private Task<Answer> PostAsync(string path, string body, string? type = "application/x-www-form-urlencoded")
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        request.Content.Headers.ContentType = type is null ? null : MediaTypeHeaderValue.Parse(type);
        request.Headers.Authorization = server.Server.Basic("val-server");
        return server.SendAsync(request);
    }
}
