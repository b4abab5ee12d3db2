using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Seal;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>Key records as resources of the VAL server that owns the service: versions, preconditions, removal and recovery, and that nobody else gets in.</summary>
[Proves("TS 33.434", "5.8")]
public sealed class OwnedRecordTests(KeyOwner owner) : IClassFixture<KeyOwner>
{
    [Fact]
    public async Task A_record_is_made_replaced_and_sent_again_without_a_change()
    {
        var user = owner.NewName();
        var made = (await owner.PutAsync(user, "one")).Is(HttpStatusCode.Created);
        Assert.Equal(("\"1\"", user, KeyOwner.Pump), (made.ETag, (string)made.Json["userId"]!, (string)made.Json["serviceId"]!));
        Assert.Equal("\"1\"", (await owner.PutAsync(user, "one")).Is(HttpStatusCode.OK).ETag);
        var changed = (await owner.PutAsync(user, "two")).Is(HttpStatusCode.OK);
        Assert.Equal("\"2\"", changed.ETag);
        Assert.Equal([(1L, false), (2L, true)], changed.Json["keyVersions"]!.AsArray().Select(v => ((long)v!["number"]!, (bool)v["active"]!)));
        Assert.Equal(changed.Text, (await owner.SendAsync(HttpMethod.Get, KeyOwner.PathOf(user))).Is(HttpStatusCode.OK).Text);
        Assert.DoesNotContain("two", changed.Text, StringComparison.Ordinal);
        Assert.Equal("two", await owner.PayloadAsync(user));
    }

    [Fact]
    public async Task A_precondition_that_does_not_hold_is_412_and_one_that_was_fulfilled_before_is_not()
    {
        var user = owner.NewName();
        (await owner.PutAsync(user, "one", "If-Match: \"1\"")).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
        (await owner.PutAsync(user, "one", "If-Match: *")).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
        Assert.Null(await owner.PayloadAsync(user));
        (await owner.PutAsync(user, "one", "If-None-Match: *")).Is(HttpStatusCode.Created);
        (await owner.PutAsync(user, "other", "If-None-Match: *")).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
        (await owner.PutAsync(user, "two", "If-Match: \"1\"")).Is(HttpStatusCode.OK);
        (await owner.PutAsync(user, "three", "If-Match: \"1\"")).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
        (await owner.PutAsync(user, "three", "If-Match: W/\"2\"")).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
        // The answer was lost: what was asked for is there (RFC 9110 13.1.1).
        Assert.Equal("\"2\"", (await owner.PutAsync(user, "two", "If-Match: \"1\"")).Is(HttpStatusCode.OK).ETag);
        Assert.Equal("\"3\"", (await owner.PutAsync(user, "three", "If-Match: *")).Is(HttpStatusCode.OK).ETag);
        (await owner.SendAsync(HttpMethod.Delete, KeyOwner.PathOf(user), etag: "\"2\"")).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
        (await owner.PutAsync(user, "x", "If-None-Match: \"3\"")).Refused(HttpStatusCode.BadRequest, "If-None-Match");
        Assert.Equal("three", await owner.PayloadAsync(user));
    }

    [Fact]
    [Proves("RFC 9110", "13.1.1")]
    public async Task If_Match_may_name_several_versions_and_holds_when_the_one_of_the_moment_is_among_them()
    {
        var user = owner.NewName();
        (await owner.PutAsync(user, "one", "If-None-Match: *")).Is(HttpStatusCode.Created);
        Assert.Equal("\"2\"", (await owner.PutAsync(user, "two", "If-Match: \"7\", \"1\"")).Is(HttpStatusCode.OK).ETag);
        foreach (var none in (string[])["\"7\", \"1\"", "W/\"2\", \"1\"", "2", "\"2", "\"1\", 2", "\"-1\", \"0\""])
            (await owner.PutAsync(user, "three", "If-Match: " + none)).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
        (await owner.SendAsync(HttpMethod.Delete, KeyOwner.PathOf(user), etag: "\"3\", \"4\"")).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
        Assert.Equal("two", await owner.PayloadAsync(user));
        (await owner.SendAsync(HttpMethod.Delete, KeyOwner.PathOf(user), etag: "\"2\", \"4\"")).Is(HttpStatusCode.NoContent);
        // Of what is not there no version is.
        (await owner.PutAsync(owner.NewName(), "one", "If-Match: \"1\", \"0\"")).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
    }

