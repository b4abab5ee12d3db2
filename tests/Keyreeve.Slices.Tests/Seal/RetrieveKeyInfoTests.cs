using System.Buffers.Text;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>SS_KeyInfoRetrieval as a VAL server, and as those who would like to be one, see it.</summary>
[Proves("TS 29.549", "SS_KeyInfoRetrieval")]
public sealed class RetrieveKeyInfoTests(SealCaller caller) : IClassFixture<SealCaller>
{
    private const string Alice = "sip:alice@val.example";

    private const string Scope = "seal:key_management";

    public static TheoryData<string> BadQueries =>
    [
        "val-service-id=pump-control&valUserId=a&valUeId=b",
        "val-service-id=pump-control&val-tgt-ue=" + Uri.EscapeDataString("""{"valUserId":"a","valUeId":"b"}"""),
        "val-service-id=pump-control&val-tgt-ue=" + Uri.EscapeDataString("""{"valUserId":"a"}""") + "&valUserId=a",
        "val-service-id=pump-control&val-tgt-ue=" + Uri.EscapeDataString("""{"valUserId":"a","valUserId":"b"}"""),
        "val-service-id=pump-control&val-tgt-ue=%7B%7D",
        "val-service-id=pump-control&val-tgt-ue=%5B%5D",
        "val-service-id=pump-control&val-tgt-ue=alice",
        "val-service-id=pump-control&val-tgt-ue=%7B",
        "val-service-id=pump-control&val-tgt-ue=" + Uri.EscapeDataString("""{"valUserId":7}"""),
        "val-service-id=pump-control&val-tgt-ue=" + Uri.EscapeDataString("""{"valUserId":""}"""),
        "val-service-id=pump-control&val-tgt-ue=" + Uri.EscapeDataString("""{"valUserId":"\ud800"}"""),
        "val-service-id=pump-control&valUserId=" + new string('a', 256),
        "val-service-id=pump-control&valUserId=a&valUserId=b",
        "val-service-id=pump-control&val-tgt-ue=" + Uri.EscapeDataString("""{"valUserId":"a","x":""" + new string('[', 40) + new string(']', 40) + "}"),
    ];

    [Theory]
    [MemberData(nameof(BadQueries))]
    public async Task A_target_that_is_not_exactly_one_VAL_user_or_VAL_UE_is_400_with_its_name(string query)
    {
        var answer = await caller.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?{query}", await caller.TokenAsync(Scope));
        answer.Is(HttpStatusCode.BadRequest);
        Assert.Equal(("REQUEST_MALFORMED", "04"), (answer.Cause, (string?)answer.Json["errorCode"]));
        Assert.Contains(answer.Param, (string[])["val-tgt-ue", "val-tgt-ue/valUserId", "valUserId", "valUeId"]);
    }

    [Fact]
    public async Task Both_identities_are_400_with_invalidParams()
    {
        var answer = await caller.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?val-service-id=pump-control&valUserId={Alice}&valUeId=ue-alice-1", await caller.TokenAsync(Scope));
        answer.Refused(HttpStatusCode.BadRequest, "val-tgt-ue");
        Assert.DoesNotContain("alice", answer.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "val-service-id")]
    [InlineData("?val-service-id=", "val-service-id")]
    [InlineData("?val-service-id=a&val-service-id=pump-control", "val-service-id")]
    [InlineData("?val-service-id=pump-control&val-service-id=pump-control", "val-service-id")]
    public async Task The_VAL_service_is_named_once(string query, string param) =>
        (await caller.SendAsync(HttpMethod.Get, SealCaller.KeyRecords + query, await caller.TokenAsync(Scope))).Refused(HttpStatusCode.BadRequest, param);

