using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>What the SKM-S gives out, and how its answer is written (TS 33.434 5.3.1 and table 5.3.3-1).</summary>
public sealed class KmAnswerTests(KmDoor door) : IClassFixture<KmDoor>
{
    [Theory]
    [InlineData("userId", KmDoor.Alice)]
    [InlineData("deviceId", "ue-alice-1")]
    [InlineData("clientId", "seal-client")]
    [InlineData(null, null)]
    [Proves("TS 33.434", "5.3.1")]
    public async Task A_user_gets_the_record_of_itself_of_its_device_of_its_client_and_of_the_service(string? member, string? identity)
    {
        var answer = await door.AskAsync(door.Request(KmDoor.Pump, member, identity), door.AliceToken);
        answer.Granted(door.PayloadOf(KmDoor.Pump, member, identity));
    }

    [Theory]
    [InlineData("userId", KmDoor.Alice)]
    [InlineData("userId", KmDoor.Bob)]
    [InlineData("deviceId", "ue-alice-1")]
    [InlineData("clientId", "seal-client")]
    [InlineData(null, null)]
    [Proves("TS 33.434", "5.3.1")]
    public async Task A_VAL_server_gets_every_record_of_its_own_services(string? member, string? identity)
    {
        var answer = await door.AskAsync(door.Request(KmDoor.Pump, member, identity), door.ValServerToken);
        answer.Granted(door.PayloadOf(KmDoor.Pump, member, identity));
    }

    [Fact]
    public async Task Two_services_of_one_user_have_two_records()
    {
        var pump = (await door.AskAsync(door.Request(), door.AliceToken)).Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
        var fleet = (await door.AskAsync(door.Request(KmDoor.Fleet), door.AliceToken)).Granted(door.PayloadOf(KmDoor.Fleet, "userId", KmDoor.Alice));
        Assert.NotEqual(pump.Payload, fleet.Payload);
    }

