using System.Globalization;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>"authenticate all VAL users" (4.1): whoever reads the audit finds beside every token of a user how and when the user authenticated.</summary>
[Proves("TS 33.434", "4.1")]
public sealed class AuthenticationEventTests(ExchangeWorld world) : IClassFixture<ExchangeWorld>
{
    [Fact]
    public async Task Every_token_of_a_user_has_its_authentication_in_the_audit()
    {
        var tokens = await world.TokensAsync("openid val:pump-control val:fleet-tracking");
        var access = (string)tokens["access_token"]!;
        var claims = OpenIdServer.ClaimsOf(access);
        var known = string.Create(CultureInfo.InvariantCulture, $" acr {Core.Tokens.Authentication.AcrPassword} auth_time {(long)claims["auth_time"]!}");
        // What follows is issued later than the login: its own time would be another one.
        world.Server.Server.Time.Advance(TimeSpan.FromSeconds(90));
        var refreshed = await world.Server.PostAsync("/token", world.Server.Server.Basic("front"), ("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!));
        Assert.Equal((long)claims["auth_time"]!, (long)OpenIdServer.ClaimsOf((string)refreshed.Json["access_token"]!)["auth_time"]!);
        ExchangeWorld.Granted(await world.ExchangeAsync("pump", access));
        ExchangeWorld.Granted(await world.ExchangeAsync("front", ExchangeWorld.IdToken, (string)tokens["id_token"]!, []));

        var subject = (string)claims["sub"]!;
        Assert.EndsWith(known, Assert.Single(await DetailsAsync("token.authorization_code", subject, 1)), StringComparison.Ordinal);
        Assert.EndsWith(known, Assert.Single(await DetailsAsync("token.refresh_token", subject, 1)), StringComparison.Ordinal);
        Assert.All(await DetailsAsync("token.exchange", subject, 2), d => Assert.EndsWith(known, d, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_partners_user_has_what_the_partner_says_and_what_it_counts_as_here()
    {
        var (now, pump) = (world.Server.Server.Time.GetUtcNow(), ("scope", "val:pump-control"));
        var (said, silent) = (world.Partner.Claims(world.Issuer, now), world.Partner.Claims(world.Issuer, now));
        (said["sub"], said["auth_time"], said["acr"], silent["sub"]) = ("dora", 1_700_000_000, "phr", "erwin");
        ExchangeWorld.Granted(await world.AssertAsync("pump", world.Partner.Sign(said), pump));
        ExchangeWorld.Granted(await world.AssertAsync("pump", world.Partner.Sign(silent), pump));
        ExchangeWorld.Granted(await world.ExchangeAsync("pump", ExchangeWorld.Jwt, world.Partner.Sign(said), [pump]));

        foreach (var kind in (string[])["token.jwt_bearer", "token.exchange"])
            Assert.EndsWith(" acr 3gpp:acr:password auth_time 1700000000", Assert.Single(await DetailsAsync(kind, "https://sim.partner.example|dora", 1)), StringComparison.Ordinal);
        Assert.EndsWith(" acr 3gpp:acr:password auth_time -", Assert.Single(await DetailsAsync("token.jwt_bearer", "https://sim.partner.example|erwin", 1)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_clients_own_token_has_none()
    {
        var own = await world.ClientTokenAsync("pump", "val:pump-control");
        ExchangeWorld.Granted(await world.ExchangeAsync("pump", own));
        foreach (var kind in (string[])["token.client_credentials", "token.exchange"])
            Assert.DoesNotContain("auth_time", Assert.Single(await DetailsAsync(kind, "pump", 1)), StringComparison.Ordinal);
    }

    /// <summary>The details of what was granted about a subject, when there are as many lines as that: some are written behind the answer.</summary>
    private async Task<List<string>> DetailsAsync(string kind, string subject, int count)
    {
        var details = new List<string>();
        await world.Server.Server.WaitForAsync(async () =>
        {
            var audit = world.Server.Service<IAuditStore>();
            details.Clear();
            foreach (var (node, _, _) in await audit.HeadsAsync(CancellationToken.None))
                foreach (var line in (await audit.ReadAsync(node, 0, 100_000, CancellationToken.None)).Select(l => JsonNode.Parse(l.Json)!))
                    if (((string?)line["kind"], (string?)line["subject"], (string?)line["outcome"]) == (kind, subject, "Granted"))
                        details.Add((string)line["detail"]!);
            return details.Count >= count;
        });
        return details;
    }
}
