using System.Net;
using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.Web.Login;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>Authorization requests that the client hands over itself: what it may push, and what a browser can make of the reference.</summary>
[Proves("RFC 9126", "2")]
public sealed class PushedRequestTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Prefix = "urn:ietf:params:oauth:request_uri:";

    [Fact]
    [Proves("RFC 9126", "2.2")]
    public async Task A_pushed_request_leads_to_tokens_and_nothing_of_it_goes_through_the_browser()
    {
        var flow = server.NewFlow();
        var answer = await PushAsync(flow);
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        Assert.True(answer.Response.Headers.CacheControl!.NoStore);
        Assert.Equal("application/json", answer.Response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(["request_uri", "expires_in"], answer.Json.Select(m => m.Key));
        Assert.Equal(90, (int)answer.Json["expires_in"]!);
        var reference = (string)answer.Json["request_uri"]!;
        Assert.Matches("^urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]{43,}$", reference);
        var inside = Encoding.Latin1.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(reference.AsSpan(Prefix.Length)));
        foreach (var secret in (string[])["state-123", "nonce-456", "pump-control", "seal-client", (string)server.Server.Client("seal-client")["clientSecret"]!])
            Assert.DoesNotContain(secret, inside, StringComparison.Ordinal);
        Assert.NotEqual(reference, await ReferenceAsync(flow));

        var arrival = await server.NewUser().GoAsync(Address("seal-client", reference));
        Assert.Equal(("state-123", server.Issuer), (arrival["state"], arrival["iss"]));
        var (status, body, _) = await flow.RedeemAsync(arrival["code"]!);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("nonce-456", (string)OpenIdServer.ClaimsOf((string)body["id_token"]!)["nonce"]!);
    }

    [Theory]
    [InlineData("code_challenge", null, "invalid_request")]
    [InlineData("code_challenge", "short", "invalid_request")]
    [InlineData("code_challenge_method", "plain", "invalid_request")]
    [InlineData("code_challenge_method", null, "invalid_request")]
    [InlineData("state", null, "invalid_request")]
    [InlineData("acr_values", null, "invalid_request")]
    [InlineData("acr_values", "urn:unknown", "unmet_authentication_requirements")]
    [InlineData("redirect_uri", null, "invalid_request")]
    [InlineData("redirect_uri", "https://attacker.example/cb", "invalid_request")]
    [InlineData("redirect_uri", "http://127.0.0.1:8400/callback/../callback", "invalid_request")]
    [InlineData("response_type", "token", "unsupported_response_type")]
    [InlineData("response_type", null, "invalid_request")]
    [InlineData("response_mode", "fragment", "invalid_request")]
    [InlineData("scope", null, "invalid_request")]
    [InlineData("scope", "val:pump-control", "invalid_scope")]
    [InlineData("scope", "openid keyreeve.admin", "invalid_scope")]
    [InlineData("prompt", "none login", "invalid_request")]
    [InlineData("max_age", "-1", "invalid_request")]
    [InlineData("claims", "{", "invalid_request")]
    [InlineData("id_token_hint", "a.b.c", "invalid_request")]
    [InlineData("resource", "https://elsewhere.example", "invalid_target")]
    [InlineData("request", "e30.e30.", "request_not_supported")]
    [InlineData("registration", "{}", "registration_not_supported")]
    [InlineData("request_uri", "https://client.example/request.jwt", "invalid_request")]
    [InlineData("request_uri", "urn:ietf:params:oauth:request_uri:AAAA", "invalid_request")]
    [Proves("RFC 9126", "2.1")]
    [Proves("RFC 9126", "2.3")]
    public async Task What_the_authorization_endpoint_would_refuse_is_refused_at_once(string name, string? value, string error)
    {
        var flow = server.NewFlow();
        flow.Parameters.Remove(name);
        if (value is not null)
            flow.Parameters[name] = value;
        (await PushAsync(flow)).AssertError(HttpStatusCode.BadRequest, error);
    }

    [Fact]
    public async Task A_repeated_parameter_is_refused_and_so_are_parameters_in_the_query()
    {
        var form = Form(server.NewFlow());
        (await server.PostAsync("/par", server.Server.Basic("seal-client"), [.. form, ("state", "other")])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await server.PostAsync("/par?state=x", server.Server.Basic("seal-client"), form)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await server.PostAsync("/par", server.Server.Basic("machine-client"), [.. form.Where(f => f.Name != "client_id")])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task Only_a_client_that_proves_itself_pushes_and_only_its_own_request()
    {
        var form = Form(server.NewFlow());
        (await server.PostAsync("/par", null, form)).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/par", new("Basic", "c2VhbC1jbGllbnQ6d3Jvbmc="), form)).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/par", server.Server.Basic("openid-client"), form)).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/par", server.Server.Basic("seal-client"), [.. form, ("client_secret", "x")])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task It_is_posted_to_on_both_listeners_and_never_got()
    {
        foreach (var listener in (string[])["https", "mtls"])
        {
            using var http = server.Server.NewClient(listener);
            foreach (var method in (string[])["GET", "PUT", "DELETE"])
            {
                var refused = await http.SendAsync(new(new(method), "/par"));
                Assert.Equal(HttpStatusCode.MethodNotAllowed, refused.StatusCode);
                Assert.Equal("POST", refused.Content.Headers.Allow.Single());
            }
            var request = new HttpRequestMessage(HttpMethod.Post, "/par") { Content = new FormUrlEncodedContent(server.NewFlow().Parameters), Headers = { Authorization = server.Server.Basic("seal-client") } };
            Assert.Equal(HttpStatusCode.Created, (await http.SendAsync(request)).StatusCode);
        }
    }

    [Fact]
    [Proves("RFC 9126", "4")]
    public async Task Whatever_stands_beside_the_reference_changes_nothing()
    {
        var flow = server.NewFlow();
        flow.Parameters["scope"] = "openid val:pump-control";
        var arrival = await server.NewUser().GoAsync(Address("seal-client", await ReferenceAsync(flow))
            + "&redirect_uri=https%3A%2F%2Fattacker.example&state=evil&state=evil2&scope=openid+seal:key_management&response_type=token&response_mode=form_post&prompt=none&nonce=evil&request=x&code_challenge=evil&resource=x");
        Assert.StartsWith("http://127.0.0.1:8400/callback?", arrival.Location, StringComparison.Ordinal);
        Assert.Equal("state-123", arrival["state"]);
        var (status, body, _) = await flow.RedeemAsync(arrival["code"]!);
        Assert.Equal((HttpStatusCode.OK, "openid val:pump-control"), (status, (string)body["scope"]!));
    }

    [Fact]
    public async Task A_reference_that_is_not_this_clients_own_is_an_error_page_and_leads_nowhere()
    {
        var reference = await ReferenceAsync(server.NewFlow());
        var good = Address("seal-client", reference);
        string[] bad =
        [
            Address("openid-client", reference),
            "/authorize?request_uri=" + Uri.EscapeDataString(reference),
            good + "&client_id=openid-client",
            good + "&request_uri=" + Uri.EscapeDataString(reference),
            Address("seal-client", reference[..^1]),
            Address("seal-client", reference + "A"),
            Address("seal-client", reference + "="),
            Address("seal-client", reference[..60] + (reference[60] == 'A' ? 'B' : 'A') + reference[61..]),
            Address("seal-client", Prefix),
            Address("seal-client", Prefix + new string('A', 43)),
            Address("seal-client", Prefix + "漢字"),
        ];
        foreach (var address in bad)
            await AssertPageAsync(await server.GetRawAsync(address));
        // All of that used nothing up.
        Assert.NotNull((await server.NewUser().GoAsync(good))["code"]);
    }

    [Fact]
    public async Task Another_sites_reference_stays_what_it_was_a_parameter_that_is_not_supported()
    {
        var flow = server.NewFlow();
        foreach (var other in (string[])["https://client.example/r.jwt", "URN:IETF:params:oauth:request_uri:AAAA", "urn:ietf:params:oauth:request_ur"])
        {
            flow.Parameters["request_uri"] = other;
            Assert.Equal("request_uri_not_supported", (await server.GetAsync(flow.AuthorizeAddress))["error"]);
        }
    }

    [Fact]
    [Proves("RFC 9126", "4")]
    public async Task It_may_be_looked_at_again_and_is_used_up_by_its_answer()
    {
        var flow = server.NewFlow();
        var address = Address("seal-client", await ReferenceAsync(flow));
        var user = server.NewUser();
        var visit = await new LoginVisit(server, user).GetAsync(address);
        Assert.True(visit.AsksPassword);
        Assert.True((await visit.GetAsync(visit.Address)).AsksPassword);
        Assert.True((await visit.GetAsync(address)).AsksPassword);
        await visit.SendPasswordAsync("alice");
        await visit.AllowIfAskedAsync();
        Assert.NotNull(visit["code"]);
        // The person is signed in and has consented: nothing but the mark stands in the way of a second code.
        await AssertPageAsync(await AnswerAsync(await user.GetAsync(address)));
        var other = await new LoginVisit(server, server.NewUser("bob")).GetAsync(address);
        Assert.False(other.AsksPassword);
        Assert.Equal(HttpStatusCode.BadRequest, other.Response.StatusCode);
    }

    [Fact]
    public async Task Two_browsers_that_came_in_time_get_one_code_between_them()
    {
        var flow = server.NewFlow();
        var address = Address("seal-client", await ReferenceAsync(flow));
        var one = await new LoginVisit(server, server.NewUser()).GetAsync(address);
        var two = await new LoginVisit(server, server.NewUser("bob")).GetAsync(address);
        await (await one.SendPasswordAsync("alice")).AllowIfAskedAsync();
        await two.SendPasswordAsync("bob");
        Assert.NotNull(one["code"]);
        Assert.Null(two.Location);
        Assert.Equal(HttpStatusCode.BadRequest, two.Response.StatusCode);
    }

    [Fact]
    public async Task Of_many_at_once_one_gets_the_code()
    {
        var flow = server.NewFlow();
        var user = await server.AddUserAsync("hurried");
        await flow.TokensAsync(user);
        for (var round = 0; round < 5; round++)
        {
            var address = Address("seal-client", await ReferenceAsync(flow));
            var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ => await AnswerAsync(await user.GetAsync(address))));
            Assert.Single(answers, a => a.Status == HttpStatusCode.SeeOther && a["code"] is not null);
            Assert.Equal(7, answers.Count(a => a.Status == HttpStatusCode.BadRequest));
        }
    }

    [Fact]
    public async Task A_no_of_the_person_is_an_answer_too()
    {
        var user = await server.AddUserAsync("unwilling");
        user.ConsentDecision = "deny";
        var address = Address("seal-client", await ReferenceAsync(server.NewFlow()));
        Assert.Equal("access_denied", (await user.GoAsync(address))["error"]);
        await AssertPageAsync(await AnswerAsync(await user.GetAsync(address)));
    }

    [Fact]
    public async Task Who_came_within_its_ninety_seconds_may_take_the_time_of_a_login()
    {
        await using var own = await OpenIdServer.StartAsync();
        own.Server.Time.StandStill();
        var flow = own.NewFlow();
        var reference = (string)(await own.PostAsync("/par", own.Server.Basic("seal-client"), Form(flow))).Json["request_uri"]!;
        own.Server.Time.Advance(TimeSpan.FromSeconds(89));
        var visit = await new LoginVisit(own, own.NewUser()).GetAsync(Address("seal-client", reference));
        own.Server.Time.Advance(TimeSpan.FromSeconds(1));
        await AssertPageAsync(await own.GetAsync(Address("seal-client", reference)));
        own.Server.Time.Advance(TimeSpan.FromMinutes(20));
        await (await visit.SendPasswordAsync("alice")).AllowIfAskedAsync();
        Assert.NotNull(visit["code"]);
    }

    [Fact]
    public async Task A_post_to_the_authorization_endpoint_may_carry_the_reference()
    {
        var flow = server.NewFlow();
        var reference = await ReferenceAsync(flow);
        var user = server.NewUser();
        var begun = await user.PostAsync("/authorize", new Dictionary<string, string> { ["client_id"] = "seal-client", ["request_uri"] = reference, ["state"] = "evil" });
        Assert.Equal(HttpStatusCode.SeeOther, begun.StatusCode);
        var arrival = await user.GoAsync(begun.Headers.Location!.OriginalString);
        Assert.Equal("state-123", arrival["state"]);
        Assert.NotNull(arrival["code"]);
        await AssertPageAsync(await server.PostAsync("/authorize", null, ("client_id", "openid-client"), ("request_uri", reference)));
    }

    [Fact]
    [Proves("RFC 9126", "6")]
    public async Task A_client_registered_so_has_to_push()
    {
        await server.AddClientAsync((await server.Service<IDirectory>().FindClientAsync("seal-client", CancellationToken.None))! with { ClientId = "pusher", RequirePushedRequests = true, Version = 0 });
        var flow = server.NewFlow("pusher");
        var refused = await server.GetAsync(flow.AuthorizeAddress);
        Assert.Equal(("invalid_request", "state-123", server.Issuer), (refused["error"], refused["state"], refused["iss"]));
        Assert.NotNull((await server.NewUser().GoAsync(Address("pusher", await ReferenceAsync(flow, "pusher"))))["code"]);
    }

    [Fact]
    public async Task A_client_that_was_switched_off_meanwhile_gets_no_answer()
    {
        await server.AddClientAsync((await server.Service<IDirectory>().FindClientAsync("seal-client", CancellationToken.None))! with { ClientId = "fading", Version = 0 });
        var reference = await ReferenceAsync(server.NewFlow("fading"), "fading");
        await server.ChangeClientAsync("fading", c => c with { Disabled = true });
        await AssertPageAsync(await server.GetAsync(Address("fading", reference)));
    }

    [Fact]
    public async Task The_largest_request_that_is_taken_comes_through_and_a_larger_one_is_413()
    {
        var flow = server.NewFlow("openid-client");
        flow.Parameters["scope"] = "openid";
        flow.Parameters["state"] = new string('s', OAuthLimits.MaxState);
        flow.Parameters["x"] = "";
        var length = OpenIdServer.Query(flow.Parameters).Length - "/authorize?".Length;
        flow.Parameters["x"] = new string('x', 8 * 1024 - length);
        var arrival = await server.NewUser().GoAsync(Address("openid-client", await ReferenceAsync(flow, "openid-client")));
        Assert.Equal(flow.Parameters["state"], arrival["state"]);
        Assert.NotNull(arrival["code"]);
        flow.Parameters["x"] += "x";
        (await PushAsync(flow, "openid-client")).AssertError(HttpStatusCode.RequestEntityTooLarge, "invalid_request");
        flow.Parameters["x"] = new string('x', OAuthLimits.MaxBody);
        (await PushAsync(flow, "openid-client")).AssertError(HttpStatusCode.RequestEntityTooLarge, "invalid_request");
    }

    [Fact]
    public async Task Pushing_is_within_the_rate_of_the_client_and_writes_nothing()
    {
        await using var own = await OpenIdServer.StartAsync("Limits:PerClient=3/min burst 3");
        var before = await own.TracesAsync();
        for (var i = 0; i < 3; i++)
            Assert.Equal(HttpStatusCode.Created, (await own.PostAsync("/par", own.Server.Basic("seal-client"), Form(own.NewFlow()))).Status);
        var tooMany = await own.PostAsync("/par", own.Server.Basic("seal-client"), Form(own.NewFlow()));
        Assert.Equal(HttpStatusCode.TooManyRequests, tooMany.Status);
        Assert.NotNull(tooMany.Response.Headers.RetryAfter);
        Assert.Equal(before, await own.TracesAsync());
    }

    [Fact]
    public async Task A_public_client_may_push_and_the_metadata_says_where()
    {
        await server.AddClientAsync(new Client
        {
            ClientId = "app",
            Name = "App",
            Profile = ClientProfile.OpenId,
            AuthMethods = [ClientAuthMethod.None],
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["openid"]),
        });
        var flow = server.NewFlow("app");
        flow.Parameters["scope"] = "openid";
        var answer = await server.PostAsync("/par", null, Form(flow));
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        Assert.NotNull((await server.NewUser().GoAsync(Address("app", (string)answer.Json["request_uri"]!)))["code"]);
        var metadata = (await server.GetAsync("/.well-known/openid-configuration")).Json;
        Assert.Equal(server.Issuer + "/par", (string)metadata["pushed_authorization_request_endpoint"]!);
        Assert.False((bool)metadata["require_pushed_authorization_requests"]!);
        Assert.EndsWith("/par", (string)metadata["mtls_endpoint_aliases"]!["pushed_authorization_request_endpoint"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_one_node_took_another_answers_once()
    {
        var postgres = await TestPostgres.SharedAsync();
        var database = await postgres.NewDatabaseAsync();
        await using (var one = await TestServer.StartAsync("Storage:Connection=" + database, "Node=one"))
        await using (var two = await TestServer.StartBesideAsync(one, "Storage:Connection=" + database, "Node=two"))
        {
            var flow = new SealFlow(one);
            var (status, body, _) = await flow.PostAsync("/par", flow.Parameters);
            Assert.Equal(HttpStatusCode.Created, status);
            var address = Address("seal-client", (string)body["request_uri"]!);
            Assert.NotNull((await new SimUser(two).GoAsync(address))["code"]);
            foreach (var node in (TestServer[])[one, two])
                Assert.Equal(HttpStatusCode.BadRequest, (await new SimUser(node).GetAsync(address)).StatusCode);
        }
        await postgres.DropAsync(database);
    }

    private static string Address(string clientId, string reference) => $"/authorize?client_id={clientId}&request_uri={Uri.EscapeDataString(reference)}";

    private static (string Name, string Value)[] Form(SealFlow flow) => [.. flow.Parameters.Select(p => (p.Key, p.Value))];

    private Task<Answer> PushAsync(SealFlow flow, string clientId = "seal-client") => server.PostAsync("/par", server.Server.Basic(clientId), Form(flow));

    private async Task<string> ReferenceAsync(SealFlow flow, string clientId = "seal-client")
    {
        var answer = await PushAsync(flow, clientId);
        Assert.True(answer.Status == HttpStatusCode.Created, answer.Text);
        return (string)answer.Json["request_uri"]!;
    }

    private static async Task<Answer> AnswerAsync(HttpResponseMessage response) => new(response, await response.Content.ReadAsStringAsync());

    /// <summary>A page for the person, and no way to anywhere.</summary>
    private static Task AssertPageAsync(Answer answer)
    {
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal("text/html", answer.Response.Content.Headers.ContentType!.MediaType);
        Assert.Null(answer.Location);
        Assert.DoesNotContain("<form", answer.Text, StringComparison.Ordinal);
        return Task.CompletedTask;
    }
}
