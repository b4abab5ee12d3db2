using System.Buffers.Text;
using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Events;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Outbox;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Slices.Tests.Seal;
using Keyreeve.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Keyreeve.Slices.Tests.Outbox;

/// <summary>"In the event of an error, the user and/or the operator of the VAL service, UE, or client may be notified" (5.3.3): who hears what, and how often.</summary>
[Proves("TS 33.434", "5.3.3")]
public sealed class KeyFailureEventTests
{
    private const string EventType = "urn:keyreeve:event-type:key-requests-failed";

    [Fact]
    public async Task Operator_and_owner_hear_of_failures_once_in_a_period_and_of_no_identity()
    {
        await using var operators = new ScriptedPeer(tls: false);
        await using var revocations = new ScriptedPeer(tls: false);
        await using var owner = new ScriptedPeer(tls: false);
        var server = await StartAsync(operators, revocations);
        await using var door = await KmDoor.OfAsync(server);
        await RegisterAsync(server, KmDoor.Pump, owner.Address("/failures"));

        // Three refusals of one client for one service, a success, a service that does not exist, and junk.
        var since = TimeProvider.System.GetTimestamp();
        await door.AskAsync(door.Request(KmDoor.Pump, "userId", KmDoor.Bob), door.AliceToken);
        await door.AskAsync(door.Request(KmDoor.Pump, "deviceId", "ue-bob-1"), door.AliceToken);
        (await door.AskAsync(door.Request(KmDoor.Pump, "userId", (string)server.User("alice")["sub"]!), door.AliceToken)).Refused("02", 404);
        await door.AskAsync(door.Request(), door.AliceToken);
        await door.AskAsync(door.Request("mallory-4711", null), door.AliceToken);
        await door.AskAsync("{", door.AliceToken);
        await door.AskAsync(door.Request(), token: null);

        var (pump, none) = (new JsonObject(), new JsonObject());
        for (var heard = 0; Sum(pump) < 3 || Sum(none) < 2; heard++)
        {
            var event_ = await ReadAsync(operators, server, "https://operator.example");
            var periods = (int)TimeProvider.System.GetElapsedTime(since).TotalSeconds + 1;
            Assert.True(heard < 2 * periods, "at most one message in a period for each of the two");
            Assert.Equal("seal-client", (string?)event_["client_id"]);
            Add((string?)event_["val_service_id"] == KmDoor.Pump ? pump : none, event_);
            Assert.True((string?)event_["val_service_id"] is KmDoor.Pump or null);
        }
        Assert.Equal("""{"02":1,"04":2}""", Sorted(pump, "error_codes"));
        Assert.Equal("""{"KeyInformationNotAvailable":1,"NotOwner":2}""", Sorted(pump, "reasons"));
        Assert.Equal("""{"04":2}""", Sorted(none, "error_codes"));

        var told = new JsonObject();
        while (Sum(told) < 3)
        {
            var event_ = await ReadAsync(owner, server, "https://val.example/pump-control");
            Assert.Equal((KmDoor.Pump, "seal-client"), ((string?)event_["val_service_id"], (string?)event_["client_id"]));
            Assert.False(event_.ContainsKey("reasons"));
            Add(told, event_);
        }
        Assert.Equal("""{"02":1,"04":2}""", Sorted(told, "error_codes"));
        Assert.Equal(0, revocations.Accepted);
    }

    [Fact]
    public async Task The_owner_is_not_told_the_name_of_a_client_that_has_nothing_to_do_with_its_service()
    {
        await using var operators = new ScriptedPeer(tls: false);
        await using var owner = new ScriptedPeer(tls: false);
        var server = await StartAsync(operators, null);
        await using var door = await KmDoor.OfAsync(server);
        await RegisterAsync(server, KmDoor.Fleet, owner.Address());
        // Bob has no fleet tracking; nor has the VAL server of pump control, at the other door.
        await door.AskAsync(door.Request(KmDoor.Fleet, "userId", KmDoor.Alice), door.BobToken);
        var event_ = await ReadAsync(owner, server, "https://val.example/fleet-tracking");
        Assert.Equal((KmDoor.Fleet, null, 1), ((string?)event_["val_service_id"], (string?)event_["client_id"], (int)event_["error_codes"]!["04"]!));
        using var http = server.NewClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/ss-kir/v1/key-records?val-service-id=fleet-tracking&valUserId=sip%3Aalice%40val.example") { Headers = { { "Authorization", "Bearer " + door.ValServerToken } } };
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.False((await ReadAsync(owner, server, null)).ContainsKey("client_id"));
    }

