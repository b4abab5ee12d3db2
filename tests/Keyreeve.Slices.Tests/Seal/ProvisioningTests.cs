using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>SS_IdmParameterProvisioning: what a VAL server may write, and that nobody else may.</summary>
[Proves("TS 29.549", "SS_IdmParameterProvisioning")]
public sealed class ProvisioningTests(SealCaller caller) : IClassFixture<SealCaller>
{
    private const string Pump = SealCaller.Pump;
    private const string Fleet = SealCaller.Fleet;

    private static readonly string OneId = """[{"valUserId":"a"}]""";

    public static TheoryData<string, string?> BadDocuments => new()
    {
        { "", null },
        { "null", null },
        { "[]", null },
        { """{"valServerId":"val-server"}""", "/valSvcConf" },
        { """{"valServerId":"val-server","valSvcConf":[]}""", "/valSvcConf" },
        { """{"valServerId":"val-server","valSvcConf":null}""", "/valSvcConf" },
        { """{"valServerId":"val-server","valSvcConf":{}}""", "/valSvcConf" },
        { """{"valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"a"}]}]}""", "/valServerId" },
        { """{"valServerId":7,"valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"a"}]}]}""", "/valServerId" },
        { """{"valServerId":"val-server","valServerId":"x","valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"a"}]}]}""", null },
        { """{"valServerId":"val-server","valSvcConf":[{"idList":[{"valUserId":"a"}]}]}""", "/valSvcConf/0/valServiceId" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control"}]}""", "/valSvcConf/0/idList" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control","idList":[]}]}""", "/valSvcConf/0/idList" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control","idList":[{}]}]}""", "/valSvcConf/0/idList/0" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control","idList":["a"]}]}""", "/valSvcConf/0/idList/0" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"a","valUeId":"b"}]}]}""", "/valSvcConf/0/idList/0" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"a"},{"valUserId":"a"}]}]}""", "/valSvcConf/0/idList/1" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"a\u0000"}]}]}""", "/valSvcConf/0/idList/0/valUserId" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"a"}]},{"valServiceId":"pump-control","idList":[{"valUserId":"b"}]}]}""", "/valSvcConf/1/valServiceId" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"a"}]}],"suppFeat":"g"}""", "/suppFeat" },
        { """{"valServerId":"val-server","valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"a"}]}],"suppFeat":1}""", "/suppFeat" },
    };

    [Theory]
    [MemberData(nameof(BadDocuments))]
    public async Task A_document_that_is_none_is_400_with_the_member_that_is_wrong(string document, string? param) =>
        (await caller.SendAsync(HttpMethod.Post, SealCaller.Configurations, await TokenAsync(), document)).Refused(HttpStatusCode.BadRequest, param);

    [Fact]
    public async Task What_a_peer_can_make_grow_has_limits()
    {
        var token = await TokenAsync();
        (await caller.ProvisionAsync(token, "val-server", (Pump, [.. Enumerable.Range(0, 2001).Select(i => "u" + i)]))).Refused(HttpStatusCode.BadRequest, "/valSvcConf/0/idList");
        (await caller.ProvisionAsync(token, "val-server", [.. Enumerable.Range(0, 201).Select(i => ("s" + i, (string[])["u"]))])).Refused(HttpStatusCode.BadRequest, "/valSvcConf");
        (await caller.ProvisionAsync(token, "val-server", [.. Enumerable.Range(0, 11).Select(s => ("s" + s, Enumerable.Range(0, 200).Select(i => "u" + i).ToArray()))])).Refused(HttpStatusCode.BadRequest, "/valSvcConf/10/idList");
        (await caller.ProvisionAsync(token, "val-server", (Pump, [new string('u', 256)]))).Refused(HttpStatusCode.BadRequest, "/valSvcConf/0/idList/0/valUserId");
        (await caller.SendAsync(HttpMethod.Post, SealCaller.Configurations, token, "{\"x\":\"" + new string('x', 300_000) + "\"}")).Refused(HttpStatusCode.RequestEntityTooLarge);
    }

    [Theory]
    [InlineData("POST", "")]
    [InlineData("POST", "text/plain")]
    [InlineData("POST", "application/merge-patch+json")]
    [InlineData("PUT", "application/merge-patch+json")]
    [InlineData("PATCH", "application/json")]
    [InlineData("PATCH", "application/json-patch+json")]
    public async Task A_body_of_another_media_type_is_415(string method, string type)
    {
        var token = await TokenAsync();
        var path = method == "POST" ? SealCaller.Configurations : (await MakeAsync(token)).Location;
        (await caller.SendAsync(new(method), path, token, SealCaller.Config("val-server", (Pump, ["a"])).ToJsonString(), type)).Refused(HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task Without_a_token_for_provisioning_nothing_is_told()
    {
        var path = (await MakeAsync(await TokenAsync())).Location;
        string[] ofOthers = [await caller.TokenAsync("seal:key_management"), await caller.TokenAsync("seal:user_profile")];
        foreach (var (method, at) in ((string, string)[])[("POST", SealCaller.Configurations), ("GET", SealCaller.Configurations), ("GET", path), ("PUT", path), ("PATCH", path), ("DELETE", path)])
        {
            var body = method is "GET" or "DELETE" ? null : "{}";
            (await caller.SendAsync(new(method), at, null, body)).Refused(HttpStatusCode.Unauthorized);
            foreach (var token in ofOthers)
                (await caller.SendAsync(new(method), at, token, body)).Refused(HttpStatusCode.Unauthorized);
        }
        (await caller.SendAsync(HttpMethod.Get, path, await TokenAsync())).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_user_provisions_nothing_whatever_scope_its_client_was_granted()
    {
        await caller.Host.AddClientAsync(SealCaller.ValServer("user-provisioner", Pump) with
        {
            Grants = [Keyreeve.Core.Identity.GrantType.AuthorizationCode, Keyreeve.Core.Identity.GrantType.ClientCredentials],
            RedirectUris = [OpenId.OpenIdServer.Callback],
            Scopes = Keyreeve.Wire.OAuth.ScopeList.Of(["openid", "seal:identity_provisioning"]),
        });
        var flow = caller.Host.NewFlow("user-provisioner");
        flow.Parameters["scope"] = "openid seal:identity_provisioning";
        var token = (string)(await flow.TokensAsync(caller.Host.NewUser()))["access_token"]!;
        (await caller.ProvisionAsync(token, "user-provisioner", (Pump, ["a"]))).Refused(HttpStatusCode.Forbidden);
        (await caller.SendAsync(HttpMethod.Get, SealCaller.Configurations, token)).Refused(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task A_VAL_server_gives_its_own_services_alone_and_does_not_learn_which_others_there_are()
    {
        var token = await TokenAsync();
        (await caller.ProvisionAsync(token, "val-server", (Pump, ["a"]), (Fleet, ["a"]))).Refused(HttpStatusCode.Forbidden, "/valSvcConf/1/valServiceId");
        (await caller.ProvisionAsync(token, "val-server", (Pump, ["a"]), ("no-such-service", ["a"]))).Refused(HttpStatusCode.Forbidden, "/valSvcConf/1/valServiceId");
        (await caller.ProvisionAsync(token, "fleet-server", (Pump, ["a"]))).Refused(HttpStatusCode.Forbidden, "/valServerId");
        (await caller.ProvisionAsync(await TokenAsync("idle-server"), "idle-server", (Pump, ["a"]))).Refused(HttpStatusCode.Forbidden, "/valSvcConf/0/valServiceId");
    }

    [Fact]
    public async Task Another_VAL_servers_configuration_is_not_there()
    {
        var (token, other) = (await TokenAsync(), await TokenAsync("fleet-server"));
        var made = await MakeAsync(token);
        var nowhere = SealCaller.Configurations + "/AAAAAAAAAAAAAAAAAAAAAA";
        foreach (var path in (string[])[made.Location, nowhere])
        {
            (await caller.SendAsync(HttpMethod.Get, path, other)).Refused(HttpStatusCode.NotFound);
            (await caller.SendAsync(HttpMethod.Put, path, other, SealCaller.Config("fleet-server", (Fleet, ["a"])).ToJsonString())).Refused(HttpStatusCode.NotFound);
            (await caller.SendAsync(HttpMethod.Patch, path, other, "{}", "application/merge-patch+json")).Refused(HttpStatusCode.NotFound);
            (await caller.SendAsync(HttpMethod.Delete, path, other)).Refused(HttpStatusCode.NotFound);
        }
        Assert.Empty((await caller.SendAsync(HttpMethod.Get, SealCaller.Configurations + "?val-server-id=val-server", other)).Is(HttpStatusCode.OK).List);
        Assert.Empty((await caller.SendAsync(HttpMethod.Get, $"{SealCaller.Configurations}?config-ids={made.Location.Split('/')[^1]}", other)).Is(HttpStatusCode.OK).List);
        (await caller.SendAsync(HttpMethod.Get, made.Location, token)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_configuration_is_made_read_listed_replaced_and_removed()
    {
        var token = await TokenAsync();
        var config = SealCaller.Config("val-server", (Pump, ["b", "ue-1", "a"]));
        config["suppFeat"] = "0F";
        var made = (await caller.SendAsync(HttpMethod.Post, SealCaller.Configurations, token, config.ToJsonString())).Is(HttpStatusCode.Created);
        // TS 29.549 defines no feature: what both sides have in common is none.
        config["suppFeat"] = "0";
        Assert.Equal(config.ToJsonString(), made.Json.ToJsonString());
        Assert.StartsWith($"{caller.Server.Issuer}{SealCaller.Configurations}/", made.Location, StringComparison.Ordinal);
        Assert.Equal(config.ToJsonString(), (await caller.SendAsync(HttpMethod.Get, made.Location, token)).Is(HttpStatusCode.OK).Json.ToJsonString());

        var second = await MakeAsync(token);
        string Id(ApiAnswer answer) => answer.Location.Split('/')[^1];
        Assert.True((await ListAsync("")).Count >= 2);
        Assert.Single(await ListAsync("?config-ids=" + Id(made)));
        Assert.Equal(2, (await ListAsync($"?config-ids={Id(made)}&config-ids={Id(second)}&val-server-id=val-server")).Count);
        Assert.Equal(2, (await ListAsync($"?config-ids={Id(made)},{Id(second)}")).Count);
        Assert.Empty(await ListAsync("?config-ids=unknown"));

        var other = SealCaller.Config("val-server", (Pump, ["c"]));
        Assert.Equal(other.ToJsonString(), (await caller.SendAsync(HttpMethod.Put, made.Location, token, other.ToJsonString())).Is(HttpStatusCode.OK).Json.ToJsonString());
        (await caller.SendAsync(HttpMethod.Delete, made.Location, token)).Is(HttpStatusCode.NoContent);
        (await caller.SendAsync(HttpMethod.Get, made.Location, token)).Refused(HttpStatusCode.NotFound);
        (await caller.SendAsync(HttpMethod.Delete, made.Location, token)).Refused(HttpStatusCode.NotFound);
        (await caller.SendAsync(HttpMethod.Put, made.Location, token, other.ToJsonString())).Refused(HttpStatusCode.NotFound);

        async Task<JsonArray> ListAsync(string query) => (await caller.SendAsync(HttpMethod.Get, SealCaller.Configurations + query, token)).Is(HttpStatusCode.OK).List;
    }

    [Theory]
    [InlineData("?config-ids=", "config-ids")]
    [InlineData("?config-ids=a,,b", "config-ids")]
    [InlineData("?val-server-id=a&val-server-id=b", "val-server-id")]
    public async Task A_filter_that_means_nothing_does_not_mean_everything(string query, string param) =>
        (await caller.SendAsync(HttpMethod.Get, SealCaller.Configurations + query, await TokenAsync())).Refused(HttpStatusCode.BadRequest, param);

    [Theory]
    [InlineData("""{"valSvcConf":null}""", "/valSvcConf")]
    [InlineData("""{"valSvcConf":[]}""", "/valSvcConf")]
    [InlineData("""{"valServerId":null}""", "/valServerId")]
    [InlineData("""{"valServerId":"fleet-server"}""", "/valServerId")]
    [InlineData("""{"suppFeat":"x"}""", "/suppFeat")]
    [InlineData("null", null)]
    [InlineData("[]", null)]
    [InlineData("""{"valSvcConf":[{"valServiceId":"pump-control","idList":[{"valUserId":"x"}]}],"valSvcConf":null}""", null)]
    [Proves("RFC 7396", "2")]
    public async Task A_patch_cannot_remove_what_is_required_nor_change_the_owner(string patch, string? param)
    {
        var token = await TokenAsync();
        var made = await MakeAsync(token);
        (await caller.SendAsync(HttpMethod.Patch, made.Location, token, patch, "application/merge-patch+json")).Refused(HttpStatusCode.BadRequest, param);
        Assert.Equal(made.Text, (await caller.SendAsync(HttpMethod.Get, made.Location, token)).Text);
    }

    [Fact]
    [Proves("RFC 7396", "2")]
    public async Task A_patch_replaces_the_members_that_it_names()
    {
        var token = await TokenAsync();
        var made = await MakeAsync(token);
        var patched = (await caller.SendAsync(HttpMethod.Patch, made.Location, token, $$"""{"valSvcConf":[{"valServiceId":"pump-control","idList":{{OneId}}}]}""", "application/merge-patch+json")).Is(HttpStatusCode.OK);
        Assert.Equal(SealCaller.Config("val-server", (Pump, ["a"])).ToJsonString(), patched.Json.ToJsonString());
        Assert.Equal(patched.Text, (await caller.SendAsync(HttpMethod.Patch, made.Location, token, "{}", "application/merge-patch+json")).Is(HttpStatusCode.OK).Text);
        (await caller.SendAsync(HttpMethod.Patch, made.Location, token, $$"""{"valSvcConf":[{"valServiceId":"fleet-tracking","idList":{{OneId}}}]}""", "application/merge-patch+json")).Refused(HttpStatusCode.Forbidden, "/valSvcConf/0/valServiceId");
    }

    [Fact]
    public async Task Who_says_which_version_was_read_changes_no_other_one()
    {
        var token = await TokenAsync();
        var made = await MakeAsync(token);
        var body = SealCaller.Config("val-server", (Pump, ["z"])).ToJsonString();
        Assert.Equal("\"1\"", made.ETag);
        Assert.Equal("\"2\"", (await caller.SendAsync(HttpMethod.Put, made.Location, token, body, "application/json", ("If-Match", "\"1\""))).Is(HttpStatusCode.OK).ETag);
        foreach (var tag in (string[])["\"1\"", "W/\"2\"", "\"x\"", "2"])
        {
            (await caller.SendAsync(HttpMethod.Put, made.Location, token, body, "application/json", ("If-Match", tag))).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
            (await caller.SendAsync(HttpMethod.Patch, made.Location, token, "{}", "application/merge-patch+json", ("If-Match", tag))).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
            (await caller.SendAsync(HttpMethod.Delete, made.Location, token, null, "", ("If-Match", tag))).Refused(HttpStatusCode.PreconditionFailed, "If-Match");
        }
        (await caller.SendAsync(HttpMethod.Delete, made.Location, token, null, "", ("If-Match", "*"))).Is(HttpStatusCode.NoContent);
    }

    private Task<string> TokenAsync(string clientId = "val-server") => caller.TokenAsync("seal:identity_provisioning", clientId);

    private async Task<ApiAnswer> MakeAsync(string token) => (await caller.ProvisionAsync(token, "val-server", (Pump, [caller.NewName(), "ue-" + caller.NewName()]))).Is(HttpStatusCode.Created);
}
