using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>SEAL KP Requests (V18 clause 5.8): who may provision, in which order it is decided, what is acknowledged, and what stays behind.</summary>
[Proves("TS 33.434", "5.8")]
public sealed class KpRequestTests(KeyOwner owner) : IClassFixture<KeyOwner>
{
    [Fact]
    public async Task What_is_acknowledged_is_given_out_and_asking_again_changes_nothing()
    {
        var user = owner.NewName();
        var answer = (await owner.AskAsync(owner.Request(user, "one"), owner.Token)).Acknowledged("added");
        Assert.Equal((user, KeyOwner.Pump, "skms-1", owner.SKmsUri, $"{owner.Caller.Server.Issuer}/clients/val-server", owner.Now),
            ((string?)answer.Json["userId"], (string?)answer.Json["serviceId"], (string?)answer.Json["sKmsId"], (string?)answer.Json["sKmsUri"], (string?)answer.Json["userUri"], (long)answer.Json["dateTime"]!));
        Assert.Equal("one", await owner.PayloadAsync(user));
        (await owner.AskAsync(owner.Request(user, "one"), owner.Token)).Acknowledged("unchanged");
        (await owner.AskAsync(owner.Request(user, "two"), owner.Token)).Acknowledged("changed");
        Assert.Equal("two", await owner.PayloadAsync(user));
        (await owner.DoAsync("remove", user)).Acknowledged("removed");
        Assert.Null(await owner.PayloadAsync(user));
        (await owner.DoAsync("remove", user)).Acknowledged("unchanged");
        // What can still be recovered is not written over.
        (await owner.AskAsync(owner.Request(user, "three"), owner.Token)).Refused("04", 400);
        (await owner.DoAsync("recover", user)).Acknowledged("recovered");
        (await owner.DoAsync("recover", user)).Acknowledged("unchanged");
        Assert.Equal("two", await owner.PayloadAsync(user));
    }

    [Fact]
    public async Task One_VAL_service_client_device_or_user_is_provisioned_at_a_time()
    {
        foreach (var member in (string?[])["clientId", "deviceId", "userId"])
        {
            var request = owner.Request(null, "of " + member);
            request[member!] = "kp-1";
            Assert.Equal("kp-1", (string?)(await owner.AskAsync(request, owner.Token)).Acknowledged("added").Json[member!]);
        }
        (await owner.AskAsync(owner.Request(null, "of the service"), owner.Token)).Acknowledged("changed");
        var two = owner.Request("kp-1", "x");
        two["deviceId"] = "kp-1";
        (await owner.AskAsync(two, owner.Token)).Refused("04", 400);
    }

    [Fact]
    public async Task A_version_for_later_is_given_out_when_its_time_has_come_and_not_after_its_end()
    {
        await using var own = await KeyOwner.StartAsync();
        var user = own.NewName();
        (await own.AskAsync(own.Request(user, "now"), own.Token)).Acknowledged("added");
        var later = own.Request(user, "later");
        (later["activatesAt"], later["expiresAt"]) = (own.Now + 10, own.Now + 20);
        (await own.AskAsync(later, own.Token)).Acknowledged("changed");
        Assert.Equal("now", await own.PayloadAsync(user));
        own.Caller.Server.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("later", await own.PayloadAsync(user));
        own.Caller.Server.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Null(await own.PayloadAsync(user)); // what it has superseded does not come back
    }

    [Fact]
    public async Task Without_a_token_scoped_for_provisioning_the_request_is_rejected_and_the_challenge_says_why()
    {
        var user = owner.NewName();
        Assert.Equal("Bearer realm=\"keyreeve\"", (await owner.AskAsync(owner.Request(user), null)).Refused("03", 401).Answer.Headers["WWW-Authenticate"]);
        (await owner.AskAsync(owner.Request(user), "a.b.c")).Refused("03", 401);
        (await owner.AskAsync(owner.Request(user), KmDoor.Changed(owner.Token))).Refused("03", 401);
        // The same audience, another right.
        Assert.Equal("Bearer realm=\"keyreeve\", error=\"insufficient_scope\", scope=\"seal:key_provisioning\"",
            (await owner.AskAsync(owner.Request(user), await owner.Caller.TokenAsync("seal:key_management"))).Refused("03", 401).Answer.Headers["WWW-Authenticate"]);
        (await owner.AskAsync(owner.Request(user), await owner.Caller.TokenAsync("seal:identity_provisioning"))).Refused("03", 401);
        Assert.Null(await owner.PayloadAsync(user));
    }