    [Fact]
    public async Task A_flood_of_failures_is_one_message_in_a_period_for_each_pair_and_the_pairs_are_bounded()
    {
        var server = await StartAsync(null, null, "Events:Receivers:op:Url=https://op.example/", "Events:Receivers:op:About=key-failures revocations", "Events:KeyFailureSeconds=3600");
        await using var door = await KmDoor.OfAsync(server);
        var services = server.Server.Application.Services;
        var (failures, events) = (services.GetRequiredService<KeyFailures>(), services.GetRequiredService<KeyFailureEvents>());
        for (var i = 0; i < 200; i++)
            await door.AskAsync(door.Request($"invented-{i}", "userId", $"sip:mallory-{i}@val.example"), door.AliceToken);
        for (var i = 0; i < 20; i++)
            await door.AskAsync(door.Request(KmDoor.Fleet, "deviceId", $"ue-{i}"), door.AliceToken);
        // A store that does not take them keeps them for the next time.
        await Assert.ThrowsAsync<IOException>(() => failures.TellAsync(events, _ => throw new IOException("away"), server.Time.GetUtcNow()));
        var sent = new List<OutboxMessage>();
        await failures.TellAsync(events, messages => Task.Run(() => sent.AddRange(messages)), server.Time.GetUtcNow());
        Assert.Equal(2, sent.Count);
        var counts = sent.Select(m => JsonNode.Parse(m.Body)!["events"]![EventType]!["error_codes"]!["04"]!.GetValue<int>()).Order();
        Assert.Equal([20, 200], counts);
        Assert.All(sent, m => Assert.DoesNotContain("mallory", System.Text.Encoding.UTF8.GetString(m.Body), StringComparison.Ordinal));
        Assert.All(sent, m => Assert.DoesNotContain("invented", System.Text.Encoding.UTF8.GetString(m.Body), StringComparison.Ordinal));
        await failures.TellAsync(events, _ => throw new InvalidOperationException("there is nothing to tell"), server.Time.GetUtcNow());
    }

    [Fact]
    public void Revocations_are_told_to_those_alone_who_are_about_them()
    {
        EventReceiver[] receivers = [new("op", "https://op.example/", "op", EventSubjects.KeyFailures), new("rs", "https://rs.example/", "rs"), new("all", "https://all.example/", "all", EventSubjects.KeyFailures | EventSubjects.Revocations)];
        var told = new RevocationEvents("https://id.example", receivers).Of(new(Core.Tokens.RevocationKind.JwtId, "x", long.MaxValue, long.MaxValue), DateTimeOffset.UnixEpoch);
        Assert.Equal(["events:rs", "events:all"], told.Select(m => m.Receiver));
    }

    [Theory]
    [InlineData("Events:Receivers:op:About", "key-failure")]
    [InlineData("Events:Receivers:op:About", " ")]
    [InlineData("Events:KeyFailureSeconds", "0")]
    public void A_setting_that_is_wrong_stops_the_start(string name, string value) => Assert.Throws<Server.Settings.SettingsException>(() =>
        Server.Settings.SettingsReader.Read(null, [], [KeyValuePair.Create("Events:Receivers:op:Url", "https://op.example/"), KeyValuePair.Create(name, value)]));

    private static Task<TestServer> StartAsync(ScriptedPeer? operators, ScriptedPeer? revocations, params string[] more)
    {
        List<string> settings = ["Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "Outbound:AllowHttp=true", .. more];
        if (operators is not null)
            settings.AddRange(["Events:KeyFailureSeconds=1", "Events:Receivers:op:Url=" + operators.Address(), "Events:Receivers:op:Audience=https://operator.example", "Events:Receivers:op:About=key-failures"]);
        if (revocations is not null)
            settings.Add("Events:Receivers:fleet:Url=" + revocations.Address());
        return TestServer.StartAsync([.. settings]);
    }

    private static async Task RegisterAsync(TestServer server, string serviceId, string address)
    {
        var services = server.Server.Application.Services;
        var directory = services.GetRequiredService<IDirectory>();
        var service = (await directory.ListServicesAsync(CancellationToken.None)).Single(s => s.ServiceId == serviceId);
        var entry = new AuditEntry { Kind = "test", Outcome = AuditOutcome.Changed, At = 1, Actor = "system" };
        Assert.True((await directory.SaveServiceAsync(service with { KeyFailuresUri = address }, create: false, null, entry, CancellationToken.None)).Succeeded(out _, out _));
        await services.GetRequiredService<Core.Snapshots.SnapshotState>().RefreshAsync(CancellationToken.None);
    }

    private static async Task<JsonObject> ReadAsync(ScriptedPeer peer, TestServer server, string? audience)
    {
        var request = await peer.NextAsync();
        Assert.Equal("application/secevent+jwt", request.Headers["Content-Type"]);
        var set = JsonNode.Parse(Base64Url.DecodeFromChars(request.Text.Split('.')[1]))!.AsObject();
        Assert.Equal(server.Issuer, (string?)set["iss"]);
        if (audience is not null)
            Assert.Equal(audience, (string?)set["aud"]);
        Assert.Equal(request.Headers["Idempotency-Key"], (string?)set["jti"]);
        // But for its own name, which is random: in that any three letters may stand.
        var named = set.DeepClone().AsObject();
        named.Remove("jti");
        var text = named.ToJsonString();
        foreach (var identity in (string[])["alice", "bob", "ue-", "mallory", (string)server.User("alice")["sub"]!, "payload"])
            Assert.DoesNotContain(identity, text, StringComparison.Ordinal);
        return set["events"]![EventType]!.AsObject();
    }

    private static void Add(JsonObject total, JsonObject event_)
    {
        foreach (var part in (string[])["error_codes", "reasons"])
            foreach (var (name, count) in event_[part]?.AsObject() ?? [])
            {
                var counts = total[part] as JsonObject ?? (JsonObject)(total[part] = new JsonObject());
                counts[name] = (int?)counts[name] + (int)count! ?? (int)count!;
            }
    }

    private static int Sum(JsonObject total) => total["error_codes"]?.AsObject().Sum(c => (int)c.Value!) ?? 0;

    private static string Sorted(JsonObject total, string part) =>
        new JsonObject(total[part]!.AsObject().OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => KeyValuePair.Create(c.Key, (JsonNode?)(int)c.Value!))).ToJsonString();
}
