using System.Buffers.Text;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>SS_KeyInfoRetrieval of TS 29.549: a VAL server's way to the records that the SEAL KM Request opens.</summary>
public sealed class KeyInfoTests(KmDoor door) : IClassFixture<KmDoor>
{
    private const string OfPump = "val-service-id=" + KmDoor.Pump;

    [Fact]
    [Proves("TS 29.549", "SS_KeyInfoRetrieval")]
    public async Task Without_a_token_for_the_SKM_S_nothing_is_said()
    {
        var otherScope = await door.ClientTokenAsync("val-server", $"val:{KmDoor.Pump}");
        foreach (var token in (string?[])[null, "x.y.z", otherScope])
        {
            // Also what is wrong with a query is not said to a stranger.
            foreach (var query in (string[])[OfPump, "val-service-id=nobody", ""])
            {
                var answer = await GetAsync(door, query, token);
                answer.Refused(401, "REQUEST_REJECTED", "03");
                Assert.NotNull(answer.Challenge);
            }
        }
    }

    [Fact]
    [Proves("TS 29.549", "SS_KeyInfoRetrieval")]
    public async Task A_users_token_opens_nothing_here_not_even_the_users_own_record()
    {
        foreach (var query in (string[])[OfPump, Of("valUserId", KmDoor.Alice), Of("valUeId", "ue-alice-1")])
            (await GetAsync(door, query, door.AliceToken)).Refused(403, "REQUEST_NOT_VALIDATED", "04");
    }

    [Fact]
    [Proves("TS 29.549", "SS_KeyInfoRetrieval")]
    public async Task A_foreign_service_is_answered_as_one_that_does_not_exist()
    {
        var answers = new List<string>();
        foreach (var service in (string[])[KmDoor.Fleet, "no-such-service", "PUMP-CONTROL", "pump-control "])
            // The first has a record of alice, and none of bob.
            foreach (var user in (string?[])[KmDoor.Alice, KmDoor.Bob, null])
            {
                var query = "val-service-id=" + Uri.EscapeDataString(service) + (user is null ? "" : "&valUserId=" + Uri.EscapeDataString(user));
                var answer = (await GetAsync(door, query, door.ValServerToken)).Refused(403, "REQUEST_NOT_VALIDATED", "04");
                answer.Json.Remove("instance");
                answers.Add(answer.Json.ToJsonString());
            }
        Assert.Single(answers.Distinct());
    }

    [Theory]
    [InlineData("valUserId", KmDoor.Alice, "userId")]
    [InlineData("valUserId", KmDoor.Bob, "userId")]
    [InlineData("valUeId", "ue-alice-1", "deviceId")]
    [Proves("TS 29.549", "SS_KeyInfoRetrieval")]
    public async Task A_VAL_server_gets_the_record_of_a_target_in_either_encoding(string member, string identity, string recordMember)
    {
        var target = new JsonObject { [member] = identity };
        foreach (var query in (string[])[Of(member, identity), $"{OfPump}&val-tgt-ue={Uri.EscapeDataString(target.ToJsonString())}"])
        {
            var info = (await GetAsync(door, query, door.ValServerToken)).Granted();
            Assert.Equal(["userUri", "skmsId", "valService", "valTgtUe", "keyInfo"], info.Select(m => m.Key));
            Assert.Equal(("skms-1", KmDoor.Pump), ((string)info["skmsId"]!, (string)info["valService"]!));
            Assert.True(Uri.TryCreate((string)info["userUri"]!, UriKind.Absolute, out _));
            Assert.True(JsonNode.DeepEquals(target, info["valTgtUe"]));
            Assert.Equal(door.PayloadOf(KmDoor.Pump, recordMember, identity), KeyInfo(info));
        }
    }

    [Fact]
    [Proves("TS 29.549", "SS_KeyInfoRetrieval")]
    public async Task Without_a_target_it_is_the_record_of_the_service()
    {
        var info = (await GetAsync(door, OfPump, door.ValServerToken)).Granted();
        Assert.Equal(["userUri", "skmsId", "valService", "keyInfo"], info.Select(m => m.Key));
        Assert.Equal(door.PayloadOf(KmDoor.Pump), KeyInfo(info));
    }

    [Theory]
    [InlineData("valUserId", "sip:nobody@val.example")]
    [InlineData("valUserId", "ue-alice-1")]
    [InlineData("valUserId", "seal-client")]
    [InlineData("valUeId", KmDoor.Alice)]
    public async Task A_target_without_a_record_never_falls_back_to_another(string member, string identity) =>
        (await GetAsync(door, Of(member, identity), door.ValServerToken)).Refused(404, "KEY_INFO_NOT_AVAILABLE", "02");

