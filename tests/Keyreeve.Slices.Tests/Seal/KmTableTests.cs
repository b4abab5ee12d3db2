using System.Globalization;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>
/// Every line about errors in one place, one row each: the checklist S26 to S30, the readings E15 and E16 and the traps T27 and T29 of the
/// two doors to key material. Each answer carries its own Date/Time and, where the request could be read, the identity that was asked.
/// </summary>
[Proves("TS 33.434", "5.3.1")]
[Proves("TS 33.434", "5.3.2")]
[Proves("TS 33.434", "5.3.3")]
public sealed class KmTableTests(SigningCaller caller) : IClassFixture<SigningCaller>
{
    private static readonly string TooLong = new('x', 256);

    /// <summary>Name, token, what is wrong with a request for alice's record (member=JSON value, - removes it, nothing leaves it right), signature, ErrorCode, status, whether it can be read.</summary>
    public static TheoryData<string, string, string, string, string, int, bool> Rows => new()
    {
        { "S26 no token", "none", "", "", "03", 401, true },
        { "S26 junk for a token", "junk", "", "", "03", 401, true },
        { "S26 token of another scope", "provisioning", "", "", "03", 401, true },
        { "S26 token changed", "changed", "", "", "03", 401, true },
        { "S27 signature missing where it is demanded", "signing", "", "", "04", 403, true },
        { "S27 signature of other octets", "signing", "", "other", "04", 403, true },
        { "S27 signature right, and then the record is the wrong VAL service's", "signing", "serviceId=\"fleet-tracking\"", "right", "04", 403, true },
        { "S27 SKmsUri of another", "alice", "sKmsUri=\"https://other.example/seal/km\"", "", "04", 403, true },
        { "S27 Date/Time a minute old", "alice", "dateTime=@-60", "", "04", 403, true },
        { "S27 Date/Time a minute ahead", "alice", "dateTime=@60", "", "04", 403, true },
        { "Date/Time as a fraction", "alice", "dateTime=@0.5", "", "04", 400, false },
        { "Date/Time negative", "alice", "dateTime=-1", "", "04", 400, false },
        { "Date/Time negative and huge", "alice", "dateTime=-9223372036854775809", "", "04", 400, false },
        { "Date/Time huge", "alice", "dateTime=9223372036854775807", "", "04", 403, true },
        { "Date/Time beyond 64 bits", "alice", "dateTime=18446744073709551616", "", "04", 400, false },
        { "Date/Time with an exponent", "alice", "dateTime=1e9", "", "04", 400, false },
        { "Date/Time as text", "alice", "dateTime=\"1790000000\"", "", "04", 400, false },
        { "Date/Time missing", "alice", "dateTime-", "", "04", 400, false },
        { "S28 two identities", "alice", "deviceId=\"ue-alice-1\"", "", "04", 400, false },
        { "S28 two identities, one of them null", "alice", "deviceId=null", "", "04", 400, false },
        { "Version unknown", "alice", "version=\"2.0.0\"", "", "04", 400, false },
        { "Version missing", "alice", "version-", "", "04", 400, false },
        { "Version as a number", "alice", "version=1", "", "04", 400, false },
        { "E16 ServiceID missing", "alice", "serviceId-", "", "04", 400, false },
        { "ServiceID of 256 octets", "alice", $"serviceId=\"{TooLong}\"", "", "04", 400, false },
        { "UserID of 256 octets", "alice", $"userId=\"{TooLong}\"", "", "04", 400, false },
        { "UserID of 128 characters of two octets", "alice", $"userId=\"{new string('\u00e9', 128)}\"", "", "04", 400, false },
        { "ServiceID with a control character", "alice", "serviceId=\"pump\\u0000control\"", "", "04", 400, false },
        { "UserID with a control character", "alice", "userId=\"sip:alice\\n@val.example\"", "", "04", 400, false },
        { "UserID with a C1 control character", "alice", "userId=\"a\\u0085\"", "", "04", 400, false },
        { "UserID with half a surrogate pair", "alice", "userId=\"a\\ud800\"", "", "04", 400, false },
        { "SKmsUri with a control character", "alice", "sKmsUri=\"https://x\\u0007\"", "", "04", 400, false },
        { "S30 a user asks for another user's record", "alice", $"userId=\"{KmDoor.Bob}\"", "", "04", 403, true },
        { "S30 a user asks for another user that does not exist", "alice", "userId=\"sip:nobody@val.example\"", "", "04", 403, true },
        { "S30 a user without the VAL service", "bob", $"serviceId=\"{KmDoor.Fleet}\"", "", "04", 403, true },
        { "S30 a VAL server asks for another's VAL service", "val-server", $"serviceId=\"{KmDoor.Fleet}\"", "", "04", 403, true },
        { "S30 a VAL server asks for a VAL service that does not exist", "val-server", "serviceId=\"no-such-service\"", "", "04", 403, true },
        { "S30 no record, for who would be allowed", "val-server", "userId=\"sip:nobody@val.example\"", "", "02", 404, true },
        { "E16 no fallback to the record of the VAL service", "val-server", "userId=\"ue-alice-1\"", "", "02", 404, true },
        { "not JSON", "alice", "{", "", "04", 400, false },
        { "T27 everything wrong at once: the token", "junk", "dateTime=-1", "other", "03", 401, false },
        { "T27 everything wrong but the token: the signature", "signing", "dateTime=-1", "other", "04", 403, false },
    };

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Errors_are_the_tables(string name, string token, string spoilt, string signature, string code, int status, bool readable)
    {
        var (body, identity) = Spoil(spoilt);
        string[] signatures = signature switch
        {
            "right" => [caller.Sign(body)],
            "other" => [caller.Sign(body + " ")],
            _ => [],
        };
        var answer = await caller.Door.SendAsync(new ByteArrayContent(System.Text.Encoding.UTF8.GetBytes(body)), Authorization(token), "application/json", signatures: signatures);
        Assert.NotEmpty(name);
        answer.Refused(code, status);
        // S29: its own Date/Time; "shall be the same value" as asked, or nothing when nothing could be read.
        Assert.Equal(caller.Door.Now, (long)answer.Json["dateTime"]!);
        Assert.Equal(readable ? identity : null, (string?)answer.Json["userId"]);
        Assert.False(answer.Json.ContainsKey("deviceId") || answer.Json.ContainsKey("clientId"));
        // E15: whom it is for is said as soon as that is known, and not before.
        Assert.Equal(status != 401, answer.Json.ContainsKey("userUri"));
    }

