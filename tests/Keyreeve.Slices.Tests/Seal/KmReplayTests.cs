using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>"The 'Date/Time' field is used primarily as an anti-replay mechanism" (5.3.2): a request is good once.</summary>
[Proves("TS 33.434", "5.3.2")]
public sealed class KmReplayTests(KmDoor door) : IClassFixture<KmDoor>
{
    private string Payload => door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice);

    [Fact]
    public async Task The_same_request_again_is_a_replay_also_with_a_new_token_and_other_white_space()
    {
        var request = door.Request();
        (await door.AskAsync(request, door.AliceToken)).Granted(Payload);
        (await door.AskAsync(request, door.AliceToken)).Refused("04", 403);
        (await door.AskAsync(request.ToJsonString().Replace(",", " ,\n", StringComparison.Ordinal), door.AliceToken)).Refused("04", 403);
        var newToken = (string)(await new SealFlow(door.Server).TokensAsync())["access_token"]!;
        Assert.NotEqual(door.AliceToken, newToken);
        (await door.AskAsync(request, newToken)).Refused("04", 403);
        Assert.Equal("Replayed", door.Log.LastRefusal);
    }

    [Fact]
    public async Task A_replay_in_an_equivalent_spelling_of_the_SKmsUri_is_a_replay()
    {
        var request = door.Request();
        (await door.AskAsync(request, door.AliceToken)).Granted(Payload);
        request["sKmsUri"] = door.SKmsUri.Replace("https", "HTTPS", StringComparison.Ordinal);
        (await door.AskAsync(request, door.AliceToken)).Refused("04", 403);
        Assert.Equal("Replayed", door.Log.LastRefusal);
    }

    [Fact]
    public async Task Another_request_id_another_second_another_record_or_another_subject_is_another_request()
    {
        var request = door.Request();
        (await door.AskAsync(request, door.AliceToken)).Granted(Payload);
        (await door.AskAsync(With(request, "requestId", "another-" + door.NewRequestId()), door.AliceToken)).Granted(Payload);
        (await door.AskAsync(With(request, "dateTime", door.Now - 1), door.AliceToken)).Granted(Payload);
        (await door.AskAsync(With(request, "serviceId", KmDoor.Fleet), door.AliceToken)).Granted(door.PayloadOf(KmDoor.Fleet, "userId", KmDoor.Alice));
        (await door.AskAsync(request, door.ValServerToken)).Granted(Payload);
    }

    [Fact]
    public async Task Without_request_ids_two_requests_of_one_second_are_one()
    {
        var request = door.Request(KmDoor.Pump, "deviceId", "ue-alice-1");
        request.Remove("requestId");
        (await door.AskAsync(request, door.AliceToken)).Granted(door.PayloadOf(KmDoor.Pump, "deviceId", "ue-alice-1"));
        (await door.AskAsync(request, door.AliceToken)).Refused("04", 403);
    }

    [Fact]
    public async Task Of_fifty_parallel_copies_exactly_one_succeeds()
    {
        for (var round = 0; round < 5; round++)
        {
            var request = door.Request();
            var body = request.ToJsonString();
            var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => door.AskAsync(body, door.AliceToken)));
            answers.Single(a => a.Status == HttpStatusCode.OK).Granted(Payload);
            Assert.All(answers.Where(a => a.Status != HttpStatusCode.OK), a => a.Refused("04", 403));
        }
    }

    [Fact]
    public async Task A_replay_is_refused_for_as_long_as_its_date_would_pass()
    {
        await using var own = await KmDoor.OfAsync(await TestServer.StartAsync());
        var request = own.Request();
        request["dateTime"] = own.Now + 5;
        (await own.AskAsync(request, own.AliceToken)).Granted(own.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
        for (var second = 1; second <= 10; second++)
        {
            own.Server.Time.Advance(TimeSpan.FromSeconds(1));
            (await own.AskAsync(request, own.AliceToken)).Refused("04", 403);
            Assert.Equal("Replayed", own.Log.LastRefusal);
        }
        own.Server.Time.Advance(TimeSpan.FromSeconds(1));
        (await own.AskAsync(request, own.AliceToken)).Refused("04", 403);
        Assert.Equal("OutsideTimeWindow", own.Log.LastRefusal);
    }

    [Fact]
    public async Task A_restart_does_not_accept_what_was_accepted_just_before()
    {
        var folder = Directory.CreateTempSubdirectory("keyreeve-test-").FullName;
        try
        {
            const string issuer = "Issuer=https://localhost:4711";
            await using var before = await KmDoor.OfAsync(await TestServer.StartAsync(folder, keep: true, issuer));
            var request = before.Request();
            request["dateTime"] = before.Now + 5;
            var payload = before.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice);
            (await before.AskAsync(request, before.AliceToken)).Granted(payload);
            var accepted = before.Server.Time.GetUtcNow();
            await before.DisposeAsync();

            await using var after = await KmDoor.OfAsync(await TestServer.StartAsync(folder, keep: true, issuer));
            after.Server.Time.StandStill(accepted);
            (await after.AskAsync(request, before.AliceToken)).Refused("04", 403);
            Assert.Equal("Replayed", after.Log.LastRefusal);
            // The gap is closed by date, and open again as soon as nothing from before can have that date.
            after.Server.Time.StandStill(DateTimeOffset.UtcNow + TimeSpan.FromSeconds(10));
            (await after.AskAsync(after.Request(), after.AliceToken)).Granted(payload);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static JsonObject With(JsonObject request, string member, JsonNode value)
    {
        var other = request.DeepClone().AsObject();
        other[member] = value;
        return other;
    }
}