    [Fact]
    [Proves("RFC 9110", "13.1.2")]
    public async Task Who_has_the_version_already_gets_304_unless_it_shows_something_else_by_now()
    {
        await using var own = await KeyOwner.StartAsync();
        var user = own.NewName();
        (await own.PutAsync(user, "one")).Is(HttpStatusCode.Created);
        foreach (var known in (string[])["\"1\"", "W/\"1\"", "\"9\", \"1\"", "*"])
        {
            var same = (await GetAsync(known)).Is(HttpStatusCode.NotModified);
            Assert.Equal(("", "\"1\""), (same.Text, same.ETag));
        }
        foreach (var other in (string[])["\"2\"", "1", ""])
            (await GetAsync(other)).Is(HttpStatusCode.OK);
        // A version for later: known, until it is later.
        var at = own.Caller.Server.Time.GetUtcNow().AddMinutes(1).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
        (await own.Caller.SendAsync(HttpMethod.Put, KeyOwner.PathOf(user), own.Token, $$"""{"payload":"later","activatesAt":"{{at}}"}""")).Is(HttpStatusCode.OK);
        (await GetAsync("\"2\"")).Is(HttpStatusCode.NotModified);
        own.Caller.Server.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.True((bool)(await GetAsync("\"2\"")).Is(HttpStatusCode.OK).Json["keyVersions"]![1]!["active"]!);

        Task<ApiAnswer> GetAsync(string known) => own.Caller.SendAsync(HttpMethod.Get, KeyOwner.PathOf(user), own.Token, null, "", ("If-None-Match", known));
    }

