using System.Net;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

[Proves("TS 33.434", "5.2.4")]
[Proves("TS 33.434", "A.4.2.5")]
public class CodeFlowTests
{
    [Fact]
    public async Task A_SEAL_client_gets_ID_token_access_token_and_refresh_token()
    {
        await using var server = await TestServer.StartAsync();
        var flow = new SealFlow(server);
        var user = new SimUser(server);
        var arrival = await user.GoAsync(flow.AuthorizeAddress);
        Assert.Equal(["/login", "/consent"], user.Seen);
        Assert.Equal("state-123", arrival["state"]);
        Assert.Equal(server.Issuer, arrival["iss"]);
        var (status, body, response) = await flow.RedeemAsync(arrival["code"]!);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("bearer", (string)body["token_type"]!);
        Assert.Equal(600, (int)body["expires_in"]!);
        Assert.NotNull(body["id_token"]);
        Assert.NotNull(body["refresh_token"]);
        Assert.True(response.Headers.CacheControl!.NoStore);
    }
}
