using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>SS_UserProfileRetrieval: who reads whose profile.</summary>
[Proves("TS 29.549", "SS_UserProfileRetrieval")]
[Proves("TS 33.434", "4.1")]
public sealed class RetrieveProfilesTests(SealCaller caller) : IClassFixture<SealCaller>
{
    private const string Scope = "seal:user_profile";
    private const string Alice = "valUserId=sip%3Aalice%40val.example";
    private const string AlicesUe = "valUeId=ue-alice-1";

    [Fact]
    public async Task Without_a_token_for_profiles_nothing_is_told()
    {
        var user = await caller.SignInAsync(caller.Host.NewUser(), "openid seal:key_management");
        string?[] tokens = [null, "x", await caller.TokenAsync("seal:key_management"), (string)user["access_token"]!];
        foreach (var token in tokens)
            Assert.StartsWith("Bearer ", (await AskAsync(token, Alice)).Refused(HttpStatusCode.Unauthorized).Headers["WWW-Authenticate"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "val-tgt-ue")]
    [InlineData("?val-service-id=pump-control", "val-tgt-ue")]
    [InlineData("?valUserId=a&valUeId=b", "val-tgt-ue")]
    [InlineData("?val-tgt-ue=%7B%7D", "val-tgt-ue")]
    [InlineData("?val-service-id=a&val-service-id=b&valUserId=a", "val-service-id")]
    public async Task A_query_that_does_not_say_whose_is_400(string query, string param) =>
        (await caller.SendAsync(HttpMethod.Get, SealCaller.Profiles + query, await caller.TokenAsync(Scope))).Refused(HttpStatusCode.BadRequest, param);

    [Fact]
    public async Task A_VAL_server_reads_the_profiles_of_its_own_services_alone()
    {
        var own = await AskAsync(await caller.TokenAsync(Scope), Alice);
        Assert.Equal("""{"displayName":"Alice","groups":["pumps-north"],"priority":5}""", Document(Assert.Single(own.Is(HttpStatusCode.OK).List)!));
        Assert.Equal("sip:alice@val.example", (string)own.List[0]!["valTgtUe"]!["valUserId"]!);
        Assert.Equal(own.Text, (await AskAsync(await caller.TokenAsync(Scope), "val-service-id=pump-control&val-tgt-ue=%7B%22valUserId%22%3A%22sip%3Aalice%40val.example%22%7D")).Text);
        Assert.Contains("Rugged", Document((await AskAsync(await caller.TokenAsync(Scope), AlicesUe)).List.Single()!), StringComparison.Ordinal);

        var fleet = await caller.TokenAsync(Scope, "fleet-server");
        Assert.Equal("""{"depot":"east"}""", Document((await AskAsync(fleet, Alice)).List.Single()!));
        Assert.Empty((await AskAsync(await caller.TokenAsync(Scope, "idle-server"), Alice)).Is(HttpStatusCode.OK).List);
        // The profile is there, nobody is there, the service is not there: the same for who may not ask.
        foreach (var query in (string[])["val-service-id=pump-control&" + Alice, "val-service-id=pump-control&valUserId=nobody", "val-service-id=no-such-service&" + Alice])
            (await AskAsync(fleet, query)).Refused(HttpStatusCode.Forbidden);
        Assert.Empty((await AskAsync(await caller.TokenAsync(Scope), "val-service-id=pump-control&valUserId=nobody")).Is(HttpStatusCode.OK).List);
    }

    [Fact]
    public async Task A_users_client_reads_the_users_own_profiles_and_its_UEs_alone()
    {
        var alice = (string)(await caller.SignInAsync(caller.Host.NewUser(), $"openid {Scope}"))["access_token"]!;
        Assert.Equal(2, (await AskAsync(alice, Alice)).Is(HttpStatusCode.OK).List.Count);
        Assert.Single((await AskAsync(alice, "val-service-id=fleet-tracking&" + Alice)).Is(HttpStatusCode.OK).List);
        Assert.Single((await AskAsync(alice, AlicesUe)).Is(HttpStatusCode.OK).List);
        var bob = (string)(await caller.SignInAsync(caller.Host.NewUser("bob"), $"openid {Scope}"))["access_token"]!;
        foreach (var query in (string[])[Alice, AlicesUe, "val-service-id=pump-control&" + Alice, "valUserId=nobody", "valUeId=sip%3Abob%40val.example"])
            (await AskAsync(bob, query)).Refused(HttpStatusCode.Forbidden);
        (await AskAsync(bob, "val-service-id=fleet-tracking&valUserId=sip%3Abob%40val.example")).Refused(HttpStatusCode.Forbidden);
        Assert.Empty((await AskAsync(bob, "valUserId=sip%3Abob%40val.example")).Is(HttpStatusCode.OK).List);
    }

    [Fact]
    public async Task Who_read_whose_profile_is_in_the_audit()
    {
        await AskAsync(await caller.TokenAsync(Scope), Alice);
        await AskAsync(await caller.TokenAsync(Scope, "fleet-server"), "val-service-id=pump-control&" + Alice);
        await caller.Server.WaitForAsync(async () =>
        {
            var lines = (await AuditText.OfAsync(caller.Host)).Split('\n').Where(l => l.Contains("profile.read", StringComparison.Ordinal) && l.Contains("sip:alice@val.example", StringComparison.Ordinal)).ToList();
            return lines.Exists(l => l.Contains("Granted", StringComparison.Ordinal) && l.Contains("val-server", StringComparison.Ordinal))
                && lines.Exists(l => l.Contains("Refused", StringComparison.Ordinal) && l.Contains("fleet-server", StringComparison.Ordinal));
        });
    }

    [Fact]
    public async Task Who_does_not_accept_JSON_gets_406() =>
        (await caller.SendAsync(HttpMethod.Get, $"{SealCaller.Profiles}?{Alice}", await caller.TokenAsync(Scope), null, "", ("Accept", "text/html"))).Refused(HttpStatusCode.NotAcceptable);

    [Fact]
    public async Task A_profile_of_a_service_that_wants_a_stronger_login_waits_for_one()
    {
        await using var strict = await SealCaller.StartAsync();
        var alice = (string)(await strict.SignInAsync(strict.Host.NewUser(), $"openid {Scope}"))["access_token"]!;
        await strict.ChangeServiceAsync("pump-control", s => s with { AcrValues = [Keyreeve.Core.Policy.AuthenticationClass.TwoFactor] });
        var answer = (await strict.SendAsync(HttpMethod.Get, $"{SealCaller.Profiles}?val-service-id=pump-control&{Alice}", alice)).Refused(HttpStatusCode.Unauthorized);
        Assert.Contains("insufficient_user_authentication", answer.Headers["WWW-Authenticate"], StringComparison.Ordinal);
        Assert.Equal("""{"depot":"east"}""", Document((await strict.SendAsync(HttpMethod.Get, $"{SealCaller.Profiles}?{Alice}", alice)).Is(HttpStatusCode.OK).List.Single()!));
    }

    private Task<ApiAnswer> AskAsync(string? token, string query) => caller.SendAsync(HttpMethod.Get, $"{SealCaller.Profiles}?{query}", token);

    private static string Document(JsonNode profile) => (string)profile["profileInformation"]!;
}