    [Fact]
    public async Task A_VAL_server_makes_as_many_records_as_its_service_may_have_and_no_more_by_either_door()
    {
        const int most = 12;
        await using var few = await KeyOwner.StartAsync($"Seal:MaxRecordsPerService={most}");
        // What is there already counts, whoever made it.
        var there = few.Caller.Server.Demo["keyRecords"]!.AsArray().Count(r => (string)r!["serviceId"]! == KeyOwner.Pump);
        Assert.InRange(there, 1, most - 2);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => few.PutAsync($"sip:many-{i}@val.example", "key")));
        Assert.Equal(most - there, answers.Count(a => a.Status == HttpStatusCode.Created));
        var refused = answers.First(a => a.Status != HttpStatusCode.Created);
        Assert.Equal((HttpStatusCode.Forbidden, "QuotaReached"), (refused.Status, (string?)refused.Json["cause"]));
        Assert.Contains($"as many key records as it may have ({most})", (string)refused.Json["detail"]!, StringComparison.Ordinal);
        (await few.AskAsync(few.Request("sip:by-message@val.example"), few.Token)).Refused("04", 403);
        // A record that is there is changed all the same, and the other VAL service has a number of its own.
        var made = $"sip:many-{Array.FindIndex(answers, a => a.Status == HttpStatusCode.Created)}@val.example";
        (await few.PutAsync(made, "next key")).Is(HttpStatusCode.OK);
        (await few.AskAsync(few.Request(few.NewName(), serviceId: KeyOwner.Fleet), few.FleetToken)).Acknowledged("added");
        // Removed is not shredded. Shredded, it makes room, which is seen when it is counted again.
        (await few.SendAsync(HttpMethod.Delete, KeyOwner.PathOf(made))).Is(HttpStatusCode.NoContent);
        Assert.Equal(HttpStatusCode.Forbidden, (await few.PutAsync("sip:after@val.example", "key")).Status);
    }

    [Fact]
    public async Task Of_many_who_replace_the_same_version_at_once_one_does()
    {
        var user = owner.NewName();
        (await owner.PutAsync(user, "zero")).Is(HttpStatusCode.Created);
        var answers = await Task.WhenAll(Enumerable.Range(1, 8).Select(i => owner.PutAsync(user, "racer " + i, "If-Match: \"1\"")));
        var winner = Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(a => a != winner), a => a.Refused(HttpStatusCode.PreconditionFailed, "If-Match"));
        Assert.Equal("\"2\"", (await owner.SendAsync(HttpMethod.Get, KeyOwner.PathOf(user))).ETag);
        Assert.Equal("racer " + (Array.IndexOf(answers, winner) + 1), await owner.PayloadAsync(user));
        // Without a precondition each has its say, and none is lost: one after the other.
        answers = await Task.WhenAll(Enumerable.Range(1, 4).Select(i => owner.PutAsync(user, "free " + i)));
        Assert.All(answers, a => a.Is(HttpStatusCode.OK));
        Assert.Equal("\"6\"", (await owner.SendAsync(HttpMethod.Get, KeyOwner.PathOf(user))).ETag);
    }

    [Fact]
    public async Task A_removed_record_is_gone_for_all_and_comes_back_with_every_version()
    {
        var user = owner.NewName();
        var path = KeyOwner.PathOf(user);
        (await owner.PutAsync(user, "one")).Is(HttpStatusCode.Created);
        var before = (await owner.PutAsync(user, "two")).Is(HttpStatusCode.OK).Json["keyVersions"]!.ToJsonString();
        (await owner.SendAsync(HttpMethod.Delete, path, etag: "\"2\"")).Is(HttpStatusCode.NoContent);
        (await owner.SendAsync(HttpMethod.Delete, path)).Is(HttpStatusCode.NoContent);
        Assert.Null(await owner.PayloadAsync(user));
        (await owner.SendAsync(HttpMethod.Get, path)).Refused(HttpStatusCode.NotFound);
        Assert.Equal(HttpStatusCode.Conflict, (await owner.PutAsync(user, "three")).Status);
        Assert.Contains((await ListAsync("?removed=true&limit=1000")), r => (string)r["userId"]! == user && r["removedAt"] is not null);
        Assert.DoesNotContain((await ListAsync("?limit=1000")), r => (string?)r["userId"] == user);
        var back = (await owner.SendAsync(HttpMethod.Post, path + "/recover")).Is(HttpStatusCode.OK);
        Assert.Equal(before, back.Json["keyVersions"]!.ToJsonString());
        (await owner.SendAsync(HttpMethod.Post, path + "/recover")).Is(HttpStatusCode.OK);
        Assert.Equal("two", await owner.PayloadAsync(user));
        (await owner.SendAsync(HttpMethod.Delete, KeyOwner.PathOf(owner.NewName()))).Refused(HttpStatusCode.NotFound);
        (await owner.SendAsync(HttpMethod.Post, KeyOwner.PathOf(owner.NewName()) + "/recover")).Refused(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Records_page_by_cursor_without_loss()
    {
        await using var own = await KeyOwner.StartAsync();
        var names = Enumerable.Range(0, 7).Select(i => $"sip:page-{i}@val.example").ToList();
        foreach (var name in names)
            (await own.PutAsync(name, "p")).Is(HttpStatusCode.Created);
        var (found, next) = (new List<string?>(), "");
        do
        {
            var page = (await own.SendAsync(HttpMethod.Get, $"/seal/km/v1/services/{KeyOwner.Pump}/records?limit=3{next}")).Is(HttpStatusCode.OK).Json;
            found.AddRange(page["items"]!.AsArray().Select(r => (string?)r!["userId"]));
            next = (string?)page["next"] is { } cursor ? "&after=" + cursor : null;
        }
        while (next is not null);
        Assert.Equal(names, found.Where(n => n is not null && n.StartsWith("sip:page-", StringComparison.Ordinal)));
        Assert.Equal(found.Count, found.Count - found.GroupBy(n => n).Sum(g => g.Key is null ? 0 : g.Count() - 1));
        foreach (var query in (string[])["?limit=0", "?limit=1001", "?limit=x", "?after=x", "?removed=yes"])
            (await own.SendAsync(HttpMethod.Get, $"/seal/km/v1/services/{KeyOwner.Pump}/records{query}")).Refused(HttpStatusCode.BadRequest, query[1..].Split('=')[0]);
    }

    [Fact]
    public async Task Who_does_not_own_the_service_gets_the_same_answer_whatever_is_there()
    {
        var user = owner.NewName();
        (await owner.PutAsync(user, "mine")).Is(HttpStatusCode.Created);
        foreach (var (method, tail, body) in ((HttpMethod, string, string?)[])[(HttpMethod.Get, "", null), (HttpMethod.Put, "", "{\"payload\":\"x\"}"), (HttpMethod.Put, "", "{"), (HttpMethod.Delete, "", null), (HttpMethod.Post, "/recover", null)])
        {
            var answers = new List<string>();
            foreach (var path in (string[])[KeyOwner.PathOf(user), KeyOwner.PathOf("sip:nobody@val.example"), KeyOwner.PathOf(user, "no-such-service"), $"/seal/km/v1/services/{KeyOwner.Pump}/records/!"])
            {
                var answer = (await owner.Caller.SendAsync(method, path + tail, owner.FleetToken, body)).Refused(HttpStatusCode.Forbidden);
                answer.Json.Remove("instance");
                answers.Add(answer.Text.Replace((string)answer.Json["instance"]!, "", StringComparison.Ordinal));
            }
            Assert.Single(answers.Distinct(StringComparer.Ordinal));
        }
        (await owner.SendAsync(HttpMethod.Get, $"/seal/km/v1/services/{KeyOwner.Pump}/records", owner.FleetToken)).Refused(HttpStatusCode.Forbidden);
        (await owner.SendAsync(HttpMethod.Get, $"/seal/km/v1/services/{KeyOwner.Fleet}/records", owner.FleetToken)).Is(HttpStatusCode.OK);
        foreach (var token in (string?[])["a.b.c", await owner.Caller.TokenAsync("seal:key_management")])
            Assert.NotEqual(HttpStatusCode.OK, (await owner.SendAsync(HttpMethod.Get, KeyOwner.PathOf(user), token)).Status);
        (await owner.Caller.SendAsync(HttpMethod.Get, KeyOwner.PathOf(user), null)).Refused(HttpStatusCode.Unauthorized);
        Assert.Equal("mine", await owner.PayloadAsync(user));
    }

    [Theory]
    [InlineData("{", null)]
    [InlineData("{\"payload\":\"\"}", "payload")]
    [InlineData("{\"payload\":\"p\",\"expireAt\":\"2030-01-01T00:00:00Z\"}", "expireAt")]
    [InlineData("{\"payload\":\"p\",\"expiresAt\":1}", "expiresAt")]
    [InlineData("{\"payload\":\"p\",\"expiresAt\":\"2001-01-01T00:00:00Z\"}", "expiresAt")]
    [InlineData("{\"payload\":\"p\",\"userId\":\"u\"}", "userId")]
    public async Task A_body_that_is_none_is_400_with_the_member_that_is_wrong(string body, string? param)
    {
        var user = owner.NewName();
        (await owner.Caller.SendAsync(HttpMethod.Put, KeyOwner.PathOf(user), owner.Token, body)).Refused(HttpStatusCode.BadRequest, param);
        Assert.Null(await owner.PayloadAsync(user));
        (await owner.Caller.SendAsync(HttpMethod.Put, KeyOwner.PathOf(user), owner.Token, "{\"payload\":\"p\"}", "text/plain")).Refused(HttpStatusCode.UnsupportedMediaType);
    }

    [Theory]
    [InlineData("service")]
    [InlineData("client c")]
    [InlineData("device ue 1")]
    [InlineData("user sip:ä/b%c@val.example")]
    public async Task A_record_has_one_name(string text)
    {
        var name = System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
        Assert.True(KeyRecordName.TryRead(name, out var identity));
        Assert.Equal(name, KeyRecordName.Of(identity.Value));
        foreach (var wrong in (string[])[text, text.ToUpperInvariant(), " " + text, "user", "user ", "service x", "device", "other x", "user a\nb"])
            if (wrong != text || wrong.Length == 0)
                Assert.False(KeyRecordName.TryRead(System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(wrong)), out _), wrong);
        Assert.False(KeyRecordName.TryRead(name + "=", out _));
        Assert.False(KeyRecordName.TryRead(name + "!", out _));
        var put = await owner.Caller.SendAsync(HttpMethod.Put, $"/seal/km/v1/services/{KeyOwner.Pump}/records/{name}", owner.Token, "{\"payload\":\"p\"}");
        Assert.True(put.Status is HttpStatusCode.Created or HttpStatusCode.OK, put.Text);
        Assert.Equal(name, (string)put.Json["record"]!);
    }

    private async Task<List<JsonObject>> ListAsync(string query) =>
        [.. (await owner.SendAsync(HttpMethod.Get, $"/seal/km/v1/services/{KeyOwner.Pump}/records{query}")).Is(HttpStatusCode.OK).Json["items"]!.AsArray().Select(r => r!.AsObject())];
}
