using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Keyreeve.Engines.Tls;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Web.Limits;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Limits;

/// <summary>Who asks too much waits, and only he.</summary>
[Proves("RFC 6819", "5.1.4.2.2")]
public sealed class RequestLimitTests
{
    private static readonly (string, string)[] Machine = [("grant_type", "client_credentials"), ("scope", "val:fleet-tracking")];

    [Fact]
    public async Task Guessing_a_secret_ends_in_429_for_the_guesser_and_not_for_the_client()
    {
        await using var server = await OpenIdServer.StartAsync("Limits:FailuresPerClient=1/min burst 5");
        using var elsewhere = From(server, IPAddress.Parse("127.0.0.2"));
        for (var i = 0; i < 5; i++)
            (await server.PostAsync("/token", Basic("machine-client", $"guess {i}"), Machine)).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        // The right secret is not even looked at any more.
        foreach (var path in (string[])["/token", "/introspect", "/revoke"])
        {
            var answer = await server.PostAsync(path, server.Server.Basic("machine-client"), [.. Machine, ("token", "x")]);
            answer.AssertError(HttpStatusCode.TooManyRequests, "temporarily_unavailable");
            Assert.InRange(answer.Response.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(6));
        }
        // An unknown client is treated alike: who waits learns nothing of it.
        for (var i = 0; i < 5; i++)
            (await server.PostAsync("/token", Basic("nobody", "x"), Machine)).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/token", Basic("nobody", "x"), Machine)).AssertError(HttpStatusCode.TooManyRequests, "temporarily_unavailable");
        // The client itself, from where it lives, and other clients from the guesser's address go on.
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(elsewhere, server.Server.Basic("machine-client")));
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/introspect", server.Server.Basic("val-server"), ("token", "x"))).Status);
    }

    [Fact]
    public async Task Guessing_under_many_names_ends_in_429_for_the_source()
    {
        await using var server = await OpenIdServer.StartAsync("Limits:FailuresPerSource=1/min burst 10");
        for (var i = 0; i < 10; i++)
            (await server.PostAsync("/token", Basic($"client-{i}", "x"), Machine)).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/token", server.Server.Basic("machine-client"), Machine)).AssertError(HttpStatusCode.TooManyRequests, "temporarily_unavailable");
        using var elsewhere = From(server, IPAddress.Parse("127.0.0.2"));
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(elsewhere, server.Server.Basic("machine-client")));
    }

    [Theory]
    [InlineData("authorization_code", "code")]
    [InlineData("refresh_token", "refresh_token")]
    public async Task Guessing_codes_and_refresh_tokens_counts_too(string grant, string parameter)
    {
        await using var server = await OpenIdServer.StartAsync("Limits:FailuresPerClient=1/min burst 3");
        (string, string)[] guess = [("grant_type", grant), (parameter, new string('A', 43)), ("redirect_uri", OpenIdServer.Callback), ("code_verifier", SealFlow.Verifier), ("client_id", "seal-client")];
        for (var i = 0; i < 3; i++)
            (await server.PostAsync("/token", server.Server.Basic("seal-client"), guess)).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
        (await server.PostAsync("/token", server.Server.Basic("seal-client"), guess)).AssertError(HttpStatusCode.TooManyRequests, "temporarily_unavailable");
    }

    [Fact]
    public async Task One_busy_client_is_held_to_its_rate_wherever_it_asks_from()
    {
        await using var server = await OpenIdServer.StartAsync("Limits:PerClient=1/min burst 10");
        using var elsewhere = From(server, IPAddress.Parse("127.0.0.2"));
        for (var i = 0; i < 10; i++)
            Assert.Equal(HttpStatusCode.OK, await TokenAsync(i % 2 == 0 ? server.Http : elsewhere, server.Server.Basic("machine-client")));
        Assert.Equal(HttpStatusCode.TooManyRequests, await TokenAsync(server.Http, server.Server.Basic("machine-client")));
        Assert.Equal(HttpStatusCode.TooManyRequests, await TokenAsync(elsewhere, server.Server.Basic("machine-client")));
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/introspect", server.Server.Basic("val-server"), ("token", "x"))).Status);
    }

    [Fact]
    public async Task One_busy_source_is_held_to_its_rate_before_its_body_is_read()
    {
        await using var server = await OpenIdServer.StartAsync("Limits:PerSource=1/min burst 3");
        for (var i = 0; i < 3; i++)
            Assert.Equal(HttpStatusCode.OK, await TokenAsync(server.Http, server.Server.Basic("machine-client")));
        (await server.PostAsync("/token", null, ("junk", "x"))).AssertError(HttpStatusCode.TooManyRequests, "temporarily_unavailable");
        using var elsewhere = From(server, IPAddress.Parse("127.0.0.2"));
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(elsewhere, server.Server.Basic("machine-client")));
    }

    [Fact]
    public async Task Login_attempts_of_one_source_end_in_a_page_that_says_so()
    {
        await using var server = await OpenIdServer.StartAsync("Limits:LoginsPerSource=1/min burst 4");
        var user = server.NewUser();
        var first = await user.GetAsync(server.NewFlow().AuthorizeAddress);
        var page = await user.GetAsync(first.Headers.Location!.OriginalString);
        var form = SimUser.Form(await page.Content.ReadAsStringAsync())!;
        for (var i = 0; i < 4; i++)
        {
            // Another name each time: no account is locked by it.
            (form["username"], form["password"]) = ($"name {i}", "x");
            Assert.Equal(HttpStatusCode.OK, (await user.PostAsync("/login", form)).StatusCode);
        }
        (form["username"], form["password"]) = ("alice", user.Password);
        var refused = await user.PostAsync("/login", form);
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter?.Delta);
        Assert.Contains("Too many tries", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("192.0.2.7", "192.0.2.7")]
    [InlineData("::ffff:192.0.2.7", "192.0.2.7")]
    [InlineData("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64")]
    [InlineData("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64")]
    public void The_first_64_bits_of_an_IPv6_address_are_the_source(string address, string source) =>
        Assert.Equal(source, RequestLimits.SourceOf(IPAddress.Parse(address)));

    private static AuthenticationHeaderValue Basic(string clientId, string secret) => AuthenticationHeaderValue.Parse(BasicCredentials.Write(clientId, secret));

    private static async Task<HttpStatusCode> TokenAsync(HttpClient http, AuthenticationHeaderValue client)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/token") { Content = new FormUrlEncodedContent(Machine.Select(f => KeyValuePair.Create(f.Item1, f.Item2))) };
        request.Headers.Authorization = client;
        return (await http.SendAsync(request)).StatusCode;
    }

    /// <summary>A client at another address of this machine: all of 127.0.0.0/8 is ours.</summary>
    private static HttpClient From(OpenIdServer server, IPAddress address)
    {
        var roots = new System.Security.Cryptography.X509Certificates.X509Certificate2Collection();
        roots.ImportFromPemFile(server.Server.Folder.CaPem);
        var handler = TlsProfile.CreateHandler(roots, null);
        handler.ConnectCallback = async (_, cancel) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, 0));
            await socket.ConnectAsync(server.Server.Server.EndPoints["https"], cancel);
            return new NetworkStream(socket, ownsSocket: true);
        };
        return new HttpClient(handler) { BaseAddress = server.Http.BaseAddress };
    }
}