    /// <summary>SS_KeyInfoRetrieval: token, query, ErrorCode, status, and the parameter that invalidParams names.</summary>
    public static TheoryData<string, string, string, string, int, string?> Queries => new()
    {
        { "S26 no token", "none", "val-service-id=pump-control", "03", 401, null },
        { "S26 token of another scope", "provisioning", "val-service-id=pump-control", "03", 401, null },
        { "S27 a client that signs, without a bound token", "signing", "val-service-id=pump-control", "04", 403, null },
        { "S30 a user's token", "alice", "val-service-id=pump-control&valUserId=sip%3Aalice%40val.example", "04", 403, null },
        { "S30 another's VAL service", "val-server", "val-service-id=fleet-tracking", "04", 403, null },
        { "S30 a VAL service that does not exist", "val-server", "val-service-id=no-such-service", "04", 403, null },
        { "S30 no record", "val-server", "val-service-id=pump-control&valUserId=nobody", "02", 404, null },
        { "E16 no VAL service", "val-server", "valUserId=nobody", "04", 400, "val-service-id" },
        { "T29 both identities", "val-server", "val-service-id=pump-control&valUserId=a&valUeId=b", "04", 400, "val-tgt-ue" },
        { "T29 both identities as JSON", "val-server", "val-service-id=pump-control&val-tgt-ue=%7B%22valUserId%22%3A%22a%22%2C%22valUeId%22%3A%22b%22%7D", "04", 400, "val-tgt-ue" },
        { "T29 the object in both ways", "val-server", "val-service-id=pump-control&val-tgt-ue=%7B%22valUserId%22%3A%22a%22%7D&valUeId=b", "04", 400, "val-tgt-ue" },
        { "an identity of 256 octets", "val-server", $"val-service-id=pump-control&valUserId={TooLong}", "04", 400, "valUserId" },
        { "an identity with a control character", "val-server", "val-service-id=pump-control&val-tgt-ue=%7B%22valUserId%22%3A%22a%5Cu0007%22%7D", "04", 400, "val-tgt-ue/valUserId" },
        { "a control character as it is", "val-server", "val-service-id=pump-control&valUserId=a%07", "04", 400, null },
    };

