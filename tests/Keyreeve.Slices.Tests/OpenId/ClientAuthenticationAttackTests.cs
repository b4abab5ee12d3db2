using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Clients that are not who they say: secrets.</summary>
[Proves("TS 33.434", "A.4.2.4")]
[Proves("RFC 6749", "2.3")]
[Proves("RFC 6749", "2.3.1")]
[Proves("RFC 6749", "5.2")]
public sealed class ClientAuthenticationAttackTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private static readonly (string, string)[] Machine = [("grant_type", "client_credentials"), ("scope", "val:fleet-tracking")];

    [Fact]
    public async Task A_wrong_secret_an_unknown_client_and_a_wrong_method_get_one_answer()
    {
        await server.AddClientAsync(new() { ClientId = "sleeping", Name = "Disabled", Grants = [GrantType.ClientCredentials], Disabled = true });
        var secret = (string)server.Server.Client("seal-client")["clientSecret"]!;
        Answer[] answers =
        [
            await WithBasicAsync("machine-client", "wrong"),
            await WithBasicAsync("machine-client", ""),
            await WithBasicAsync("machine-client", (string)server.Server.Client("val-server")["clientSecret"]!),
            await WithBasicAsync("nobody", "wrong"),
            await WithBasicAsync("MACHINE-CLIENT", (string)server.Server.Client("machine-client")["clientSecret"]!),
            await WithBasicAsync("sleeping", (string)server.Server.Client("sleeping")["clientSecret"]!),
            await server.PostAsync("/token", null, [.. Machine, ("client_id", "machine-client"), ("client_secret", "wrong")]),
            await server.PostAsync("/token", null, [.. Machine, ("client_id", "nobody"), ("client_secret", "wrong")]),
            // The right secret by a method the client is not registered for.
            await server.PostAsync("/token", null, [.. Machine, ("client_id", "seal-client"), ("client_secret", secret)]),
            // A confidential client that says only its name, and one that says nothing.
            await server.PostAsync("/token", null, [.. Machine, ("client_id", "machine-client")]),
            await server.PostAsync("/token", null, Machine),
        ];
        Assert.All(answers, a => a.AssertError(HttpStatusCode.Unauthorized, "invalid_client"));
        Assert.Single(answers.Select(a => a.Text).Distinct(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("Basic")]
    [InlineData("Basic ")]
    [InlineData("Basic !!!")]
    [InlineData("Basic bm8tY29sb24=")]
    [InlineData("Basic OnNlY3JldA==")]
    [InlineData("Basic bWFjaGluZS1jbGllbnQ6JQ==")]
    [InlineData("Bearer abc")]
    [InlineData("Digest username=x")]
    [InlineData("junk")]
    public async Task An_Authorization_header_that_does_not_read_is_invalid_client(string header)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/token") { Content = new FormUrlEncodedContent(Machine.Select(f => KeyValuePair.Create(f.Item1, f.Item2))) };
        request.Headers.TryAddWithoutValidation("Authorization", header);
        (await server.SendAsync(request)).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
    }

    [Fact]
    public async Task The_scheme_name_is_compared_without_case()
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/token") { Content = new FormUrlEncodedContent(Machine.Select(f => KeyValuePair.Create(f.Item1, f.Item2))) };
        request.Headers.TryAddWithoutValidation("Authorization", "bAsIc " + server.Server.Basic("machine-client").Parameter);
        Assert.Equal(HttpStatusCode.OK, (await server.SendAsync(request)).Status);
    }

    [Fact]
    public async Task Two_methods_in_one_request_are_invalid_request_even_when_both_are_right()
    {
        var secret = (string)server.Server.Client("machine-client")["clientSecret"]!;
        var basic = server.Server.Basic("machine-client");
        Answer[] answers =
        [
            await server.PostAsync("/token", basic, [.. Machine, ("client_id", "machine-client"), ("client_secret", secret)]),
            await server.PostAsync("/token", basic, [.. Machine, ("client_secret", secret)]),
            await server.PostAsync("/token", basic, [.. Machine, ("client_assertion", "x")]),
            await server.PostAsync("/token", null, [.. Machine, ("client_id", "machine-client"), ("client_secret", secret), ("client_assertion_type", "x"), ("client_assertion", "y")]),
        ];
        Assert.All(answers, a => a.AssertError(HttpStatusCode.BadRequest, "invalid_request"));
    }

    [Fact]
    public async Task Another_client_id_in_the_form_than_in_the_header_is_invalid_client()
    {
        (await server.PostAsync("/token", server.Server.Basic("machine-client"), [.. Machine, ("client_id", "val-server")])).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/token", server.Server.Basic("machine-client"), [.. Machine, ("client_id", "machine-client")])).Status);
    }

    [Fact]
    public async Task Identifier_and_secret_are_form_decoded_from_Basic()
    {
        const string id = "odd:client+name %1";
        const string secret = "colon:plus+percent%41 blank and ümlaut, 43 or more";
        await server.AddClientAsync(new() { ClientId = id, Name = "Odd", Grants = [GrantType.ClientCredentials], Scopes = ScopeList.Of(["val:pump-control"]) }, secret);
        var encoded = Convert.ToBase64String(Encoding.ASCII.GetBytes(FormEncode(id) + ":" + FormEncode(secret)));
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/token", new("Basic", encoded), ("grant_type", "client_credentials"))).Status);
        var raw = Convert.ToBase64String(Encoding.UTF8.GetBytes(id + ":" + secret));
        (await server.PostAsync("/token", new("Basic", raw), ("grant_type", "client_credentials"))).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
    }

    [Fact]
    public async Task Two_live_secrets_both_work_and_a_removed_one_does_not()
    {
        var (first, firstText) = ClientSecret.Generate(server.Server.Time.GetUtcNow());
        var (second, secondText) = ClientSecret.Generate(server.Server.Time.GetUtcNow());
        await server.AddClientAsync(new() { ClientId = "rotating", Name = "Rotating", Grants = [GrantType.ClientCredentials], Scopes = ScopeList.Of(["val:fleet-tracking"]) });
        await server.ChangeClientAsync("rotating", c => c with { Secrets = [first, second] });
        Assert.Equal(HttpStatusCode.OK, (await WithBasicAsync("rotating", firstText)).Status);
        Assert.Equal(HttpStatusCode.OK, (await WithBasicAsync("rotating", secondText)).Status);
        await server.ChangeClientAsync("rotating", c => c with { Secrets = [second] });
        Assert.Equal(HttpStatusCode.Unauthorized, (await WithBasicAsync("rotating", firstText)).Status);
        Assert.Equal(HttpStatusCode.OK, (await WithBasicAsync("rotating", secondText)).Status);
    }

    [Fact]
    public async Task Secret_post_works_for_a_client_that_is_registered_for_it()
    {
        var secret = (string)server.Server.Client("machine-client")["clientSecret"]!;
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/token", null, [.. Machine, ("client_id", "machine-client"), ("client_secret", secret)])).Status);
    }

    [Fact]
    public async Task A_public_client_redeems_with_its_name_alone_and_gets_nothing_in_its_own_name()
    {
        await server.AddClientAsync(new()
        {
            ClientId = "public-app",
            Name = "App",
            Profile = ClientProfile.OpenId,
            AuthMethods = [ClientAuthMethod.None],
            RedirectUris = [OpenIdServer.Callback],
            Grants = [GrantType.AuthorizationCode, GrantType.ClientCredentials],
            Scopes = ScopeList.Of(["openid", "val:pump-control"]),
        });
        var flow = server.NewFlow("public-app");
        flow.Parameters["scope"] = "openid";
        var code = await flow.CodeAsync();
        (string, string)[] form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", OpenIdServer.Callback), ("code_verifier", SealFlow.Verifier)];
        // A secret from somebody who can have none is a lie.
        (await server.PostAsync("/token", null, [.. form, ("client_id", "public-app"), ("client_secret", "made-up")])).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/token", null, form)).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        var answer = await server.PostAsync("/token", null, [.. form, ("client_id", "public-app")]);
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Null(answer.Json["refresh_token"]);
        (await server.PostAsync("/token", null, ("grant_type", "client_credentials"), ("client_id", "public-app"))).AssertError(HttpStatusCode.BadRequest, "unauthorized_client");
        (await server.PostAsync("/introspect", null, ("token", (string)answer.Json["access_token"]!), ("client_id", "public-app"))).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
    }

    private static string FormEncode(string text) => Uri.EscapeDataString(text).Replace("%20", "+", StringComparison.Ordinal);

    private Task<Answer> WithBasicAsync(string id, string secret) =>
        server.PostAsync("/token", AuthenticationHeaderValue.Parse(BasicCredentials.Write(id, secret)), Machine);
}