    [Fact]
    public async Task Whoever_shows_no_token_for_key_management_is_401_with_error_code_03()
    {
        var user = await caller.SignInAsync(caller.Host.NewUser(), "openid val:pump-control");
        string?[] tokens = [null, "x.y.z", await caller.TokenAsync("seal:user_profile"), (string)user["access_token"]!];
        foreach (var token in tokens)
        {
            var answer = (await AskAsync("pump-control", token, valUserId: Alice)).Refused(HttpStatusCode.Unauthorized);
            Assert.Equal(("REQUEST_REJECTED", "03"), (answer.Cause, (string?)answer.Json["errorCode"]));
            Assert.StartsWith("Bearer ", answer.Headers["WWW-Authenticate"], StringComparison.Ordinal);
        }
        (await caller.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?val-service-id=pump-control&access_token={await caller.TokenAsync(Scope)}", null)).Refused(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task A_users_token_opens_nothing_here_not_even_its_own_record()
    {
        var user = await caller.SignInAsync(caller.Host.NewUser(), "openid seal:key_management");
        var answer = (await AskAsync("pump-control", (string)user["access_token"]!, valUserId: Alice)).Refused(HttpStatusCode.Forbidden);
        Assert.Equal(("REQUEST_NOT_VALIDATED", "04"), (answer.Cause, (string?)answer.Json["errorCode"]));
    }

    [Fact]
    public async Task A_record_of_a_service_that_is_not_the_callers_and_one_that_does_not_exist_are_refused_alike()
    {
        var token = await caller.TokenAsync(Scope, "fleet-server");
        var there = await AskAsync("pump-control", token, valUserId: Alice);
        var noRecord = await AskAsync("pump-control", token, valUserId: "sip:nobody@val.example");
        var noService = await AskAsync("no-such-service", token, valUserId: Alice);
        Assert.Equal("REQUEST_NOT_VALIDATED", there.Refused(HttpStatusCode.Forbidden).Cause);
        Assert.Equal(Shown(there), Shown(noRecord));
        Assert.Equal(Shown(there), Shown(noService));
    }

    [Fact]
    public async Task A_record_that_is_not_there_is_404_for_who_would_be_allowed()
    {
        var answer = (await AskAsync("pump-control", await caller.TokenAsync(Scope), valUserId: "sip:nobody@val.example")).Refused(HttpStatusCode.NotFound);
        Assert.Equal(("KEY_INFO_NOT_AVAILABLE", "02"), (answer.Cause, (string?)answer.Json["errorCode"]));
    }

    [Fact]
    public async Task A_specific_request_never_falls_back_and_names_have_255_octets()
    {
        var token = await caller.TokenAsync(Scope);
        (await AskAsync("pump-control", token, valUeId: "ue-bob-1")).Refused(HttpStatusCode.NotFound);
        (await AskAsync("pump-control", token, valUserId: "ue-alice-1")).Refused(HttpStatusCode.NotFound);
        (await AskAsync("pump-control", token, valUserId: new string('a', 255))).Refused(HttpStatusCode.NotFound);
        (await AskAsync("pump-control", token, valUserId: new string('\u00e9', 128))).Is(HttpStatusCode.BadRequest);
        (await AskAsync(new string('a', 256), token)).Refused(HttpStatusCode.BadRequest, "val-service-id");
    }

    [Fact]
    public async Task The_record_of_a_client_cannot_be_named_here()
    {
        // ValTargetUe knows users and UEs alone: clientId is a parameter that nobody reads, and what comes is the record of the service.
        var answer = await caller.Host.GetAsync($"{SealCaller.KeyRecords}?val-service-id=pump-control&clientId=seal-client", await caller.TokenAsync(Scope));
        Assert.Equal(PayloadOf(r => r!.AsObject().Count == 2), Decoded(answer.Json));
        (await AskAsync("pump-control", await caller.TokenAsync(Scope), valUeId: "seal-client")).Refused(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("text/html")]
    [InlineData("application/json;q=0")]
    [InlineData("application/json;q=0, */*")]
    [InlineData("application/problem+json")]
    [InlineData("nonsense")]
    [Proves("RFC 9110", "12.5.1")]
    public async Task Who_does_not_accept_JSON_gets_406(string accept) =>
        (await caller.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?val-service-id=pump-control", await caller.TokenAsync(Scope), null, "", ("Accept", accept))).Refused(HttpStatusCode.NotAcceptable);

    [Theory]
    [InlineData("*/*")]
    [InlineData("application/*;q=0.1")]
    [InlineData("text/html, application/json;q=0.5")]
    [Proves("RFC 9110", "12.5.1")]
    public async Task Who_accepts_JSON_among_others_gets_it(string accept) =>
        (await caller.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?val-service-id=pump-control", await caller.TokenAsync(Scope), null, "", ("Accept", accept))).Is(HttpStatusCode.OK);

    [Theory]
    [InlineData("valUserId", Alice)]
    [InlineData("valUeId", "ue-alice-1")]
    [InlineData(null, null)]
    public async Task A_VAL_server_gets_the_record_in_either_way_of_naming_the_target(string? member, string? value)
    {
        var token = await caller.TokenAsync(Scope);
        var json = member is null ? "" : "&val-tgt-ue=" + Uri.EscapeDataString(new JsonObject { [member] = value }.ToJsonString());
        var flat = member is null ? "" : $"&{member}={Uri.EscapeDataString(value!)}";
        foreach (var target in (string[])[json, flat])
        {
            var answer = (await caller.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?val-service-id=pump-control{target}", token)).Is(HttpStatusCode.OK);
            Assert.Equal($"{caller.Server.Issuer}/clients/val-server", (string)answer.Json["userUri"]!);
            Assert.Equal(("skms-1", "pump-control"), ((string)answer.Json["skmsId"]!, (string)answer.Json["valService"]!));
            Assert.Equal(value, (string?)answer.Json["valTgtUe"]?[member!]);
            Assert.Equal(PayloadOf(r => member switch
            {
                "valUserId" => (string?)r!["userId"] == value,
                "valUeId" => (string?)r!["deviceId"] == value,
                _ => r!.AsObject().Count == 2,
            }), Decoded(answer.Json));
        }
    }

    [Fact]
    public async Task Each_answer_leaves_the_line_in_the_audit_that_the_other_door_leaves()
    {
        var name = $"sip:{caller.NewName()}@val.example";
        (await AskAsync("pump-control", await caller.TokenAsync(Scope), valUserId: name)).Refused(HttpStatusCode.NotFound);
        await caller.Server.WaitForAsync(async () => (await AuditText.OfAsync(caller.Host)).Contains($"key_records/12:pump-control/3/{name.Length}:{name}", StringComparison.Ordinal));
        Assert.Contains("km.request", await AuditText.OfAsync(caller.Host), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_asks_too_often_waits_as_it_is_told()
    {
        await using var slow = await SealCaller.StartAsync("Limits:PerClient=1/min burst 3");
        var token = await slow.TokenAsync(Scope);
        var answers = new List<ApiAnswer>();
        for (var i = 0; i < 4; i++)
            answers.Add(await slow.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?val-service-id=pump-control", token));
        var last = answers[^1].Refused(HttpStatusCode.TooManyRequests);
        Assert.True(int.Parse(last.Headers["Retry-After"], System.Globalization.CultureInfo.InvariantCulture) > 0);
        Assert.Equal("01", (string?)last.Json["errorCode"]);
    }

    [Fact]
    [Proves("TS 33.434", "4.1")]
    public async Task Nobody_in_the_query_is_named_in_a_log_whatever_its_level()
    {
        await using var chatty = await SealCaller.StartAsync("Log:Level=Trace");
        var (keys, profiles) = (await chatty.TokenAsync(Scope), await chatty.TokenAsync("seal:user_profile"));
        var provisioning = await chatty.TokenAsync("seal:identity_provisioning");
        string[] targets = ["valUserId=sip%3Amallory-4711%40val.example", "valUeId=mallory-4711", "val-tgt-ue=%7B%22valUserId%22%3A%22mallory-4711%22%7D", "valUserId=mallory-4711&valUeId=mallory-4711"];
        foreach (var service in (string[])["pump-control", "fleet-tracking", "mallory-4711"])
            foreach (var target in targets)
            {
                await chatty.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?val-service-id={service}&{target}", keys);
                await chatty.SendAsync(HttpMethod.Get, $"{SealCaller.Profiles}?val-service-id={service}&{target}", profiles);
                await chatty.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?{target}", null);
            }
        await chatty.ProvisionAsync(provisioning, "val-server", ("pump-control", ["mallory-4711", "ue-mallory-4711"]));
        await chatty.ProvisionAsync(provisioning, "mallory-4711", ("pump-control", ["mallory-4711"]));
        Assert.Contains(chatty.Log.All, l => l.Contains("KeyInformationNotAvailable", StringComparison.Ordinal));
        // A VAL service is no identity, but it is the peer's text too.
        Assert.DoesNotContain(chatty.Log.All, l => l.Contains("mallory", StringComparison.OrdinalIgnoreCase) && !l.Contains("service mallory-4711", StringComparison.OrdinalIgnoreCase));
    }

    private Task<ApiAnswer> AskAsync(string service, string? token, string? valUserId = null, string? valUeId = null) => caller.SendAsync(HttpMethod.Get,
        $"{SealCaller.KeyRecords}?val-service-id={Uri.EscapeDataString(service)}" + (valUserId is null ? "" : "&valUserId=" + Uri.EscapeDataString(valUserId)) + (valUeId is null ? "" : "&valUeId=" + Uri.EscapeDataString(valUeId)), token);

    private string PayloadOf(Func<JsonNode?, bool> isIt) => (string)caller.Server.Demo["keyRecords"]!.AsArray().Single(r => (string)r!["serviceId"]! == "pump-control" && isIt(r))!["payload"]!;

    private static string Decoded(JsonObject info) => Encoding.UTF8.GetString(Base64Url.DecodeFromChars((string)info["keyInfo"]!));

    /// <summary>All of an answer but the name of the request.</summary>
    private static string Shown(ApiAnswer answer)
    {
        var json = answer.Json;
        json.Remove("instance");
        return $"{answer.Status} {json.ToJsonString()} {string.Join(' ', answer.Headers.Keys.Order(StringComparer.Ordinal))}";
    }
}
