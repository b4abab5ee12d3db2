using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Seal;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

/// <summary>Profiles in the hands of operators.</summary>
public sealed class ProfileTests(AdminFixture admin) : IClassFixture<AdminFixture>
{
    [Theory]
    [InlineData("""{"serviceId":"pump-control","document":{}}""", "valUserId")]
    [InlineData("""{"serviceId":"pump-control","valUserId":"a","valUeId":"b","document":{}}""", "valUserId")]
    [InlineData("""{"serviceId":"no-such","valUserId":"a","document":{}}""", "serviceId")]
    [InlineData("""{"serviceId":"pump-control","valUserId":"a"}""", "document")]
    [InlineData("""{"serviceId":"pump-control","valUserId":"a","document":"text"}""", "document")]
    [InlineData("""{"serviceId":"pump-control","valUserId":"a","document":{"a":1,"a":2}}""", "document")]
    [InlineData("""{"serviceId":"pump-control","valUserId":"a","documents":{}}""", "documents")]
    public async Task What_is_no_profile_is_refused_by_the_member(string body, string param)
    {
        var answer = await admin.PostAsync("/profiles", body);
        Assert.Equal((HttpStatusCode.BadRequest, param), (answer.Status, answer.Param));
    }

    [Fact]
    public async Task A_document_has_a_limit() =>
        Assert.Equal("document", (await admin.PostAsync("/profiles", """{"serviceId":"pump-control","valUserId":"a","document":{"x":"X"}}""".Replace("X", new string('x', 65536), StringComparison.Ordinal))).Param);

    [Fact]
    public async Task A_profile_is_made_read_replaced_and_removed_by_the_version_that_was_read()
    {
        var made = await admin.PostAsync("/profiles", """{"serviceId":"pump-control","valUserId":"sip:admin-1@val.example","document":{"secret":"plain-to-see"}}""");
        Assert.Equal(HttpStatusCode.Created, made.Status);
        Assert.Null(made.Body["document"]);
        var path = "/profiles/" + (string)made.Body["id"]!;
        var read = await admin.GetAsync(path);
        Assert.Equal(("\"1\"", "plain-to-see"), (read.ETag, (string)read.Body["document"]!["secret"]!));
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync("/profiles", """{"serviceId":"pump-control","valUserId":"sip:admin-1@val.example","document":{}}""")).Status);
        Assert.Equal(HttpStatusCode.PreconditionRequired, (await admin.PutAsync(path, """{"document":{}}""", null)).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await admin.PutAsync(path, """{"document":{}}""", "\"7\"")).Status);
        Assert.Equal("valUserId", (await admin.PutAsync(path, """{"valUserId":"another","document":{}}""", "\"1\"")).Param);
        Assert.Equal("\"2\"", (await admin.PutAsync(path, """{"document":{"b":[1]}}""", "\"1\"")).ETag);
        Assert.Equal("[1]", (await admin.GetAsync(path)).Body["document"]!["b"]!.ToJsonString());
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await admin.DeleteAsync(path, "\"1\"")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync(path, "\"2\"")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync(path)).Status);
    }

    [Fact]
    public async Task Lists_show_who_has_one_and_not_what_it_says()
    {
        var list = await admin.GetAsync("/profiles?serviceId=pump-control&limit=1");
        Assert.Null(Assert.Single(list.Body["items"]!.AsArray())!["document"]);
        Assert.NotNull((string?)list.Body["next"]);
        Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync($"/profiles?serviceId=pump-control&after={(string)list.Body["next"]!}")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.GetAsync("/profiles?after=x")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync("/profiles/x")).Status);
    }

    [Fact]
    [Proves("TS 33.434", "4.1")]
    public async Task In_the_store_a_document_is_sealed_for_its_own_row()
    {
        var (store, kek) = (admin.Server.Server.Application.Services.GetRequiredService<IProfileStore>(), admin.Server.Server.Application.Services.GetRequiredService<Keyreeve.Core.Keys.Kek>());
        var alice = new KmIdentity(KmIdentityKind.User, "sip:alice@val.example");
        var profile = (await store.FindAsync("pump-control", alice, TestContext.Current.CancellationToken))!;
        Assert.DoesNotContain("pumps-north", Encoding.Latin1.GetString(profile.SealedDocument), StringComparison.Ordinal);
        Assert.True(kek.TryOpen(ValProfile.Purpose("pump-control", alice), profile.SealedDocument, out var document));
        Assert.Contains("pumps-north", Encoding.UTF8.GetString(document), StringComparison.Ordinal);
        Assert.False(kek.TryOpen(ValProfile.Purpose("fleet-tracking", alice), profile.SealedDocument, out _));
        Assert.False(kek.TryOpen(ValProfile.Purpose("pump-control", alice with { Kind = KmIdentityKind.Device }), profile.SealedDocument, out _));
    }

    [Fact]
    public async Task What_VAL_servers_provisioned_is_shown_with_the_user_and_cannot_be_written()
    {
        var subject = await admin.AddUserAsync("provisioned-1");
        var user = await admin.GetAsync("/users/" + subject);
        Assert.Empty(user.Body["provisionedServiceIds"]!.AsArray());
        user.Body["provisionedServiceIds"] = new JsonArray("fleet-tracking");
        Assert.Equal(HttpStatusCode.OK, (await admin.PutAsync("/users/" + subject, user.Body.ToJsonString(), user.ETag)).Status);
        Assert.Empty((await admin.GetAsync("/users/" + subject)).Body["provisionedServiceIds"]!.AsArray());
    }
}
