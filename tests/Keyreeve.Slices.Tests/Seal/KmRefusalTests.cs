using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>The token with each and every request (S26), and the message itself (S27, S28): who is refused, and how.</summary>
public sealed class KmRefusalTests(KmDoor door) : IClassFixture<KmDoor>
{
    [Fact]
    [Proves("TS 33.434", "5.3.1")]
    public async Task Without_a_token_the_request_is_rejected_and_the_challenge_names_no_error()
    {
        var answer = (await door.AskAsync(door.Request(), token: null)).Refused("03", 401);
        Assert.Equal("Bearer realm=\"keyreeve\"", answer.Challenge);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("a.b.c")]
    [InlineData("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.")]
    [InlineData("  ")]
    [Proves("TS 33.434", "5.3.1")]
    public async Task Junk_is_no_token(string junk) =>
        (await door.SendAsync(Json(door.Request()), "Bearer " + junk, null)).Refused("03", 401);

    [Fact]
    [Proves("TS 33.434", "5.3.1")]
    public async Task A_token_changed_in_any_of_its_parts_is_refused()
    {
        foreach (var part in (int[])[0, 1, 2])
        {
            var parts = door.AliceToken.Split('.');
            var middle = parts[part].Length / 2;
            parts[part] = parts[part][..middle] + (parts[part][middle] == 'A' ? 'B' : 'A') + parts[part][(middle + 1)..];
            var answer = (await door.AskAsync(door.Request(), string.Join('.', parts))).Refused("03", 401);
            Assert.StartsWith("Bearer realm=\"keyreeve\", error=\"invalid_token\"", answer.Challenge, StringComparison.Ordinal);
        }
    }

