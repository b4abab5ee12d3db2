using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>
/// The order token, message, SKmsUri, Date/Time, replay, ownership, look-up: a request that is wrong in several ways gets the
/// earliest refusal, and a refused request has used up its replay entry only when it got that far.
/// </summary>
[Proves("TS 33.434", "5.3.2")]
public sealed class KmOrderTests(KmDoor door) : IClassFixture<KmDoor>
{
    /// <summary>What can be wrong, in the order in which it is looked at, with the code in the log.</summary>
    private static readonly string[] Faults = ["token", "WrongSKmsUri", "OutsideTimeWindow", "Replayed", "NotOwner", "KeyInformationNotAvailable"];

    public static TheoryData<int> EverySetOfFaults => [.. Enumerable.Range(1, (1 << 6) - 1)];

    [Theory]
    [MemberData(nameof(EverySetOfFaults))]
    public async Task The_earliest_fault_decides(int set)
    {
        bool Has(string fault) => (set & (1 << Array.IndexOf(Faults, fault))) != 0;
        var first = Faults.First(Has);
        var request = door.Request();
        // Two faults live in one member: a foreign record and an unknown own one.
        if (Has("KeyInformationNotAvailable"))
            (request["serviceId"], request["userId"]) = (KmDoor.Fleet, (string)door.Server.User("alice")["sub"]!);
        if (Has("NotOwner"))
            request["userId"] = KmDoor.Bob;
        if (Has("OutsideTimeWindow"))
            request["dateTime"] = door.Now - 60;
        if (Has("Replayed") && !Has("OutsideTimeWindow"))
            await door.AskAsync(request.DeepClone().AsObject(), door.AliceToken);
        if (Has("WrongSKmsUri"))
            request["sKmsUri"] = "https://other.example/seal/km";
        var answer = await door.AskAsync(request, Has("token") ? KmDoor.Changed(door.AliceToken) : door.AliceToken);
        switch (first)
        {
            case "token":
                answer.Refused("03", 401);
                Assert.Equal("TokenInvalid", door.Log.LastRefusal);
                break;
            case "KeyInformationNotAvailable":
                answer.Refused("02", 404);
                break;
            default:
                answer.Refused("04", 403);
                Assert.Equal(first, door.Log.LastRefusal);
                break;
        }
    }

    [Fact]
    public async Task A_bad_message_with_a_bad_token_is_refused_for_the_token()
    {
        (await door.AskAsync("{", token: null)).Refused("03", 401);
        (await door.AskAsync("{", "x.y.z")).Refused("03", 401);
        var two = door.Request();
        two["deviceId"] = "ue-alice-1";
        (await door.AskAsync(two, KmDoor.Changed(door.AliceToken))).Refused("03", 401);
        (await door.AskAsync(door.Request().ToJsonString(), token: null, "text/plain")).Refused("03", 401);
        (await door.AskAsync(new string(' ', 9 * 1024), token: null)).Refused("03", 401);
    }

    [Fact]
    public async Task A_bad_message_with_a_wrong_SKmsUri_is_refused_for_the_message()
    {
        var request = door.Request();
        (request["sKmsUri"], request["version"]) = ("https://other.example/", "9");
        (await door.AskAsync(request, door.AliceToken)).Refused("04", 400);
    }

    [Fact]
    public async Task What_is_refused_after_the_token_has_one_text_whatever_the_reason()
    {
        var wrongUri = door.Request();
        wrongUri["sKmsUri"] = "https://other.example/";
        var stale = door.Request();
        stale["dateTime"] = door.Now - 6;
        var replay = door.Request();
        await door.AskAsync(replay, door.AliceToken);
        var answers = new List<string>();
        foreach (var request in (JsonObject[])[wrongUri, stale, replay, door.Request(KmDoor.Pump, "userId", KmDoor.Bob)])
            answers.Add((await door.AskAsync(request, door.AliceToken)).Refused("04", 403).Body.Replace(KmDoor.Bob + "\",\"date", KmDoor.Alice + "\",\"date", StringComparison.Ordinal));
        Assert.Single(answers.Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_refusal_before_the_replay_check_does_not_use_the_request_up()
    {
        var payload = door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice);
        var request = door.Request();
        (await door.AskAsync(request, token: null)).Refused("03", 401);
        (await door.AskAsync(request, KmDoor.Changed(door.AliceToken))).Refused("03", 401);
        (await door.AskAsync(request.ToJsonString(), door.AliceToken, "text/plain")).Refused("04", 400);
        var elsewhere = request.DeepClone().AsObject();
        elsewhere["sKmsUri"] = "https://other.example/seal/km";
        (await door.AskAsync(elsewhere, door.AliceToken)).Refused("04", 403);
        (await door.AskAsync(request, door.AliceToken)).Granted(payload);
    }

    [Fact]
    public async Task A_request_from_the_future_may_come_again_when_its_time_has_come()
    {
        await using var own = await KmDoor.OfAsync(await TestServer.StartAsync());
        var request = own.Request();
        request["dateTime"] = own.Now + 6;
        (await own.AskAsync(request, own.AliceToken)).Refused("04", 403);
        own.Server.Time.Advance(TimeSpan.FromSeconds(1));
        (await own.AskAsync(request, own.AliceToken)).Granted(own.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
        (await own.AskAsync(request, own.AliceToken)).Refused("04", 403);
        Assert.Equal("Replayed", own.Log.LastRefusal);
    }

    [Fact]
    public async Task A_refusal_after_the_replay_check_has_used_the_request_up()
    {
        var foreign = door.Request(KmDoor.Pump, "userId", KmDoor.Bob);
        (await door.AskAsync(foreign, door.AliceToken)).Refused("04", 403);
        Assert.Equal("NotOwner", door.Log.LastRefusal);
        (await door.AskAsync(foreign, door.AliceToken)).Refused("04", 403);
        Assert.Equal("Replayed", door.Log.LastRefusal);
        // A caller who may not have it cannot use up the request of the one who may.
        (await door.AskAsync(foreign, door.BobToken)).Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Bob));
    }
}