    [Fact]
    public async Task The_scope_without_SKeyProv_is_no_right_to_provision()
    {
        await owner.Caller.Host.AddClientAsync(SealCaller.ValServer("kp-user-client", KeyOwner.Pump) with
        {
            Grants = [GrantType.AuthorizationCode],
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["openid", "seal:key_provisioning", "seal:key_management"]),
        });
        var flow = owner.Caller.Host.NewFlow("kp-user-client");
        flow.Parameters["scope"] = "openid seal:key_provisioning";
        var token = (string)(await flow.TokensAsync(owner.Caller.Host.NewUser()))["access_token"]!;
        Assert.Contains("seal:key_provisioning", (string)OpenIdServer.ClaimsOf(token)["scope"]!, StringComparison.Ordinal);
        Assert.Null(OpenIdServer.ClaimsOf(token)["SKeyProv"]);
        var user = owner.NewName();
        var answer = (await owner.AskAsync(owner.Request(user), token)).Refused("03", 401);
        Assert.Contains("insufficient_scope", answer.Answer.Headers["WWW-Authenticate"], StringComparison.Ordinal);
        (await owner.PutAsync(user, "x", token: token)).Refused(HttpStatusCode.Forbidden);
        Assert.Null(await owner.PayloadAsync(user));
    }

    [Theory]
    [InlineData("sKmsUri", "\"https://other.example/seal/km\"", 403)]
    [InlineData("dateTime", "NOW-6", 403)]
    [InlineData("dateTime", "NOW+6", 403)]
    [InlineData("dateTime", "\"NOW\"", 400)]
    [InlineData("version", "\"2.0.0\"", 400)]
    [InlineData("payload", "\"\"", 400)]
    [InlineData("payload", "7", 400)]
    [InlineData("expiresAt", "1", 400)]
    [InlineData("expires", "1", 400)]
    [InlineData("serviceId", "\"fleet-tracking\"", 403)]
    [InlineData("serviceId", "\"no-such-service\"", 403)]
    public async Task A_request_that_is_wrong_in_one_thing_is_not_validated_and_changes_nothing(string member, string value, int status)
    {
        var user = owner.NewName();
        var request = owner.Request(user);
        var text = value.StartsWith("NOW", StringComparison.Ordinal)
            ? (owner.Now + int.Parse(value[3..], System.Globalization.CultureInfo.InvariantCulture)).ToString(System.Globalization.CultureInfo.InvariantCulture)
            : value.Replace("NOW", owner.Now.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
        request[member] = JsonNode.Parse(text);
        (await owner.AskAsync(request, owner.Token)).Refused("04", status);
        Assert.Null(await owner.PayloadAsync(user));
    }

    [Fact]
    public async Task A_request_is_good_once_and_a_key_request_does_not_use_it_up()
    {
        var user = owner.NewName();
        var request = owner.Request(user, "first");
        (await owner.AskAsync(request, owner.Token)).Acknowledged("added");
        (await owner.AskAsync(request, owner.Token)).Refused("04", 403);
        // The payload does not make it another request: a new one has a new requestId.
        request["payload"] = "second";
        (await owner.AskAsync(request, owner.Token)).Refused("04", 403);
        Assert.Equal("first", await owner.PayloadAsync(user));
        request.Remove("payload");
        var both = await owner.Caller.TokenAsync("seal:key_management seal:key_provisioning");
        var asked = await owner.Caller.SendAsync(HttpMethod.Post, "/seal/km/v1/requests", both, request.ToJsonString());
        Assert.Equal("first", (string?)asked.Is(HttpStatusCode.OK).Json["payload"]);
    }

    [Fact]
    public async Task The_earliest_fault_decides()
    {
        var everything = owner.Request(owner.NewName(), "x", KeyOwner.Fleet);
        (everything["dateTime"], everything["sKmsUri"]) = (owner.Now - 60, "https://other.example/");
        (await owner.AskAsync(everything, "a.b.c")).Refused("03", 401);
        (await owner.AskAsync("{", null)).Refused("03", 401);
        (await owner.AskAsync("{", owner.Token)).Refused("04", 400);
        (await owner.AskAsync(everything.ToJsonString(), owner.Token, "text/plain")).Refused("04", 400);
        (await owner.AskAsync(everything, owner.Token)).Refused("04", 403);
        Assert.Contains(owner.Caller.Log.All, l => l.StartsWith("km.provision refused: WrongSKmsUri", StringComparison.Ordinal));
        everything["sKmsUri"] = owner.SKmsUri;
        (await owner.AskAsync(everything, owner.Token)).Refused("04", 403);
        Assert.Contains(owner.Caller.Log.All, l => l.StartsWith("km.provision refused: OutsideTimeWindow", StringComparison.Ordinal));
        everything["dateTime"] = owner.Now;
        (await owner.AskAsync(everything, owner.Token)).Refused("04", 403);
        Assert.Contains(owner.Caller.Log.All, l => l.StartsWith("km.provision refused: NotOwner", StringComparison.Ordinal));
        (await owner.AskAsync(everything, owner.Token)).Refused("04", 403);
        Assert.Contains(owner.Caller.Log.All, l => l.StartsWith("km.provision refused: Replayed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_does_not_own_the_service_does_not_learn_what_is_there()
    {
        var user = owner.NewName();
        (await owner.AskAsync(owner.Request(user), owner.Token)).Acknowledged("added");
        var answers = new List<string>();
        foreach (var (service, name) in ((string, string)[])[(KeyOwner.Pump, user), (KeyOwner.Pump, "sip:nobody@val.example"), ("no-such-service", user)])
            foreach (var operation in (string[])["set", "remove", "recover"])
            {
                var request = owner.Request(name, operation == "set" ? "x" : null, service);
                request["operation"] = operation;
                var answer = (await owner.AskAsync(request, owner.FleetToken)).Refused("04", 403).Json;
                answer.Remove("serviceId");
                answer.Remove("userId");
                answers.Add(answer.ToJsonString());
            }
        Assert.Single(answers.Distinct(StringComparer.Ordinal));
        Assert.Equal("payload", await owner.PayloadAsync(user));
        // The owner is told.
        (await owner.DoAsync("remove", owner.NewName())).Refused("02", 404);
        (await owner.DoAsync("recover", owner.NewName())).Refused("02", 404);
    }

    [Fact]
    public async Task A_VAL_server_that_lost_the_service_or_was_switched_off_provisions_nothing_with_the_token_it_has()
    {
        await using var own = await KeyOwner.StartAsync();
        await own.Caller.Host.ChangeClientAsync("val-server", c => c with { OwnedServices = [] });
        (await own.AskAsync(own.Request(own.NewName()), own.Token)).Refused("04", 403);
        (await own.PutAsync(own.NewName(), "x")).Refused(HttpStatusCode.Forbidden);
        // A service that it was given since is in no token from before.
        await own.Caller.Host.ChangeClientAsync("val-server", c => c with { OwnedServices = [KeyOwner.Pump, KeyOwner.Fleet] });
        (await own.AskAsync(own.Request(own.NewName(), serviceId: KeyOwner.Fleet), own.Token)).Refused("04", 403);
        (await own.AskAsync(own.Request(own.NewName()), own.Token)).Acknowledged("added");
        await own.Caller.Host.ChangeClientAsync("val-server", c => c with { Disabled = true });
        Assert.NotEqual(HttpStatusCode.OK, (await own.AskAsync(own.Request(own.NewName()), own.Token)).Answer.Status);
    }

    [Fact]
    public async Task A_long_payload_is_taken_and_one_that_is_too_long_is_not()
    {
        var user = owner.NewName();
        (await owner.AskAsync(owner.Request(user, new string('p', 64 * 1024)), owner.Token)).Acknowledged("added");
        Assert.Equal(64 * 1024, (await owner.PayloadAsync(user))!.Length);
        (await owner.AskAsync(owner.Request(user, new string('p', 64 * 1024 + 1)), owner.Token)).Refused("04", 400);
        // Before the token is judged, nothing long is read: so nothing of it is echoed.
        Assert.False((await owner.AskAsync(owner.Request(user, new string('p', 64 * 1024)), null)).Refused("03", 401).Json.ContainsKey("userId"));
        Assert.True((await owner.AskAsync(owner.Request(user, "short"), null)).Refused("03", 401).Json.ContainsKey("userId"));
        (await owner.AskAsync("{\"payload\":\"" + new string('p', 200_000) + "\"}", owner.Token)).Refused("04", 400);
    }

    [Fact]
    public async Task Each_change_is_in_the_audit_with_who_and_which_record_and_no_payload_is_anywhere()
    {
        var user = owner.NewName();
        (await owner.AskAsync(owner.Request(user, "never-to-be-seen"), owner.Token)).Acknowledged("added");
        (await owner.DoAsync("remove", user)).Acknowledged("removed");
        (await owner.AskAsync(owner.Request(user, "never-to-be-seen"), owner.FleetToken)).Refused("04", 403);
        var name = $"key_records/12:pump-control/3/{user.Length}:{user}";
        await owner.Caller.Server.WaitForAsync(async () => (await AuditText.OfAsync(owner.Caller.Host)).Split('\n').Count(l => l.Contains(name, StringComparison.Ordinal) && l.Contains("km.provision", StringComparison.Ordinal)) == 3);
        var audit = await AuditText.OfAsync(owner.Caller.Host);
        var lines = audit.Split('\n').Where(l => l.Contains(name, StringComparison.Ordinal) && l.Contains("km.provision", StringComparison.Ordinal)).Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal([("Changed", "val-server", "set"), ("Changed", "val-server", "remove"), ("Refused", "fleet-owner", "NotOwner")],
            lines.Select(l => ((string)l["outcome"]!, (string)l["actor"]!, ((string)l["detail"]!).Split(':')[0])));
        Assert.DoesNotContain("never-to-be-seen", audit + string.Join('\n', owner.Caller.Log.All), StringComparison.Ordinal);
        // Logs name no VAL user (TS 33.434 4.1-e).
        Assert.DoesNotContain(owner.Caller.Log.All, l => l.StartsWith("km.provision", StringComparison.Ordinal) && l.Contains(user, StringComparison.Ordinal));
    }
}
