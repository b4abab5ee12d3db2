using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Engines.Tls;
using Keyreeve.Server.Sweeping;
using Keyreeve.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

/// <summary>Key records in the hands of operators: versions, removal, recovery, shredding, and imports of many.</summary>
public sealed class KeyRecordTests(AdminFixture admin) : IClassFixture<AdminFixture>
{
    [Fact]
    public async Task A_record_gets_versions_for_now_and_for_later_and_the_same_again_makes_none()
    {
        var path = await AddAsync("versions", "one");
        var first = await admin.PutAsync(path, """{"payload":"two"}""", "\"1\"");
        Assert.Equal((HttpStatusCode.OK, "\"2\""), (first.Status, first.ETag));
        // The answer was lost: sent again it is a success, and changes nothing.
        Assert.Equal((HttpStatusCode.OK, "\"2\""), await PutAsync(path, "two", "\"1\""));
        Assert.Equal((HttpStatusCode.PreconditionFailed, null), await PutAsync(path, "three", "\"1\""));
        var later = await admin.PostAsync(path + "/versions", """{"payload":"three","activatesAt":"2100-01-01T00:00:00Z","expiresAt":"2101-01-01T00:00:00Z"}""");
        Assert.Equal((HttpStatusCode.Created, "\"3\""), (later.Status, later.ETag));
        Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync(path + "/versions", """{"payload":"three","activatesAt":"2100-01-01T00:00:00Z","expiresAt":"2101-01-01T00:00:00Z"}""")).Status);
        var versions = await admin.GetAsync(path + "/versions");
        Assert.Equal([(1L, false, null), (2L, true, null), (3L, false, "2100-01-01T00:00:00Z")],
            versions.Body["items"]!.AsArray().Select(v => ((long)v!["number"]!, (bool)v["active"]!, (string?)v["activatesAt"])));
        var page = await admin.GetAsync(path + "/versions?limit=2");
        Assert.Equal(3, (long)(await admin.GetAsync($"{path}/versions?after={(string)page.Body["next"]!}")).Body["items"]![0]!["number"]!);
        foreach (var text in new[] { first.Text, later.Text, versions.Text, await admin.AuditAsync() })
            Assert.DoesNotContain("three", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"payload":"x","activatesAt":"tomorrow"}""", "activatesAt")]
    [InlineData("""{"payload":"x","expiresAt":"2001-01-01T00:00:00Z"}""", "expiresAt")]
    [InlineData("""{"payload":"x","expireAt":"2100-01-01T00:00:00Z"}""", "expireAt")]
    [InlineData("""{"serviceId":"fleet-tracking","payload":"x"}""", "serviceId")]
    public async Task A_wrong_version_is_refused(string json, string param)
    {
        var path = await AddAsync("wrong-" + param, "one");
        Assert.Equal((HttpStatusCode.BadRequest, param), (await admin.PostAsync(path + "/versions", json)) is var a ? (a.Status, a.Param) : default);
    }

    [Fact]
    public async Task Preconditions_are_those_of_HTTP()
    {
        var path = await AddAsync("preconditions", "one");
        Assert.Equal((HttpStatusCode.OK, "\"2\""), await SendAsync(HttpMethod.Put, path, "two", ("If-Match", "\"9\", \"1\"")));
        Assert.Equal((HttpStatusCode.OK, "\"3\""), await SendAsync(HttpMethod.Put, path, "three", ("If-Match", "*")));
        foreach (var none in (string[])["\"1\", \"2\"", "W/\"3\"", "3"])
            Assert.Equal((HttpStatusCode.PreconditionFailed, null), await SendAsync(HttpMethod.Put, path, "four", ("If-Match", none)));
        foreach (var known in (string[])["\"3\"", "\"1\", W/\"3\"", "*"])
            Assert.Equal((HttpStatusCode.NotModified, "\"3\""), await SendAsync(HttpMethod.Get, path, null, ("If-None-Match", known)));
        Assert.Equal((HttpStatusCode.OK, "\"3\""), await SendAsync(HttpMethod.Get, path, null, ("If-None-Match", "\"2\"")));
        Assert.Equal((HttpStatusCode.PreconditionFailed, null), await SendAsync(HttpMethod.Delete, path, null, ("If-Match", "\"1\", \"2\"")));
        Assert.Equal((HttpStatusCode.NoContent, null), await SendAsync(HttpMethod.Delete, path, null, ("If-Match", "\"2\", \"3\"")));

        async Task<(HttpStatusCode, string?)> SendAsync(HttpMethod method, string of, string? payload, (string Name, string Value) header)
        {
            using var request = new HttpRequestMessage(method, "/admin/v1" + of);
            if (payload is not null)
                request.Content = new StringContent($"{{\"payload\":\"{payload}\"}}", Encoding.UTF8, "application/json");
            Assert.True(request.Headers.TryAddWithoutValidation(header.Name, header.Value));
            using var response = await admin.Http.SendAsync(request, TestContext.Current.CancellationToken);
            return (response.StatusCode, response.Headers.ETag?.Tag);
        }
    }

    [Fact]
    public async Task A_record_is_made_by_its_name_when_it_is_not_there()
    {
        var path = "/key-records/" + Id("by-name");
        Assert.Equal((HttpStatusCode.Created, "\"1\""), await PutAsync(path, "one", null, ifNone: true));
        Assert.Equal((HttpStatusCode.OK, "\"1\""), await PutAsync(path, "one", null, ifNone: true));
        Assert.Equal((HttpStatusCode.PreconditionFailed, null), await PutAsync(path, "two", null, ifNone: true));
        Assert.Equal((HttpStatusCode.BadRequest, null), await PutAsync(path, "two", "\"1\"", ifNone: true));
        Assert.Equal((HttpStatusCode.NotFound, null), await PutAsync("/key-records/" + Id("not-there"), "one", "\"1\""));
        Assert.Equal((HttpStatusCode.NotFound, null), await PutAsync("/key-records/eA", "one", null, ifNone: true));
    }

    [Fact]
    public async Task A_removed_record_is_recovered_or_shredded_and_one_in_use_is_not()
    {
        var path = await AddAsync("removed", "one");
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync(path + "/shred")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync(path, "\"1\"")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync(path)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync(path + "/versions")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync("/key-records", """{"serviceId":"pump-control","userId":"removed","payload":"two"}""")).Status);
        var listed = (await admin.GetAsync("/key-records?removed=true&limit=1000")).Body["items"]!.AsArray().Single(r => (string?)r!["userId"] == "removed")!;
        Assert.NotNull((string?)listed["removedAt"]);
        Assert.DoesNotContain((await admin.GetAsync("/key-records?limit=1000")).Body["items"]!.AsArray(), r => (string?)r!["userId"] == "removed");
        Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync(path + "/recover")).Status);
        Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync(path)).Status);
        await admin.DeleteAsync(path);
        Assert.Equal(HttpStatusCode.NoContent, (await admin.PostAsync(path + "/shred")).Status);
        foreach (var verb in (string[])["/shred", "/recover"])
            Assert.Equal(HttpStatusCode.NotFound, (await admin.PostAsync(path + verb)).Status);
        Assert.Equal(HttpStatusCode.Created, (await admin.PostAsync("/key-records", """{"serviceId":"pump-control","userId":"removed","payload":"two"}""")).Status);
        var audit = await admin.AuditAsync();
        foreach (var kind in (string[])["key_record.removed", "key_record.recovered", "key_record.shredded"])
            Assert.Contains(kind, audit, StringComparison.Ordinal);
        Assert.Equal("removed", (await admin.GetAsync("/key-records?removed=maybe")).Param);
    }

    [Fact]
    public async Task What_was_removed_is_shredded_by_the_sweep_when_its_time_is_over_and_not_before()
    {
        await using var server = await TestServer.StartAsync("Seal:RecoveryDays=3");
        var own = new AdminFixtureOf(server);
        var path = "/key-records/" + Id(null);
        Assert.Equal(HttpStatusCode.NoContent, (await own.DeleteAsync(path)).StatusCode);
        var sweeper = server.Server.Application.Services.GetRequiredService<Sweeper>();
        server.Time.Advance(TimeSpan.FromDays(3) - TimeSpan.FromMinutes(1));
        await sweeper.SweepAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, (await own.PostAsync(path + "/recover")).StatusCode);
        await own.DeleteAsync(path);
        // And the two hours by which a clock may be wrong.
        server.Time.Advance(TimeSpan.FromDays(3) + TimeSpan.FromHours(2) + TimeSpan.FromMinutes(1));
        await sweeper.SweepAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.NotFound, (await own.PostAsync(path + "/recover")).StatusCode);
    }

    [Fact]
    public async Task A_key_of_a_VAL_service_that_is_not_registered_is_refused_and_the_answer_says_what_there_is()
    {
        var added = await admin.PostAsync("/key-records", """{"serviceId":"pump-contrl","userId":"a","payload":"x"}""");
        Assert.Equal((HttpStatusCode.BadRequest, "serviceId"), (added.Status, added.Param));
        foreach (var words in (string[])["there is no VAL service pump-contrl (did you mean pump-control?)", "fleet-tracking", "Register it first: keyreeve admin service add"])
            Assert.Contains(words, added.Detail, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.BadRequest, null), await PutAsync("/key-records/" + Base64Url("pump-contrl 3 a"), "x", null, ifNone: true));
        var import = await ImportAsync("""
            {"serviceId":"nowhere","userId":"a","payload":"A"}
            {"serviceId":"pump-control","userId":"beside-nowhere","payload":"A"}
            {"serviceId":"nowhere","userId":"b","payload":"A"}
            """);
        Assert.Equal((HttpStatusCode.OK, 1L, 0L, 0L, 0L), Counts(import));
        Assert.Equal([(1, "serviceId"), (3, "serviceId")], import.Body["refused"]!.AsArray().Select(r => ((int)r!["line"]!, (string?)r["param"])));
        Assert.Empty((await admin.GetAsync("/key-records?serviceId=nowhere")).Body["items"]!.AsArray());
        // Registered a moment ago, it has records at once.
        await RegisterAsync("nowhere");
        Assert.Equal((HttpStatusCode.OK, 1L, 0L, 0L, 0L), Counts(await ImportAsync("""{"serviceId":"nowhere","userId":"a","payload":"A"}""")));
    }

    [Fact]
    public async Task Every_line_of_an_import_has_an_answer_and_the_same_again_changes_nothing()
    {
        await RegisterAsync("import-1");
        var lines = """
            {"serviceId":"import-1","userId":"a","payload":"A"}

            {"serviceId":"import-1","userId":"b","payload":"B","activatesAt":"2100-01-01T00:00:00Z"}
            {"serviceId":"import-1","userId":"a","deviceId":"x","payload":"A"}
            {"serviceId":"import 1","payload":"A"}
            not json
            {"serviceId":"import-1","payload":"of the service"}
            {"serviceId":"import-1","userId":"a","payload":"A again"}
            """;
        var first = await ImportAsync(lines);
        Assert.Equal((HttpStatusCode.OK, 3L, 1L, 0L, 1L), Counts(first));
        Assert.Equal([(4, "userId"), (5, "serviceId"), (6, null)], first.Body["refused"]!.AsArray().Select(r => ((int)r!["line"]!, (string?)r["param"])));
        var again = await ImportAsync(lines);
        // Also the first line, although the record has the payload of its last line since.
        Assert.Equal((HttpStatusCode.OK, 0L, 0L, 4L, 1L), Counts(again));
        Assert.Equal(3, (await admin.GetAsync("/key-records?serviceId=import-1")).Body["items"]!.AsArray().Count);
        Assert.Contains("key_record.imported", await admin.AuditAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain("A again", await admin.AuditAsync() + first.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_import_that_comes_again_takes_no_newer_key_back()
    {
        const string Line = """{"serviceId":"import-3","payload":"imported"}""";
        await RegisterAsync("import-3");
        Assert.Equal((HttpStatusCode.OK, 1L, 0L, 0L, 0L), Counts(await ImportAsync(Line)));
        var path = (string)(await admin.GetAsync("/key-records?serviceId=import-3")).Body["items"]![0]!["id"]!;
        Assert.Equal(HttpStatusCode.OK, (await PutAsync("/key-records/" + path, "newer", "\"1\"")).Item1);
        Assert.Equal((HttpStatusCode.OK, 0L, 0L, 1L, 0L), Counts(await ImportAsync(Line)));
        Assert.Equal((bool[])[false, true], await ActiveAsync("/key-records/" + path));
        // With an activation of its own it is something else, and so is what one puts there oneself.
        Assert.Equal((HttpStatusCode.OK, 0L, 1L, 0L, 0L), Counts(await ImportAsync(Line.Replace("}", ",\"activatesAt\":\"2026-01-01T00:00:00Z\"}", StringComparison.Ordinal))));
        Assert.Equal(HttpStatusCode.OK, (await PutAsync("/key-records/" + path, "newer still", "\"3\"")).Item1);
        Assert.Equal((bool[])[false, false, false, true], await ActiveAsync("/key-records/" + path));
    }

    [Fact]
    public async Task A_version_that_is_over_is_followed_by_what_comes_after_it_and_by_nothing_before_it()
    {
        await using var server = await TestServer.StartAsync();
        var own = new AdminFixtureOf(server);
        var path = "/key-records/" + Id(null);
        var soon = server.Time.GetUtcNow().AddHours(1).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(HttpStatusCode.OK, (await own.PutAsync(path, $$"""{"payload":"short","expiresAt":"{{soon}}"}""", "\"1\"")).StatusCode);
        Assert.Equal((bool[])[false, true], await own.ActiveAsync(path));
        server.Time.Advance(TimeSpan.FromHours(2));
        Assert.Equal((bool[])[false, false], await own.ActiveAsync(path));
        Assert.Equal(HttpStatusCode.OK, (await own.PutAsync(path, """{"payload":"after"}""", "\"2\"")).StatusCode);
        Assert.Equal((bool[])[false, false, true], await own.ActiveAsync(path));
    }

    [Fact]
    public async Task An_import_has_limits()
    {
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await ImportAsync(string.Concat(Enumerable.Repeat("{}\n", 4001)))).Status);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await ImportAsync(new string('x', 1024 * 1024 + 1))).Status);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await ImportAsync("{}", "application/json")).Status);
        var many = await ImportAsync(string.Concat(Enumerable.Repeat("{}\n", 4000)));
        Assert.Equal(4000, many.Body["refused"]!.AsArray().Count);
        var big = await ImportAsync("{\"serviceId\":\"s\",\"payload\":\"" + new string('p', 64 * 1024 + 1) + "\"}\n{\"serviceId\":\"fleet-tracking\",\"userId\":\"limits\",\"payload\":\"p\"}");
        Assert.Equal((1L, "payload"), ((long)big.Body["added"]!, (string)big.Body["refused"]![0]!["param"]!));
    }

    [Fact]
    public async Task A_body_that_is_too_long_has_an_answer_and_the_next_request_too()
    {
        var text = new string('x', 16 * 1024 * 1024);
        for (var round = 0; round < 20; round++)
        {
            using var content = new StringContent(text[..(round % 2 == 0 ? 1024 * 1024 + 1 : text.Length)], Encoding.UTF8, "application/json");
            using var response = await admin.Http.PostAsync("/admin/v1/key-records", content, TestContext.Current.CancellationToken);
            Assert.Equal((HttpStatusCode.RequestEntityTooLarge, null), (response.StatusCode, response.Headers.ConnectionClose));
            Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync("/key-records?limit=1")).Status);
        }
        // More is not read: who waits for 100 Continue hears so before it sends anything.
        using var request = new HttpRequestMessage(HttpMethod.Post, "/admin/v1/key-records") { Content = new StringContent(text + "x", Encoding.UTF8, "application/json") };
        request.Headers.ExpectContinue = true;
        // As long as it takes: after the one second of the default the client would begin to send, and run into the end of the connection.
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(admin.Server.Folder.CaPem);
        using var handler = TlsProfile.CreateHandler(roots, admin.OperatorCertificate);
        handler.Expect100ContinueTimeout = TimeSpan.FromSeconds(60);
        using var patient = new HttpClient(handler) { BaseAddress = admin.Http.BaseAddress };
        using var closed = await patient.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, true), (closed.StatusCode, closed.Headers.ConnectionClose));
    }

    private async Task<bool[]> ActiveAsync(string path) => [.. (await admin.GetAsync(path + "/versions")).Body["items"]!.AsArray().Select(v => (bool)v!["active"]!)];

    private static (HttpStatusCode, long, long, long, long) Counts(Answer answer) =>
        (answer.Status, (long)answer.Body["added"]!, (long)answer.Body["changed"]!, (long)answer.Body["unchanged"]!, (long)answer.Body["empty"]!);

    /// <summary>base64url of "pump-control KIND VALUE", as the admin API names records.</summary>
    private static string Id(string? user) => Base64Url(user is null ? "pump-control 0 " : "pump-control 3 " + user);

    private static string Base64Url(string text) => System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    private async Task RegisterAsync(string service) =>
        Assert.Equal(HttpStatusCode.Created, (await admin.PostAsync("/services", $$"""{"serviceId":"{{service}}","name":"S","audience":"https://s.example"}""")).Status);

    private async Task<string> AddAsync(string user, string payload)
    {
        var made = await admin.PostAsync("/key-records", new JsonObject { ["serviceId"] = "pump-control", ["userId"] = user, ["payload"] = payload }.ToJsonString());
        Assert.Equal(HttpStatusCode.Created, made.Status);
        return "/key-records/" + (string)made.Body["id"]!;
    }

    private async Task<(HttpStatusCode, string?)> PutAsync(string path, string payload, string? etag, bool ifNone = false)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "/admin/v1" + path) { Content = new StringContent($"{{\"payload\":\"{payload}\"}}", Encoding.UTF8, "application/json") };
        if (etag is not null)
            request.Headers.IfMatch.Add(EntityTagHeaderValue.Parse(etag));
        if (ifNone)
            request.Headers.IfNoneMatch.Add(EntityTagHeaderValue.Any);
        using var response = await admin.Http.SendAsync(request, TestContext.Current.CancellationToken);
        return (response.StatusCode, response.Headers.ETag?.Tag);
    }

    private async Task<Answer> ImportAsync(string lines, string mediaType = "application/x-ndjson")
    {
        using var content = new StringContent(lines, Encoding.UTF8, mediaType);
        using var response = await admin.Http.PostAsync("/admin/v1/key-records/import", content, TestContext.Current.CancellationToken);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return new(response.StatusCode, JsonNode.Parse(text)!.AsObject(), null, text);
    }
}
