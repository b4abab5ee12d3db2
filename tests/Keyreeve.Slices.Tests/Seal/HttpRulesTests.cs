using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>What HTTP itself demands of every surface: a scheme with each 401, the methods with each 405, and no body read as something that its headers say it is not.</summary>
public sealed class HttpRulesTests(KeyOwner owner) : IClassFixture<KeyOwner>
{
    private const string Records = "/seal/km/v1/services/pump-control/records";

    [Theory]
    [InlineData("POST", "/token", "Basic")]
    [InlineData("POST", "/par", "Basic")]
    [InlineData("POST", "/introspect", "Basic")]
    [InlineData("POST", "/revoke", "Basic")]
    [InlineData("GET", "/userinfo", "Bearer")]
    [InlineData("POST", "/seal/km/v1/requests", "Bearer")]
    [InlineData("POST", KeyOwner.Door, "Bearer")]
    [InlineData("GET", Records, "Bearer")]
    [InlineData("GET", SealCaller.KeyRecords + "?val-service-id=pump-control", "Bearer")]
    [InlineData("GET", SealCaller.Profiles + "?valUserId=x", "Bearer")]
    [InlineData("GET", SealCaller.Configurations + "?val-server-id=val-server", "Bearer")]
    [Proves("RFC 9110", "15.5.2")]
    public async Task A_401_names_the_scheme_also_to_who_sent_no_Authorization(string method, string path, string scheme)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (scheme == "Basic")
            request.Content = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", "val-server"), new("client_secret", "wrong"), new("token", "x")]);
        else if (method == "POST")
            request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
        using var answer = await owner.Caller.Host.Http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal(scheme, Assert.Single(answer.Headers.WwwAuthenticate).Scheme);
    }

    [Theory]
    [InlineData("DELETE", SealCaller.KeyRecords, "GET")]
    [InlineData("PUT", SealCaller.Profiles, "GET")]
    [InlineData("DELETE", SealCaller.Configurations, "GET, POST")]
    [InlineData("POST", SealCaller.Configurations + "/1", "DELETE, GET, PATCH, PUT")]
    [InlineData("GET", "/seal/km/v1/requests", "POST")]
    [InlineData("POST", Records, "GET")]
    [Proves("RFC 9110", "15.5.6")]
    public async Task A_405_says_so_and_names_the_methods_that_there_are(string method, string path, string allowed)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var answer = await owner.Caller.Host.Http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.MethodNotAllowed, "application/problem+json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        Assert.Equal("MethodNotAllowed", (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["cause"]);
        Assert.Equal(allowed.Split(", "), answer.Content.Headers.Allow.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("application/json; charset=ISO-8859-1", null)]
    [InlineData("application/json; charset=utf-16", null)]
    [InlineData("application/json", "gzip")]
    [InlineData("application/json; charset=utf-8", "identity, deflate")]
    [Proves("RFC 9110", "15.5.16")]
    public async Task A_body_in_another_charset_or_coding_is_415(string type, string? coding)
    {
        var user = owner.NewName();
        var config = SealCaller.Config("val-server", ("pump-control", [user])).ToJsonString();
        foreach (var (method, path, body) in ((HttpMethod, string, string)[])[(HttpMethod.Put, KeyOwner.PathOf(user), "{\"payload\":\"p\"}"), (HttpMethod.Post, SealCaller.Configurations, config)])
        {
            var token = path == SealCaller.Configurations ? await owner.Caller.TokenAsync("seal:identity_provisioning") : owner.Token;
            var (status, problem, accepts) = await SendAsync(owner.Caller.Host.Http, method, path, body, type, coding, token);
            Assert.Equal((HttpStatusCode.UnsupportedMediaType, "UnsupportedMediaType"), (status, (string?)problem["cause"]));
            Assert.Contains(coding is null ? "in UTF-8, and in no other charset" : "Content-Encoding is not read", (string)problem["detail"]!, StringComparison.Ordinal);
            Assert.Equal(coding is null ? "" : "identity", accepts);
        }
        Assert.Null(await owner.PayloadAsync(user));
        // The messages of the SKM-S have an error code and no text.
        (await owner.AskAsync(owner.Request(user).ToJsonString(), owner.Token, "application/json; charset=ISO-8859-1")).Refused("04", 400);
        using var operators = new OperatorClient(owner);
        foreach (var (path, of) in ((string, string)[])[("/admin/v1/key-records", type), ("/admin/v1/key-records/import", type.Replace("/json", "/x-ndjson", StringComparison.Ordinal))])
            Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await SendAsync(operators.Http, HttpMethod.Post, path, "{}", of, coding, null)).Status);
    }

    [Theory]
    [InlineData("application/json; charset=UTF-8")]
    [InlineData("application/json;charset=\"utf-8\"")]
    [InlineData("APPLICATION/JSON")]
    public async Task UTF_8_by_whatever_spelling_is_read(string type) =>
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(owner.Caller.Host.Http, HttpMethod.Put, KeyOwner.PathOf(owner.NewName()), "{\"payload\":\"p\"}", type, "identity", owner.Token)).Status);

    [Fact]
    public async Task A_compressed_form_is_415()
    {
        using var form = new FormUrlEncodedContent([new("grant_type", "client_credentials")]);
        form.Headers.ContentEncoding.Add("gzip");
        using var answer = await owner.Caller.Host.Http.PostAsync("/token", form, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, answer.StatusCode);
    }

    [Fact]
    public async Task The_longest_payload_goes_in_however_it_is_escaped()
    {
        var payload = new string('A', KeyMaterial.MaxPayload);
        var escaped = string.Concat(Enumerable.Repeat("\\u0041", KeyMaterial.MaxPayload));
        string[] users = [owner.NewName(), owner.NewName(), owner.NewName(), owner.NewName()];
        var put = await SendAsync(owner.Caller.Host.Http, HttpMethod.Put, KeyOwner.PathOf(users[0]), $"{{\"payload\":\"{escaped}\"}}", "application/json", null, owner.Token);
        Assert.Equal(HttpStatusCode.Created, put.Status);
        var message = owner.Request(users[1], "PAYLOAD").ToJsonString().Replace("PAYLOAD", escaped, StringComparison.Ordinal);
        (await owner.AskAsync(message, owner.Token)).Acknowledged("added");
        using var operators = new OperatorClient(owner);
        string Record(string user) => $"{{\"serviceId\":\"pump-control\",\"userId\":\"{user}\",\"payload\":\"{escaped}\"}}";
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(operators.Http, HttpMethod.Post, "/admin/v1/key-records", Record(users[2]), "application/json", null, null)).Status);
        var import = await SendAsync(operators.Http, HttpMethod.Post, "/admin/v1/key-records/import", Record(users[3]), "application/x-ndjson", null, null);
        Assert.Equal((HttpStatusCode.OK, 1L), (import.Status, (long)import.Json["added"]!));
        foreach (var user in users)
            Assert.Equal(payload, await owner.PayloadAsync(user));
    }

    private static async Task<(HttpStatusCode Status, JsonObject Json, string AcceptEncoding)> SendAsync(HttpClient http, HttpMethod method, string path, string body, string type, string? coding, string? token)
    {
        using var request = new HttpRequestMessage(method, path) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        Assert.True(request.Content.Headers.TryAddWithoutValidation("Content-Type", type));
        if (coding is not null)
            Assert.True(request.Content.Headers.TryAddWithoutValidation("Content-Encoding", coding));
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        return (answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!.AsObject(),
            answer.Headers.TryGetValues("Accept-Encoding", out var accepts) ? string.Join(", ", accepts) : "");
    }

    /// <summary>The first operator at listener mtls.</summary>
    private sealed class OperatorClient : IDisposable
    {
        private readonly System.Security.Cryptography.X509Certificates.X509Certificate2 _certificate;

        public OperatorClient(KeyOwner owner)
        {
            var server = owner.Caller.Server;
            _certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPemFile(server.Folder.AdminPem, server.Folder.AdminKey);
            Http = server.NewClient("mtls", _certificate);
        }

        public HttpClient Http { get; }

        public void Dispose()
        {
            Http.Dispose();
            _certificate.Dispose();
        }
    }
}
