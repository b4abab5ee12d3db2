using System.Net;
using Keyreeve.AspNetCore;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.AspNetCore;

/// <summary>How a token may come, what is answered, and what endpoints demand (RFC 6750, RFC 9470, RFC 7662).</summary>
public sealed class BearerRulesTests : IAsyncDisposable
{
    private const string Realm = "Bearer realm=\"keyreeve\"";

    private readonly TokenIssuer _issuer = new();

    public ValueTask DisposeAsync() => _issuer.DisposeAsync();

    [Fact]
    [Proves("RFC 6750", "3")]
    [Proves("RFC 6750", "3.1")]
    public async Task Without_a_token_the_challenge_names_no_error()
    {
        await using var server = await ResourceServer.StartAsync(_issuer);
        Assert.Equal((HttpStatusCode.Unauthorized, Realm, ""), await server.GetAsync("/pumps"));
        Assert.Equal((HttpStatusCode.Unauthorized, Realm, ""), await server.GetAsync("/pumps", "Basic YTpi"));
        Assert.Equal((HttpStatusCode.Unauthorized, Realm, ""), await server.GetAsync("/pumps", "Bearerish " + _issuer.Token()));
        Assert.Equal((HttpStatusCode.OK, "", "nobody"), await server.GetAsync("/open"));
        Assert.Equal(0, _issuer.KeyFetches);
    }

    [Theory]
    [InlineData("bearer ")]
    [InlineData("BEARER ")]
    [InlineData("BeArEr   ")]
    public async Task The_scheme_is_read_without_regard_to_case(string scheme)
    {
        await using var server = await ResourceServer.StartAsync(_issuer);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/pumps", scheme + _issuer.Token())).Status);
    }