    [Theory]
    [InlineData("userId", KmDoor.Alice)]
    [InlineData("deviceId", "ue-alice-1")]
    [InlineData("clientId", "seal-client")]
    [Proves("TS 33.434", "5.3.3")]
    public async Task The_answer_has_the_members_of_the_table_in_its_order_with_the_identity_as_asked(string member, string identity)
    {
        var answer = await door.AskAsync(door.Request(KmDoor.Pump, member, identity), door.AliceToken);
        Assert.Equal(
            $$"""{"userUri":"sip:alice@val.example","sKmsUri":"{{door.SKmsUri}}","serviceId":"pump-control","sKmsId":"skms-1","{{member}}":"{{identity}}","dateTime":{{door.Now}},"payload":"{{door.PayloadOf(KmDoor.Pump, member, identity)}}"}""",
            answer.Body);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public async Task A_standalone_service_is_answered_without_an_identity()
    {
        var answer = await door.AskAsync(door.Request(KmDoor.Pump, null), door.AliceToken);
        Assert.Equal(
            $$"""{"userUri":"sip:alice@val.example","sKmsUri":"{{door.SKmsUri}}","serviceId":"pump-control","sKmsId":"skms-1","dateTime":{{door.Now}},"payload":"{{door.PayloadOf(KmDoor.Pump)}}"}""",
            answer.Body);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public async Task An_error_echoes_the_identity_and_has_a_code_where_the_payload_would_be()
    {
        var answer = await door.AskAsync(door.Request(KmDoor.Pump, "userId", KmDoor.Bob), door.AliceToken);
        Assert.Equal(
            $$"""{"userUri":"sip:alice@val.example","sKmsUri":"{{door.SKmsUri}}","serviceId":"pump-control","sKmsId":"skms-1","userId":"sip:bob@val.example","dateTime":{{door.Now}},"errorCode":"04"}""",
            answer.Body);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public async Task A_caller_that_proved_nothing_is_told_what_it_asked_and_nothing_more()
    {
        var answer = await door.AskAsync(door.Request(KmDoor.Pump, "deviceId", "ue-alice-1"), token: null);
        Assert.Equal(
            $$"""{"sKmsUri":"{{door.SKmsUri}}","serviceId":"pump-control","sKmsId":"skms-1","deviceId":"ue-alice-1","dateTime":{{door.Now}},"errorCode":"03"}""",
            answer.Body);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public async Task An_identity_of_any_Unicode_comes_back_with_the_same_value()
    {
        const string identity = "Zo\u00eb \U0001F511 \"quoted\" \\ </script> ue\u0301";
        var answer = (await door.AskAsync(door.Request(KmDoor.Pump, "deviceId", identity), door.AliceToken)).Refused("04", 403);
        Assert.Equal(identity, (string?)answer.Json["deviceId"]);
    }

    [Fact]
    public async Task The_user_of_an_answer_to_a_VAL_server_is_the_VAL_server()
    {
        var answer = await door.AskAsync(door.Request(), door.ValServerToken);
        Assert.Equal($"{door.Server.Issuer}/clients/val-server", (string?)answer.Json["userUri"]);
    }

    [Fact]
    public async Task A_record_that_does_not_exist_is_02_for_a_caller_that_would_be_allowed()
    {
        (await door.AskAsync(door.Request(KmDoor.Fleet, "deviceId", "ue-alice-1"), door.AliceToken)).Refused("02", 404);
        (await door.AskAsync(door.Request(KmDoor.Pump, "userId", "sip:nobody@val.example"), door.ValServerToken)).Refused("02", 404);
    }

    [Fact]
    public async Task A_specific_request_never_falls_back_to_the_record_of_the_service_nor_the_other_way()
    {
        Assert.NotEmpty(door.PayloadOf(KmDoor.Pump));
        (await door.AskAsync(door.Request(KmDoor.Pump, "deviceId", "ue-bob-1"), door.BobToken)).Refused("02", 404);
        // Fleet tracking has a record of alice and none of its own.
        (await door.AskAsync(door.Request(KmDoor.Fleet, null), door.AliceToken)).Refused("02", 404);
    }

    [Fact]
    public async Task One_value_as_user_as_device_and_as_client_are_three_keys()
    {
        foreach (var (member, value) in new[] { ("deviceId", KmDoor.Alice), ("clientId", KmDoor.Alice), ("userId", "ue-alice-1"), ("clientId", "ue-alice-1"), ("userId", "seal-client") })
            (await door.AskAsync(door.Request(KmDoor.Pump, member, value), door.ValServerToken)).Refused("02", 404);
    }

    [Theory]
    [InlineData("SIP:alice@val.example")]
    [InlineData("sip:alice@VAL.example")]
    [InlineData(" sip:alice@val.example")]
    [InlineData("sip:alice@val.example ")]
    [InlineData("sip%3Aalice@val.example")]
    public async Task Identities_are_compared_octet_by_octet(string nearly)
    {
        (await door.AskAsync(door.Request(KmDoor.Pump, "userId", nearly), door.AliceToken)).Refused("04", 403);
        (await door.AskAsync(door.Request(KmDoor.Pump, "userId", nearly), door.ValServerToken)).Refused("02", 404);
    }

    [Fact]
    public async Task The_subject_of_the_token_is_a_name_of_the_user_too_but_has_no_record_in_the_demo() =>
        (await door.AskAsync(door.Request(KmDoor.Pump, "userId", (string)door.Server.User("alice")["sub"]!), door.AliceToken)).Refused("02", 404);

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public async Task A_VAL_user_whose_ID_is_no_URI_has_a_UserUri_below_the_issuer()
    {
        await using var owner = await KeyOwner.StartAsync();
        const string name = "ue 7/é";
        var user = await owner.Caller.Host.AddUserAsync("seven");
        await owner.Caller.Host.ChangeUserAsync("seven", u => u with { ValUserId = name });
        (await owner.PutAsync(name, "the key of seven")).Is(HttpStatusCode.Created);
        var token = (string)(await owner.Caller.SignInAsync(user, "openid seal:key_management"))["access_token"]!;
        var answer = (await owner.Caller.SendAsync(HttpMethod.Post, "/seal/km/v1/requests", token, owner.Request(name, payload: null).ToJsonString())).Is(HttpStatusCode.OK);
        Assert.Equal(("the key of seven", name), ((string?)answer.Json["payload"], (string?)answer.Json["userId"]));
        Assert.Equal(owner.Caller.Server.Issuer + "/users/ue%207%2F%C3%A9", (string?)answer.Json["userUri"]);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task Only_POST_is_heard(string method)
    {
        using var http = door.Server.NewClient();
        using var request = new HttpRequestMessage(new HttpMethod(method), "/seal/km/v1/requests") { Headers = { { "Authorization", "Bearer " + door.AliceToken } } };
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Contains((int)response.StatusCode, (int[])[404, 405]);
        Assert.DoesNotContain("payload", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    [Proves("TS 33.434", "4.2")]
    public async Task The_door_stands_on_https_and_mtls_and_not_on_health()
    {
        foreach (var (listener, status) in new[] { ("mtls", 200), ("health", 404) })
        {
            using var http = door.Server.NewClient(listener);
            using var request = new HttpRequestMessage(HttpMethod.Post, "/seal/km/v1/requests") { Content = new StringContent(door.Request().ToJsonString(), null, "application/json") };
            request.Headers.Authorization = new("Bearer", door.AliceToken);
            using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(status, (int)response.StatusCode);
        }
    }

    [Fact]
    public async Task The_bearer_scheme_is_read_without_case_and_the_members_in_any_order()
    {
        var reversed = new JsonObject([.. door.Request().Reverse().Select(m => KeyValuePair.Create(m.Key, m.Value?.DeepClone()))]);
        var answer = await door.SendAsync(new StringContent(reversed.ToJsonString(), null, "application/json"), "bEARER " + door.AliceToken, null);
        answer.Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
    }
}