    [Theory]
    [InlineData("", "val-service-id")]
    [InlineData("val-service-id=", "val-service-id")]
    [InlineData("val-service-id=pump-control&val-service-id=fleet-tracking", "val-service-id")]
    [InlineData("val-service-id=pump-control&valUserId=a&valUserId=b", "valUserId")]
    [InlineData("val-service-id=pump-control&valUserId=a&valUeId=b", "val-tgt-ue")]
    [InlineData("val-service-id=pump-control&val-tgt-ue={}", "val-tgt-ue")]
    [InlineData("val-service-id=pump-control&val-tgt-ue=[]", "val-tgt-ue")]
    [InlineData("val-service-id=pump-control&val-tgt-ue=sip:alice@val.example", "val-tgt-ue")]
    [InlineData("val-service-id=pump-control&val-tgt-ue={%22valUserId%22:%22a%22,%22valUserId%22:%22b%22}", "val-tgt-ue")]
    [InlineData("val-service-id=pump-control&val-tgt-ue={%22valUserId%22:%22a%22,%22valUeId%22:%22b%22}", "val-tgt-ue")]
    [InlineData("val-service-id=pump-control&val-tgt-ue={%22valUserId%22:7}", "val-tgt-ue/valUserId")]
    [InlineData("val-service-id=pump-control&val-tgt-ue={%22valUserId%22:%22a%22}&valUserId=b", "val-tgt-ue")]
    [InlineData("val-service-id=pump-control&valUserId=a%0Ab", null)]
    public async Task A_query_that_does_not_say_one_thing_is_refused_with_the_parameter_that_is_wrong(string query, string? param)
    {
        var answer = (await GetAsync(door, query, door.ValServerToken)).Refused(400, "REQUEST_MALFORMED", "04");
        Assert.Equal(param, (string?)answer.Json["invalidParams"]?[0]?["param"]);
    }

    [Fact]
    public async Task Identities_and_services_have_255_octets()
    {
        (await GetAsync(door, Of("valUserId", new string('a', 255)), door.ValServerToken)).Refused(404, "KEY_INFO_NOT_AVAILABLE", "02");
        (await GetAsync(door, Of("valUserId", new string('a', 256)), door.ValServerToken)).Refused(400, "REQUEST_MALFORMED", "04");
        (await GetAsync(door, Of("valUeId", new string('ä', 128)), door.ValServerToken)).Refused(400, "REQUEST_MALFORMED", "04");
        (await GetAsync(door, "val-service-id=" + new string('s', 255), door.ValServerToken)).Refused(403, "REQUEST_NOT_VALIDATED", "04");
        (await GetAsync(door, "val-service-id=" + new string('s', 256), door.ValServerToken)).Refused(400, "REQUEST_MALFORMED", "04");
    }

    [Theory]
    [InlineData("text/html", false)]
    [InlineData("application/json;q=0, */*", false)]
    [InlineData("application/json", true)]
    [InlineData("application/*;q=0.1", true)]
    [InlineData("text/html, */*;q=0.1", true)]
    [Proves("RFC 9110", "12.5.1")]
    public async Task Who_does_not_accept_JSON_is_told_so(string accept, bool good)
    {
        var answer = await GetAsync(door, OfPump, door.ValServerToken, accept);
        if (good)
            answer.Granted();
        else
            answer.Refused(406, "REQUEST_MALFORMED", "04");
    }

    [Fact]
    public async Task What_is_given_out_and_what_is_refused_is_audited_under_the_records_name()
    {
        await using var own = await KmDoor.OfAsync(await TestServer.StartAsync());
        (await GetAsync(own, Of("valUserId", KmDoor.Alice), own.ValServerToken)).Granted();
        (await GetAsync(own, "val-service-id=" + KmDoor.Fleet, own.ValServerToken)).Refused(403, "REQUEST_NOT_VALIDATED", "04");
        (await GetAsync(own, OfPump, own.AliceToken)).Refused(403, "REQUEST_NOT_VALIDATED", "04");
        var payload = own.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice);
        var lines = (await own.StopAndReadAuditAsync()).Where(l => (string?)l["kind"] == "km.request").ToList();
        Assert.Equal(
            [
                ("Granted", "val-server", "key_records/12:pump-control/3/21:sip:alice@val.example", ""),
                ("Refused", "val-server", "key_records/14:fleet-tracking/0/0:", "NotOwner"),
                ("Refused", (string)own.Server.User("alice")["sub"]!, "key_records/12:pump-control/0/0:", "NotOwner"),
            ],
            lines.Select(l => ((string)l["outcome"]!, (string)l["actor"]!, (string)l["subject"]!, ((string?)l["detail"] ?? "").Split(':')[0])));
        Assert.DoesNotContain(own.Log.All, l => l.Contains(payload, StringComparison.Ordinal) || l.Contains(Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload)), StringComparison.Ordinal));
    }

    private static string Of(string member, string identity) => $"{OfPump}&{member}={Uri.EscapeDataString(identity)}";

    private static string KeyInfo(JsonObject info) => Encoding.UTF8.GetString(Base64Url.DecodeFromChars((string)info["keyInfo"]!));

    private static async Task<Answer> GetAsync(KmDoor door, string query, string? token, string? accept = null)
    {
        using var http = door.Server.NewClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/ss-kir/v1/key-records?" + query);
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        if (accept is not null)
            request.Headers.TryAddWithoutValidation("Accept", accept);
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return new(response.StatusCode, JsonNode.Parse(body)!.AsObject(), response.Content.Headers.ContentType?.MediaType,
            response.Headers.CacheControl?.NoStore == true, response.Headers.WwwAuthenticate.FirstOrDefault()?.ToString());
    }

    private sealed record Answer(HttpStatusCode Status, JsonObject Json, string? MediaType, bool NoStore, string? Challenge)
    {
        public JsonObject Granted()
        {
            Assert.Equal((HttpStatusCode.OK, "application/json", true), (Status, MediaType, NoStore));
            return Json;
        }

        /// <summary>ProblemDetails with 'cause', and the ErrorCode of the SEAL KM Response beside it.</summary>
        public Answer Refused(int status, string cause, string errorCode)
        {
            Assert.Equal((status, cause, errorCode), ((int)Status, (string?)Json["cause"], (string?)Json["errorCode"]));
            Assert.Equal(("application/problem+json", true, status), (MediaType, NoStore, (int)Json["status"]!));
            Assert.False(Json.ContainsKey("keyInfo"));
            return this;
        }
    }
}
