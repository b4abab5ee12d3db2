using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

public sealed class ChangeTests(AdminFixture admin) : IClassFixture<AdminFixture>
{
    [Fact]
    public async Task Of_two_parallel_changes_with_one_ETag_one_wins()
    {
        var subject = await admin.AddUserAsync("racer");
        var read = await admin.GetAsync("/users/" + subject);
        var answers = await Task.WhenAll(Enumerable.Range(0, 2).Select(i => admin.PutAsync("/users/" + subject, $$"""{"username":"racer","displayName":"n{{i}}"}""", read.ETag)));
        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.PreconditionFailed], answers.Select(a => a.Status).Order());
        Assert.Equal("PreconditionFailed", answers.Single(a => a.Status != HttpStatusCode.OK).Cause);
        var winner = (string)answers.Single(a => a.Status == HttpStatusCode.OK).Body["displayName"]!;
        Assert.Equal(winner, (string)(await admin.GetAsync("/users/" + subject)).Body["displayName"]!);
    }

    [Theory]
    [InlineData("/users/u-0000000000000000000000", """{"username":"x"}""")]
    [InlineData("/clients/seal-client", """{"clientId":"seal-client","name":"x"}""")]
    [InlineData("/services/pump-control", """{"serviceId":"pump-control","name":"x","audience":"y"}""")]
    [InlineData("/devices/ue-alice-1", """{"valUeId":"ue-alice-1"}""")]
    [InlineData("/key-records/cHVtcC1jb250cm9sIDAg", """{"payload":"x"}""")]
    public async Task A_change_without_If_Match_is_refused_with_428(string path, string json)
    {
        var answer = await admin.PutAsync(path, json, null);
        Assert.Equal((HttpStatusCode)428, answer.Status);
        Assert.Equal("If-Match", answer.Param);
    }

    [Theory]
    [InlineData("\"99\"")]
    [InlineData("\"0\"")]
    [InlineData("\"x\"")]
    [InlineData("W/\"1\"")]
    public async Task An_ETag_of_another_version_is_refused_with_412(string etag)
    {
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await admin.PutAsync("/devices/ue-bob-1", """{"valUeId":"ue-bob-1"}""", etag)).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await admin.DeleteAsync("/devices/ue-bob-1", etag)).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await admin.PutAsync("/key-records/cHVtcC1jb250cm9sIDAg", """{"payload":"x"}""", etag)).Status);
    }

    [Theory]
    [InlineData("/users", """{"username":"ALICE"}""")]
    [InlineData("/clients", """{"clientId":"seal-client","name":"x","redirectUris":["https://a.example/"]}""")]
    [InlineData("/services", """{"serviceId":"pump-control","name":"x","audience":"y"}""")]
    [InlineData("/devices", """{"valUeId":"ue-alice-1"}""")]
    [InlineData("/key-records", """{"serviceId":"pump-control","payload":"x"}""")]
    public async Task What_exists_already_is_a_conflict(string path, string json) => Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync(path, json)).Status);

    [Fact]
    public async Task An_unknown_member_is_refused_with_the_nearest_known_one()
    {
        var answer = await admin.PostAsync("/users", """{"username":"zed","dispalyName":"Z"}""");
        Assert.Equal((HttpStatusCode.BadRequest, "dispalyName"), (answer.Status, answer.Param));
        Assert.Contains("did you mean displayName?", answer.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"username":"a","username":"b"}""", "RepeatedParameter")]
    [InlineData("""{"username":"a\ud800"}""", "InvalidParameter")]
    [InlineData("""{"username":"a\u0000"}""", "InvalidParameter")]
    [InlineData("""{"username":""}""", "InvalidParameter")]
    [InlineData("""{"username":7}""", "InvalidParameter")]
    [InlineData("""{"username":"a","passwordHash":"x"}""", "InvalidParameter")]
    [InlineData("""{"username":"a","password":"7 chars"}""", "InvalidParameter")]
    [InlineData("""{"username":"a","valServiceIds":["nothing"]}""", "InvalidParameter")]
    [InlineData("""{"username":"a","disabled":"yes"}""", "InvalidParameter")]
    [InlineData("""{}""", "MissingParameter")]
    [InlineData("""[]""", "Malformed")]
    [InlineData("""{"username":"a",}""", "Malformed")]
    [InlineData("""{"valServiceIds":[[[[[[[[[[]]]]]]]]]]}""", "Malformed")]
    public async Task A_wrong_user_is_refused(string json, string cause)
    {
        var answer = await admin.PostAsync("/users", json);
        Assert.Equal((HttpStatusCode.BadRequest, cause), (answer.Status, answer.Cause));
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_refused() =>
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await admin.PostAsync("/users", "{\"username\":\"" + new string('a', 500_000) + "\"}")).Status);

    [Fact]
    public async Task A_percent_encoded_slash_names_the_client_that_was_meant()
    {
        const string json = """{"clientId":"ID","name":"x","redirectUris":["https://a.example/"]}""";
        foreach (var id in (string[])["a/b", "a%2Fb", "a%252Fb"])
            Assert.Equal(HttpStatusCode.Created, (await admin.PostAsync("/clients", json.Replace("ID", id, StringComparison.Ordinal))).Status);
        foreach (var id in (string[])["a/b", "a%2Fb", "a%252Fb"])
            Assert.Equal(id, (string?)(await admin.GetAsync("/clients/" + Uri.EscapeDataString(id))).Body["clientId"]);
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync("/clients/a%2Fb")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync("/clients/a%2Fb")).Status);
        Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync("/clients/a%252Fb")).Status);
    }

    [Fact]
    public async Task Pages_follow_each_other_without_gap_or_repeat()
    {
        for (var i = 0; i < 5; i++)
            await admin.PostAsync("/devices", $$"""{"valUeId":"page {{i}}"}""");
        var seen = new List<string>();
        string? next = "page";
        while (next is not null)
        {
            var page = await admin.GetAsync($"/devices?limit=2&after={Uri.EscapeDataString(next)}");
            seen.AddRange(page.Body["items"]!.AsArray().Select(d => (string)d!["valUeId"]!));
            next = (string?)page.Body["next"];
        }
        Assert.Equal(["page 0", "page 1", "page 2", "page 3", "page 4", "ue-alice-1", "ue-bob-1", "ue-tina-1"], seen);
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.GetAsync("/devices?limit=0")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.GetAsync("/devices?limit=1001")).Status);
        Assert.Equal("aftre", (await admin.GetAsync("/devices?aftre=x")).Param);
    }

    [Fact]
    public async Task A_changed_redirect_URI_takes_effect_at_once()
    {
        var read = await admin.GetAsync("/clients/openid-client");
        var flow = new SealFlow(admin.Server, "openid-client");
        flow.Parameters["scope"] = "openid";
        flow.Parameters["redirect_uri"] = "https://new.example/callback";
        var user = new SimUser(admin.Server);
        Assert.Equal(HttpStatusCode.BadRequest, (await user.GetAsync(flow.AuthorizeAddress)).StatusCode);
        read.Body["redirectUris"] = new JsonArray("https://new.example/callback");
        var changed = await admin.PutAsync("/clients/openid-client", read.Body.ToJsonString(), read.ETag);
        Assert.Equal(HttpStatusCode.OK, changed.Status);
        Assert.Equal(HttpStatusCode.SeeOther, (await user.GetAsync(flow.AuthorizeAddress)).StatusCode);
        flow.Parameters["redirect_uri"] = "http://127.0.0.1:8400/callback";
        Assert.Equal(HttpStatusCode.BadRequest, (await user.GetAsync(flow.AuthorizeAddress)).StatusCode);
        Assert.Contains("changed: redirectUris", await admin.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_is_audited_with_the_operators_thumbprint()
    {
        var subject = await admin.AddUserAsync("audited");
        var thumbprint = Keyreeve.Server.Hosting.OperatorCertificates.ThumbprintOf(admin.OperatorCertificate);
        Assert.Contains((await admin.AuditAsync()).Split('\n'), l => l.Contains(subject, StringComparison.Ordinal) && l.Contains("\"operator:" + thumbprint, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_payload_goes_in_and_never_comes_out()
    {
        const string first = "payload-one-5f1d", second = "payload-two-9c3e";
        var made = await admin.PostAsync("/key-records", $$"""{"serviceId":"fleet-tracking","userId":"sip:bob@val.example","payload":"{{first}}"}""");
        Assert.Equal(HttpStatusCode.Created, made.Status);
        var path = "/key-records/" + made.Body["id"];
        var changed = await admin.PutAsync(path, $$"""{"payload":"{{second}}"}""", made.ETag);
        Assert.Equal(HttpStatusCode.OK, changed.Status);
        var texts = new[] { made.Text, changed.Text, (await admin.GetAsync(path)).Text, (await admin.GetAsync("/key-records")).Text, (await admin.GetAsync("/key-records?serviceId=fleet-tracking")).Text, await admin.AuditAsync() };
        foreach (var text in texts)
        {
            Assert.DoesNotContain(first, text, StringComparison.Ordinal);
            Assert.DoesNotContain(second, text, StringComparison.Ordinal);
            Assert.DoesNotContain("payload\":", text, StringComparison.Ordinal);
        }
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync(path)).Status);
        // A record that is gone does not come back by a change of it.
        Assert.Equal(HttpStatusCode.NotFound, (await admin.PutAsync(path, """{"payload":"x"}""", "\"0\"")).Status);
    }

    [Theory]
    [InlineData("""{"serviceId":"s","userId":"a","deviceId":"b","payload":"x"}""", "userId")]
    [InlineData("""{"serviceId":"s p","payload":"x"}""", "serviceId")]
    [InlineData("""{"serviceId":"s"}""", "payload")]
    public async Task A_wrong_key_record_is_refused(string json, string param)
    {
        var answer = await admin.PostAsync("/key-records", json);
        Assert.Equal((HttpStatusCode.BadRequest, param), (answer.Status, answer.Param));
    }
}