    [Theory]
    [MemberData(nameof(Queries))]
    [Proves("TS 29.549", "SS_KeyInfoRetrieval")]
    public async Task Errors_of_the_other_door_are_the_tables_too(string name, string token, string query, string code, int status, string? param)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{SealCaller.KeyRecords}?{query}");
        if (Authorization(token) is { } authorization)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        var answer = await caller.Host.SendAsync(request);
        Assert.NotEmpty(name);
        Assert.Equal((status, code, param), ((int)answer.Status, (string?)answer.Json["errorCode"], (string?)answer.Json["invalidParams"]?[0]?["param"]));
        Assert.Equal("application/problem+json", answer.Response.Content.Headers.ContentType!.MediaType);
        Assert.True(answer.Response.Headers.CacheControl!.NoStore);
        Assert.False(answer.Json.ContainsKey("keyInfo"));
        Assert.Equal(status == 401, answer.Response.Headers.WwwAuthenticate.Count > 0);
    }

    [Fact]
    public async Task A_success_has_its_own_time_and_the_identity_of_each_kind_as_asked()
    {
        foreach (var (member, identity) in new (string?, string?)[] { ("userId", KmDoor.Alice), ("deviceId", "ue-alice-1"), ("clientId", "seal-client"), (null, null) })
        {
            var answer = (await caller.Door.AskAsync(caller.Door.Request(KmDoor.Pump, member, identity), caller.Door.AliceToken)).Granted(caller.Door.PayloadOf(KmDoor.Pump, member, identity));
            Assert.Equal((caller.Door.Now, KmDoor.Pump, KmDoor.Alice), ((long)answer.Json["dateTime"]!, (string?)answer.Json["serviceId"], (string?)answer.Json["userUri"]));
            foreach (var kind in (string[])["userId", "deviceId", "clientId"])
                Assert.Equal(kind == member ? identity : null, (string?)answer.Json[kind]);
        }
    }

    private string? Authorization(string token) => token switch
    {
        "none" => null,
        "junk" => "Bearer a.b.c",
        "changed" => "Bearer " + KmDoor.Changed(caller.Door.AliceToken),
        "provisioning" => "Bearer " + caller.ProvisioningToken,
        "signing" => "Bearer " + caller.Token,
        "alice" => "Bearer " + caller.Door.AliceToken,
        "bob" => "Bearer " + caller.Door.BobToken,
        _ => "Bearer " + caller.Door.ValServerToken,
    };

    /// <summary>A request as text, so that it can hold what no object model would write; with the identity that it asks for.</summary>
    private (string Body, string? Identity) Spoil(string spoilt)
    {
        var request = caller.Door.Request();
        if (spoilt == "{")
            return ("{", null);
        if (spoilt.EndsWith('-') && !spoilt.Contains('=', StringComparison.Ordinal))
        {
            Assert.True(request.Remove(spoilt[..^1]));
            return (request.ToJsonString(), KmDoor.Alice);
        }
        if (spoilt.Length == 0)
            return (request.ToJsonString(), KmDoor.Alice);
        var (member, value) = (spoilt[..spoilt.IndexOf('=', StringComparison.Ordinal)], spoilt[(spoilt.IndexOf('=', StringComparison.Ordinal) + 1)..]);
        // "@60" is a minute from now, "@0.5" half a second.
        if (value.StartsWith('@'))
            value = (caller.Door.Now + decimal.Parse(value[1..], CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture);
        var members = request.Where(m => m.Key != member).Select(m => $"\"{m.Key}\":{m.Value!.ToJsonString()}").Append($"\"{member}\":{value}");
        return ("{" + string.Join(',', members) + "}", member == "userId" && !value.Contains('\\', StringComparison.Ordinal) ? JsonNode.Parse(value)!.GetValue<string>() : KmDoor.Alice);
    }
}
