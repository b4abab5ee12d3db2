using System.Net;
using System.Security.Cryptography;
using Dapper;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Tokens;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Codes and families of the release before: keys that are random from the first octet, and a code's row found by its hash alone.</summary>
[Proves("TS 33.434", "A.4.2.4")]
[Proves("TS 33.434", "A.5")]
public sealed class OlderKeysTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    [Fact]
    public async Task A_code_of_the_release_before_is_redeemed_once_and_its_family_refreshes()
    {
        var flow = server.NewFlow();
        var (code, grant) = await AgeAsync(await flow.CodeAsync());
        var (status, tokens, _) = await flow.RedeemAsync(code);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.StartsWith(grant + ".", (string)tokens["refresh_token"]!, StringComparison.Ordinal);
        var (again, next, _) = await flow.RefreshAsync((string)tokens["refresh_token"]!);
        Assert.Equal(HttpStatusCode.OK, again);

        // It is known when it comes again, and ends what came of it.
        Assert.Equal(HttpStatusCode.BadRequest, (await flow.RedeemAsync(code)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await flow.RefreshAsync((string)next["refresh_token"]!)).Status);
        Assert.False(await server.IsActiveAsync("seal-client", (string)next["access_token"]!));
    }

    [Fact]
    public async Task Of_parallel_redemptions_of_an_older_code_one_succeeds()
    {
        var flow = server.NewFlow();
        var (code, _) = await AgeAsync(await flow.CodeAsync());
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => flow.RedeemAsync(code)));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_code_whose_time_was_changed_is_no_code()
    {
        var flow = server.NewFlow();
        var code = await flow.CodeAsync();
        var octets = System.Buffers.Text.Base64Url.DecodeFromChars(code);
        for (var place = 0; place < 4; place++)
        {
            octets[place] ^= 1;
            Assert.Equal(HttpStatusCode.BadRequest, (await flow.RedeemAsync(System.Buffers.Text.Base64Url.EncodeToString(octets))).Status);
            octets[place] ^= 1;
        }
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code)).Status);
    }

    [Fact]
    public async Task Families_of_both_kinds_are_listed_for_their_user_and_end_with_the_password()
    {
        var browser = await server.AddUserAsync("older-keys");
        var subject = (string)server.Server.User("older-keys")["sub"]!;
        var flow = server.NewFlow();
        var (code, grant) = await AgeAsync(await flow.CodeAsync(browser));
        var tokens = new List<string> { (string)(await flow.RedeemAsync(code)).Body["refresh_token"]!, (string)(await flow.TokensAsync(browser))["refresh_token"]! };
        var listed = await server.Service<IGrantStore>().ListFamiliesAsync(subject, server.Server.Time.GetUtcNow().ToUnixTimeMilliseconds(), CancellationToken.None);
        Assert.Equal(2, listed.Count);
        Assert.Contains(grant, listed.Select(family => family.FamilyId));
        await server.ChangeUserAsync("older-keys", row => row with { SecurityStamp = "changed" });
        foreach (var token in tokens)
            Assert.Equal(HttpStatusCode.BadRequest, (await flow.RefreshAsync(token)).Status);
    }

    /// <summary>Makes a code's row one of the release before; returns the code and the grant it has now.</summary>
    private async Task<(string Code, string Grant)> AgeAsync(string code)
    {
        Assert.True(OpaqueToken.TryRead(code, out var read));
        var grant = System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        Assert.Equal(1, await server.Service<Stores>().Database.WriteAsync(unit => unit.Connection.ExecuteAsync("UPDATE authorization_codes SET hash = @Hash, grant_id = @grant WHERE hash = @Key",
            new { read.Hash, grant, read.Key }, unit.Transaction), CancellationToken.None));
        return (code, grant);
    }
}