    [Fact]
    [Proves("TS 33.434", "5.3.1")]
    public async Task An_ID_token_is_no_access_token()
    {
        var tokens = await new SealFlow(door.Server).TokensAsync();
        var answer = (await door.AskAsync(door.Request(), (string)tokens["id_token"]!)).Refused("03", 401);
        Assert.Contains("invalid_token", answer.Challenge, StringComparison.Ordinal);
        (await door.AskAsync(door.Request(), (string)tokens["refresh_token"]!)).Refused("03", 401);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.1")]
    public async Task A_token_for_another_audience_is_refused()
    {
        var flow = new SealFlow(door.Server, "openid-client");
        flow.Parameters["scope"] = "openid val:pump-control";
        var answer = (await door.AskAsync(door.Request(), (string)(await flow.TokensAsync())["access_token"]!)).Refused("03", 401);
        Assert.Contains("error=\"invalid_token\"", answer.Challenge, StringComparison.Ordinal);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.1")]
    public async Task A_token_that_is_not_scoped_for_key_management_is_refused_and_told_which_scope()
    {
        // key_provisioning has the same audience, and is another right.
        var answer = (await door.AskAsync(door.Request(), await door.ClientTokenAsync("val-server", "seal:key_provisioning"))).Refused("03", 401);
        Assert.Equal("Bearer realm=\"keyreeve\", error=\"insufficient_scope\", scope=\"seal:key_management\"", answer.Challenge);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.1")]
    public async Task A_revoked_token_is_refused_from_the_answer_of_the_revocation_on()
    {
        var flow = new SealFlow(door.Server);
        var token = (string)(await flow.TokensAsync())["access_token"]!;
        (await door.AskAsync(door.Request(), token)).Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
        await flow.PostAsync("/revoke", new() { ["token"] = token });
        var answer = (await door.AskAsync(door.Request(), token)).Refused("03", 401);
        Assert.Contains("error=\"invalid_token\"", answer.Challenge, StringComparison.Ordinal);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.1")]
    public async Task An_expired_token_is_refused_at_the_end_of_the_leeway_and_not_before()
    {
        await using var own = await KmDoor.OfAsync(await TestServer.StartAsync());
        own.Server.Time.Advance(TimeSpan.FromSeconds(600 + 4));
        (await own.AskAsync(own.Request(), own.AliceToken)).Granted(own.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
        own.Server.Time.Advance(TimeSpan.FromSeconds(1));
        var answer = (await own.AskAsync(own.Request(), own.AliceToken)).Refused("03", 401);
        Assert.Contains("error=\"invalid_token\"", answer.Challenge, StringComparison.Ordinal);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.1")]
    public async Task A_token_anywhere_but_in_one_Bearer_header_is_refused()
    {
        (await door.SendAsync(Json(door.Request()), null, null, "/seal/km/v1/requests?access_token=" + door.AliceToken)).Refused("03", 401);
        (await door.SendAsync(Json(door.Request()), "Bearer " + door.AliceToken, null, "/seal/km/v1/requests?access_token=" + door.AliceToken)).Refused("03", 401);
        (await door.SendAsync(Json(door.Request()), door.AliceToken, null)).Refused("03", 401);
        (await door.SendAsync(Json(door.Request()), "DPoP " + door.AliceToken, null)).Refused("03", 401);
        (await door.SendAsync(Json(door.Request()), $"Bearer {door.AliceToken}, Bearer {door.AliceToken}", null)).Refused("03", 401);
        (await door.SendAsync(Json(door.Request()), door.Server.Basic("seal-client").ToString(), null)).Refused("03", 401);
        var withToken = door.Request();
        withToken["access_token"] = door.AliceToken;
        (await door.AskAsync(withToken, token: null)).Refused("03", 401);
    }

    public static TheoryData<string> Spoilt =>
    [
        "", "{", "[]", "null", "\"text\"", "{}", "{}{}", "{} x",
        "@base@ ",
        "version:\"1.0.1\"", "version:\"1.0\"", "version:\"2.0.0\"", "version:\"1.0.0 \"", "version:1", "version:null", "version:\"\"",
        "sKmsUri:null", "sKmsUri:1", "sKmsUri:\"\"", "sKmsUri:[\"https://localhost\"]",
        "serviceId:null", "serviceId:7", "serviceId:\"\"", "serviceId:{}", "serviceId:[\"pump-control\"]", "serviceId:\"pump\\u0000control\"",
        "userId:null", "userId:7", "userId:\"\"", "userId:true", "userId:\"a\\nb\"", "userId:\"a\\u007fb\"", "userId:\"a\\u0085b\"", "userId:\"\\ud800\"",
        "requestId:null", "requestId:7", "requestId:\"\"", "requestId:\"a\\tb\"",
        "dateTime:\"@now@\"", "dateTime:@now@.0", "dateTime:@now@.5", "dateTime:@now@e0", "dateTime:@now@E0", "dateTime:-@now@", "dateTime:-1", "dateTime:null",
        "dateTime:9223372036854775808", "dateTime:1e400", "dateTime:[@now@]", "dateTime:true", "dateTime:0@now@", "dateTime:+@now@",
    ];

    /// <summary>"member:value" replaces a member of a request that is right; anything else is the whole body.</summary>
    [Theory]
    [MemberData(nameof(Spoilt))]
    [Proves("TS 33.434", "5.3.2")]
    public async Task A_message_that_is_not_the_tables_is_not_validated(string spoilt)
    {
        var request = door.Request();
        var colon = spoilt.IndexOf(':', StringComparison.Ordinal);
        var body = colon > 0 && !spoilt.StartsWith('{') && !spoilt.StartsWith('"') && request.ContainsKey(spoilt[..colon])
            ? Replace(request, spoilt[..colon], spoilt[(colon + 1)..].Replace("@now@", door.Now.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal))
            : spoilt == "@base@ " ? request.ToJsonString() + " trailing" : spoilt;
        var answer = (await door.AskAsync(body, door.AliceToken)).Refused("04", 400);
        Assert.Equal(KmDoor.Alice, (string?)answer.Json["userUri"]);
        Assert.DoesNotContain("JsonException", answer.Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("version")]
    [InlineData("sKmsUri")]
    [InlineData("serviceId")]
    [InlineData("dateTime")]
    [Proves("TS 33.434", "5.3.2")]
    public async Task Every_mandatory_member_must_be_there(string member)
    {
        var request = door.Request();
        Assert.True(request.Remove(member));
        (await door.AskAsync(request, door.AliceToken)).Refused("04", 400);
    }

    [Theory]
    [InlineData("clientId", "deviceId", null)]
    [InlineData("clientId", null, "userId")]
    [InlineData(null, "deviceId", "userId")]
    [InlineData("clientId", "deviceId", "userId")]
    [Proves("TS 33.434", "5.3.2")]
    public async Task Only_one_of_client_device_and_user_may_be_present(string? client, string? device, string? user)
    {
        var request = door.Request(KmDoor.Pump, null);
        foreach (var (member, own) in new[] { (client, "seal-client"), (device, "ue-alice-1"), (user, KmDoor.Alice) })
            if (member is not null)
                request[member] = own;
        var answer = (await door.AskAsync(request, door.AliceToken)).Refused("04", 400);
        Assert.False(answer.Json.ContainsKey("userId") || answer.Json.ContainsKey("deviceId") || answer.Json.ContainsKey("clientId"));
    }

    [Theory]
    [InlineData("userId")]
    [InlineData("serviceId")]
    [InlineData("dateTime")]
    [InlineData("version")]
    [Proves("TS 33.434", "5.3.2")]
    public async Task A_member_twice_is_refused_even_with_one_value(string member)
    {
        var text = door.Request().ToJsonString();
        var twice = text[..^1] + $",\"{member}\":{door.Request()[member]!.ToJsonString()}}}";
        (await door.AskAsync(twice, door.AliceToken)).Refused("04", 400);
    }

    [Fact]
    [Proves("TS 33.434", "5.3.2")]
    public async Task Identities_have_up_to_255_octets()
    {
        foreach (var member in (string[])["userId", "deviceId", "clientId"])
        {
            (await door.AskAsync(door.Request(KmDoor.Pump, member, new string('a', 255)), door.ValServerToken)).Refused("02", 404);
            (await door.AskAsync(door.Request(KmDoor.Pump, member, new string('a', 256)), door.ValServerToken)).Refused("04", 400);
            // 128 characters of two octets each
            (await door.AskAsync(door.Request(KmDoor.Pump, member, new string('ä', 127)), door.ValServerToken)).Refused("02", 404);
            (await door.AskAsync(door.Request(KmDoor.Pump, member, new string('ä', 128)), door.ValServerToken)).Refused("04", 400);
        }
        (await door.AskAsync(door.Request(new string('s', 255), null), door.AliceToken)).Refused("04", 403);
        (await door.AskAsync(door.Request(new string('s', 256), null), door.AliceToken)).Refused("04", 400);
        var request = door.Request();
        request["requestId"] = new string('r', 64);
        (await door.AskAsync(request, door.AliceToken)).Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
        request["requestId"] = new string('r', 65);
        (await door.AskAsync(request, door.AliceToken)).Refused("04", 400);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_body_of_more_than_8_KiB_is_refused_with_and_without_a_length(bool chunked)
    {
        var text = door.Request().ToJsonString();
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(text + new string(' ', 9 * 1024 - text.Length)));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/seal/km/v1/requests") { Content = content, Version = new Version(1, 1) };
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.TransferEncodingChunked = chunked;
        request.Headers.Authorization = new("Bearer", door.AliceToken);
        using var http = door.Server.NewClient();
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(400, (int)response.StatusCode);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        Assert.Equal("04", (string?)body["errorCode"]);
    }

    [Fact]
    public async Task A_body_of_exactly_8_KiB_is_read()
    {
        var text = door.Request().ToJsonString();
        (await door.AskAsync(text + new string(' ', 8 * 1024 - text.Length), door.AliceToken)).Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("application/jsonx")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/problem+json")]
    [InlineData("text/json")]
    public async Task Another_media_type_is_refused(string? contentType) =>
        (await door.SendAsync(new ByteArrayContent(Encoding.UTF8.GetBytes(door.Request().ToJsonString())), "Bearer " + door.AliceToken, contentType)).Refused("04", 400);

    [Fact]
    public async Task A_charset_beside_the_media_type_does_no_harm() =>
        (await door.AskAsync(door.Request().ToJsonString(), door.AliceToken, "Application/JSON; charset=utf-8")).Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));

    private static StringContent Json(JsonObject request) => new(request.ToJsonString(), null, "application/json");

    /// <summary>The value goes in as text: JSON that no object model would write.</summary>
    private static string Replace(JsonObject request, string member, string value) =>
        "{" + string.Join(',', request.Select(m => $"\"{m.Key}\":{(m.Key == member ? value : m.Value!.ToJsonString())}")) + "}";
}