    [Fact]
    [Proves("TS 33.434", "A.6")]
    [Proves("RFC 6750", "2.1")]
    public async Task A_token_anywhere_else_than_in_one_header_is_refused()
    {
        await using var server = await ResourceServer.StartAsync(_issuer);
        var token = _issuer.Token();
        await MalformedAsync(server, "/pumps?access_token=" + token);
        await MalformedAsync(server, "/pumps?access_token=" + token, "Bearer " + token);
        await MalformedAsync(server, "/pumps", "Bearer " + token, "Bearer " + token);
        await MalformedAsync(server, "/pumps", "Bearer " + token, "Basic YTpi");
        await MalformedAsync(server, "/pumps", "Bearer " + token + ", Bearer " + token);
        await MalformedAsync(server, "/pumps", "Bearer");
        await MalformedAsync(server, "/pumps", "Bearer \"" + token + "\"");
        using var http = server.Client();
        using var form = new FormUrlEncodedContent([new("access_token", token)]);
        using var posted = await http.PostAsync("/pumps", form, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.Unauthorized, Realm), (posted.StatusCode, posted.Headers.WwwAuthenticate.ToString()));
        Assert.Equal(0, _issuer.KeyFetches);
    }

    [Fact]
    public async Task A_token_without_the_scope_is_403_with_the_scope_to_ask_for()
    {
        await using var server = await ResourceServer.StartAsync(_issuer);
        var (status, challenge, _) = await server.GetAsync("/pumps", "Bearer " + _issuer.Token(("scope", "openid val:pump-controls VAL:pump-control")));
        Assert.Equal((HttpStatusCode.Forbidden, Realm + ", error=\"insufficient_scope\", error_description=\"the access token lacks a scope\", scope=\"val:pump-control\""), (status, challenge));
        (status, challenge, _) = await server.GetAsync("/admin", "Bearer " + _issuer.Token());
        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.EndsWith("scope=\"val:pump-control val:pump-admin\"", challenge, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await server.GetAsync("/pumps", "Bearer " + _issuer.Token(("scope", null)))).Status);
    }

    [Theory]
    [InlineData("urn:keyreeve:acr:two-factor", true)]
    [InlineData("phr", true)]
    [InlineData("3gpp:acr:password", false)]
    [InlineData("PHR", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [Proves("RFC 9470", "3")]
    public async Task A_login_that_is_too_weak_is_challenged_for_a_stronger_one(string? acr, bool enough)
    {
        await using var server = await ResourceServer.StartAsync(_issuer);
        var (status, challenge, _) = await server.GetAsync("/strong", "Bearer " + _issuer.Token(("acr", acr)));
        Assert.Equal(enough ? HttpStatusCode.OK : HttpStatusCode.Unauthorized, status);
        if (!enough)
            Assert.Equal(Realm + ", error=\"insufficient_user_authentication\", error_description=\"a stronger or more recent authentication is required\", acr_values=\"urn:keyreeve:acr:two-factor\"", challenge);
    }

    [Theory]
    [InlineData(-65, true)]
    [InlineData(-66, false)]
    [InlineData(null, false)]
    [Proves("RFC 9470", "3")]
    public async Task A_login_that_is_too_old_is_challenged_with_the_age_that_is_wanted(int? ago, bool enough)
    {
        await using var server = await ResourceServer.StartAsync(_issuer);
        var at = ago is { } seconds ? _issuer.Clock.Now.ToUnixTimeSeconds() + seconds : (long?)null;
        var (status, challenge, _) = await server.GetAsync("/recent", "Bearer " + _issuer.Token(("auth_time", at)));
        Assert.Equal(enough ? HttpStatusCode.OK : HttpStatusCode.Unauthorized, status);
        if (!enough)
            Assert.EndsWith("error=\"insufficient_user_authentication\", error_description=\"a stronger or more recent authentication is required\", max_age=\"60\"", challenge, StringComparison.Ordinal);
    }

    [Fact]
    [Proves("RFC 7662", "2.2")]
    public async Task With_introspection_a_revocation_is_seen_when_the_answer_has_aged_and_the_issuer_is_asked_once_meanwhile()
    {
        await using var server = await ResourceServer.StartAsync(_issuer, Introspecting);
        var token = "Bearer " + _issuer.Token();
        await Task.WhenAll(Enumerable.Range(0, 10).Select(async _ => Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/pumps", token)).Status)));
        Assert.Equal(1, _issuer.Introspections);
        _issuer.Active = false;
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/pumps", token)).Status);
        _issuer.Clock.Now += TimeSpan.FromSeconds(10);
        var (status, challenge, _) = await server.GetAsync("/pumps", token);
        Assert.Equal(HttpStatusCode.Unauthorized, status);
        Assert.EndsWith("error=\"invalid_token\", error_description=\"the access token was revoked\"", challenge, StringComparison.Ordinal);
        // A token that fails by itself is not worth a question.
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/pumps", "Bearer " + _issuer.Token(("aud", "https://other.example")))).Status);
        Assert.Equal(2, _issuer.Introspections);
    }

    [Fact]
    public async Task With_introspection_an_issuer_that_cannot_answer_is_503_and_the_token_is_not_taken()
    {
        await using var server = await ResourceServer.StartAsync(_issuer, Introspecting);
        _issuer.Away.Add("/introspect");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.GetAsync("/pumps", "Bearer " + _issuer.Token())).Status);
        _issuer.Away.Clear();
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/pumps", "Bearer " + _issuer.Token())).Status);
    }

    public static TheoryData<Action<KeyreeveTokenOptions>> Mistakes => new()
    {
        o => o.Issuer = "",
        o => o.Issuer = "http://localhost",
        o => o.Issuer = "https://localhost/?x=1",
        o => o.Audience = "",
        o => o.RootsPem = "",
        o => o.RootsPem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        o => o.Leeway = TimeSpan.FromSeconds(31),
        o => o.Leeway = TimeSpan.FromSeconds(-1),
        o => o.Introspect = true,
        o => (o.Introspect, o.ClientId) = (true, "val-server"),
        o => { Introspecting(o); o.IntrospectionSeconds = 301; },
    };

    [Theory]
    [MemberData(nameof(Mistakes), DisableDiscoveryEnumeration = true)]
    public async Task A_mistake_in_the_options_stops_the_start(Action<KeyreeveTokenOptions> mistake)
    {
        var stop = await Record.ExceptionAsync(() => ResourceServer.StartAsync(_issuer, mistake));
        Assert.True(stop is ArgumentException or InvalidOperationException, stop?.ToString() ?? "it started");
    }

    private static void Introspecting(KeyreeveTokenOptions options) => (options.Introspect, options.ClientId, options.ClientSecret) = (true, "val-server", "the secret");

    private static async Task MalformedAsync(ResourceServer server, string path, params string[] headers)
    {
        var (status, challenge, _) = await server.GetAsync(path, headers);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.StartsWith(Realm + ", error=\"invalid_request\"", challenge, StringComparison.Ordinal);
    }
}
