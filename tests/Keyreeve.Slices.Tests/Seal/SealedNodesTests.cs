using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>Two nodes on one PostgreSQL: each opens on its own, and a change made on one is followed by the other.</summary>
public sealed class SealedNodesTests
{
    [Fact]
    public async Task A_change_on_one_node_is_followed_by_the_other_and_each_is_sealed_and_opened_on_its_own()
    {
        var database = "Storage:Connection=" + await (await TestPostgres.SharedAsync()).NewDatabaseAsync();
        await using var one = await KmDoor.OfAsync(await TestServer.StartAsync(database, "Node=one"));
        await using var two = await KmDoor.OfAsync(await TestServer.StartBesideAsync(one.Server, database, "Node=two"));
        using var operatorOfOne = OperatorOf(one.Server);
        using var operatorOfTwo = OperatorOf(one.Server, two.Server);
        await IsGrantedAsync(one);
        await IsGrantedAsync(two);
        for (var round = 0; round < 3; round++)
        {
            // The other one is asked at once, before it may have looked by itself; and writes under a service's new key.
            await PostAsync(operatorOfOne, "seal/rotate", null);
            await PostAsync(operatorOfTwo, "services", new JsonObject { ["serviceId"] = $"service-{round}", ["name"] = "S", ["audience"] = "https://s.example" });
            await AddAsync(operatorOfTwo, $"service-{round}", "sip:new@val.example");
            await PostAsync(operatorOfTwo, "seal/services/pump-control/rotate", null);
            await IsGrantedAsync(two);
            await AddAsync(operatorOfOne, "pump-control", $"sip:late-{round}@val.example");
            await IsGrantedAsync(one);
        }
        await PostAsync(operatorOfTwo, "seal/init", new JsonObject { ["method"] = "passphrase", ["passphrase"] = "correct horse battery staple" });
        await IsGrantedAsync(one);
        await PostAsync(operatorOfTwo, "seal/lock", null);
        (await two.AskAsync(two.Request(), two.AliceToken)).Refused("01", 500);
        await IsGrantedAsync(one);
        await PostAsync(operatorOfTwo, "seal/unseal", new JsonObject { ["passphrase"] = "correct horse battery staple" });
        await IsGrantedAsync(two);
        // By now every key is wrapped by the newest root, on whichever node that was done.
        await one.Server.WaitForAsync(async () => (long)(await StatusAsync(operatorOfOne))["serviceKeys"]!["left"]! == 0);
        await IsGrantedAsync(one);
        await IsGrantedAsync(two);
    }

    [Fact]
    public async Task A_node_that_led_and_was_sealed_does_not_hold_up_a_rotation_on_another()
    {
        var database = "Storage:Connection=" + await (await TestPostgres.SharedAsync()).NewDatabaseAsync();
        await using var one = await KmDoor.OfAsync(await TestServer.StartAsync(database, "Node=one"));
        await using var two = await KmDoor.OfAsync(await TestServer.StartBesideAsync(one.Server, database, "Node=two"));
        using var operatorOfOne = OperatorOf(one.Server);
        using var operatorOfTwo = OperatorOf(one.Server, two.Server);
        // The first one was there first: it leads.
        await two.Server.WaitForAsync(async () => (string)(await StatusAsync(operatorOfTwo))["rewrap"]!["state"]! == "elsewhere");
        await PostAsync(operatorOfOne, "seal/lock", null);
        await PostAsync(operatorOfTwo, "seal/rotate", null);
        await two.Server.WaitForAsync(async () => (long)(await StatusAsync(operatorOfTwo))["serviceKeys"]!["left"]! == 0);
        await IsGrantedAsync(two);
        // The others had their time to follow.
        two.Server.Time.Advance(TimeSpan.FromMinutes(2));
        await two.Server.WaitForAsync(async () => (await StatusAsync(operatorOfTwo))["roots"]!.AsArray().Count == 1);
        await PostAsync(operatorOfOne, "seal/unseal", null);
        await IsGrantedAsync(one);
    }

    private static async Task<JsonNode> StatusAsync(HttpClient admin) => JsonNode.Parse(await admin.GetStringAsync("seal"))!;

    private static async Task IsGrantedAsync(KmDoor door)
    {
        var record = door.Server.Demo["keyRecords"]!.AsArray().Single(r => (string)r!["serviceId"]! == KmDoor.Pump && (string?)r["userId"] == KmDoor.Alice);
        (await door.AskAsync(door.Request(), door.AliceToken)).Granted((string)record!["payload"]!);
    }

    private static Task AddAsync(HttpClient admin, string service, string user) =>
        PostAsync(admin, "key-records", new JsonObject { ["serviceId"] = service, ["userId"] = user, ["payload"] = "x" });

    private static async Task PostAsync(HttpClient admin, string path, JsonObject? body)
    {
        using var response = await admin.PostAsync(path, body is null ? null : new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"));
        Assert.True(response.IsSuccessStatusCode, $"{path}: {response.StatusCode} {await response.Content.ReadAsStringAsync()}");
    }

    /// <summary>The first operator, whose files lie with the first node, at this or another node.</summary>
    private static HttpClient OperatorOf(TestServer first, TestServer? at = null)
    {
        var client = (at ?? first).NewClient("mtls", X509Certificate2.CreateFromPemFile(first.Folder.AdminPem, first.Folder.AdminKey));
        client.BaseAddress = new Uri(client.BaseAddress!, "/admin/v1/");
        return client;
    }
}
