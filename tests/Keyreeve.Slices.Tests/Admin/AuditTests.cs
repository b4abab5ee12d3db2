using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

/// <summary>The audit through the admin API.</summary>
public sealed class AuditTests(AdminFixture admin) : IClassFixture<AdminFixture>
{
    private async Task<List<JsonNode>> ListAsync(string query)
    {
        var items = new List<JsonNode>();
        string? next = null;
        do
        {
            var page = await admin.GetAsync($"/audit?limit=3{query}{(next is null ? "" : "&after=" + Uri.EscapeDataString(next))}");
            Assert.Equal(HttpStatusCode.OK, page.Status);
            items.AddRange(page.Body["items"]!.AsArray().Select(i => i!));
            next = (string?)page.Body["next"];
        }
        while (next is not null);
        return items;
    }

    private async Task<string> ExportAsync(string query = "")
    {
        using var response = await admin.Http.GetAsync("/admin/v1/audit/export" + query, TestContext.Current.CancellationToken);
        Assert.Equal("application/x-ndjson", response.Content.Headers.ContentType?.MediaType);
        return await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task An_operator_finds_what_was_done_to_a_user_and_by_whom()
    {
        var subject = await admin.AddUserAsync("audited");
        await admin.PostAsync($"/users/{subject}/disable");
        var found = await ListAsync("&subject=" + subject + "&kind=user.");
        Assert.True(found.Count >= 2);
        Assert.All(found, line =>
        {
            Assert.Equal((subject, "Changed"), ((string)line["subject"]!, (string)line["outcome"]!));
            Assert.StartsWith("operator:", (string)line["actor"]!, StringComparison.Ordinal);
        });
        Assert.Equal(found.Select(l => (long)l["seq"]!).OrderDescending(), found.Select(l => (long)l["seq"]!));
        var one = found[0];
        Assert.Contains((string)one["hash"]!, (await ListAsync("&correlationId=" + Uri.EscapeDataString((string)one["correlationId"]!))).Select(l => (string)l["hash"]!));
        Assert.Empty(await ListAsync($"&subject={subject}&to=2020-01-01T00:00:00Z"));
        Assert.Equal(found.Count, (await ListAsync($"&subject={subject}&kind=user.&from=2020-01-01T00:00:00%2B02:00")).Count);
    }

    [Fact]
    public async Task Whoever_reads_the_audit_stands_in_it()
    {
        await admin.GetAsync("/audit?kind=nobody.ever");
        await admin.Server.WaitForAsync(async () => (await admin.GetAsync("/audit?kind=audit.read")).Body["items"]!.AsArray().Any(i => (string?)i!["detail"] == "list kind=nobody.ever"));
    }

    [Theory]
    [InlineData("from=yesterday", "from")]
    [InlineData("to=2026-01-01", "to")]
    [InlineData("from=2026-01-01T00:00:00", "from")]
    [InlineData("outcome=maybe", "outcome")]
    [InlineData("outcome=1", "outcome")]
    [InlineData("kind=", "kind")]
    [InlineData("kind=a&kind=b", "kind")]
    [InlineData("after=x", "after")]
    [InlineData("limit=1001", "limit")]
    [InlineData("subjct=x", "subjct")]
    public async Task A_filter_that_is_wrong_is_named_and_never_means_everything(string query, string param)
    {
        var answer = await admin.GetAsync("/audit?" + query);
        Assert.Equal((HttpStatusCode.BadRequest, param), (answer.Status, answer.Param));
    }

    [Fact]
    public async Task An_export_verifies_off_line_and_a_changed_one_does_not()
    {
        await admin.AddUserAsync("exported");
        var export = await ExportAsync();
        var walk = AuditExportVerification.Walk(() => new StringReader(export), []);
        Assert.Null(walk.BrokenAt);
        Assert.NotEqual(0, walk.Lines);
        Assert.NotNull(AuditExportVerification.Walk(() => new StringReader(export.Replace("user.created", "user.creatid", StringComparison.Ordinal)), []).BrokenAt);
        var rest = await ExportAsync($"?node=node-1&after=node-1:{walk.Lines}");
        Assert.Null(AuditExportVerification.Walk(() => new StringReader(rest), []).BrokenAt);
        Assert.DoesNotContain("ca.made", rest, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.GetAsync("/audit/export?after=node-1")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.GetAsync("/audit/export?after=node-1:1&after=node-1:2")).Status);
    }
}
