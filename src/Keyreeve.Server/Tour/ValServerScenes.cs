using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Client;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Tour;

/// <summary>
/// The scenes of a VAL server that speaks for itself: key material by both doors, identities that it provisions, and profiles (TS 29.549).
/// Each gives null, or why the tour cannot go on.
/// </summary>
internal sealed class ValServerScenes(DemoCast cast, string issuer, TourTunnel tunnel, TourHttp http, TourPrinter print, TourSpoil spoil, TimeProvider clock)
{
    private static readonly TimeSpan Leeway = TimeSpan.FromSeconds(5);

    /// <summary>Figure 5.3.1-1 once more, with the SKM-C in a VAL server.</summary>
    internal async Task<TourStop?> ManageKeysAsync(CancellationToken cancel)
    {
        print.Figure("5.3.1", "SEAL key management procedure, the SKM-C in a VAL server");
        print.Step("5.3.1", 1, "SKM-C establishes a secure connection to the SKM-S, and has a token of its own");
        var (stop, token) = await TokenAsync("seal:key_management", cancel);
        if (token is null)
            return stop;
        print.Token("access token of the VAL server", token);

        print.Step("5.3.1", 2, "SKM-C sends a SEAL KM Request, and a GET of TS 29.549 SS_KeyInfoRetrieval");
        var skm = new SkmClient(tunnel.Http, new Uri(issuer + "/seal/km/v1/requests"), cast.SKmsUri, Leeway, clock);
        var message = await skm.SendAsync(skm.NewRequest(cast.User.ServiceId, new(KmIdentityKind.User, cast.User.ValUserId)), token, cancel);
        var service = spoil == TourSpoil.ForeignService ? "fleet-tracking" : cast.User.ServiceId;
        var retrieved = await GetAsync("/ss-kir/v1/key-records", [("val-service-id", service), ("val-tgt-ue", new JsonObject { ["valUserId"] = cast.User.ValUserId }.ToJsonString())], token, cancel);

        print.Step("5.3.1", 3, "SKM-S authorizes the request: the VAL server has the records of the VAL services it owns, and no others");
        if (message is not SkmAnswer.KeyMaterial { Response.Payload: { } payload } || payload != cast.User.Payload)
            return new("a SEAL KM Response with the payload of the record", "another answer");
        print.Held($"by the message: {Size(payload)}");
        if (retrieved.Status != 200 || retrieved.Text("keyInfo") is not { } keyInfo)
            return new("HTTP 200 with keyInfo from SS_KeyInfoRetrieval", retrieved.Describe());
        if (!Base64Url.IsValid(keyInfo) || Encoding.UTF8.GetString(Base64Url.DecodeFromChars(keyInfo)) != payload)
            return new("the same key material by both doors", "another");
        print.Held("by SS_KeyInfoRetrieval: the same, as keyInfo");
        var foreign = await GetAsync("/ss-kir/v1/key-records", [("val-service-id", "fleet-tracking")], token, cancel);
        if (foreign.Status != 403 || foreign.Text("errorCode") != "04")
            return new("HTTP 403 with errorCode 04 for a VAL service of somebody else", foreign.Describe());
        print.Held("a VAL service of somebody else: refused, errorCode 04 under HTTP 403");
        return null;
    }

    /// <summary>Clause 5.8 of Release 18: the VAL server provisions the key material that its users' SKM-Cs then ask for.</summary>
    internal async Task<TourStop?> ProvisionKeysAsync(CancellationToken cancel)
    {
        var visitor = new KmIdentity(KmIdentityKind.User, "sip:visitor@val.example");
        var payload = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        print.Figure("5.8", "SEAL key provisioning (Release 18)");
        print.Step("5.8", 1, "the SKM-C in the VAL server has a token for key provisioning; it says SKeyProv");
        var (stop, provisioning) = await TokenAsync("seal:key_provisioning", cancel);
        if (provisioning is null)
            return stop;
        print.Token("access token of the VAL server", provisioning);
        (stop, var asking) = await TokenAsync("seal:key_management", cancel);
        if (asking is null)
            return stop;

        print.Step("5.8", 2, "SKM-C sends a SEAL KP Request, SKM-S acknowledges what is on its disk");
        if (await SendAsync("set", "added") is { } unset)
            return unset;
        if (await AskAsync() is not SkmAnswer.KeyMaterial { Response.Payload: { } given } || given != payload)
            return new("the payload that was provisioned", "another answer");
        print.Held($"a SEAL KM Request has it: {Size(given)}");
        if (await SendAsync("set", "unchanged") is { } unrepeated)
            return unrepeated;

        print.Step("5.8", 3, "it takes the record away, for as long as it can be recovered");
        if (await SendAsync("remove", "removed") is { } unremoved)
            return unremoved;
        if (await AskAsync() is not SkmAnswer.Refused { Code: KmErrorCode.NotAvailable })
            return new("errorCode 02 for a removed record", "another answer");
        print.Held("a SEAL KM Request finds nothing: errorCode 02 under HTTP 404");
        var refused = await PostAsync("set", asking);
        if (refused.Status != 401 || refused.Text("errorCode") != "03")
            return new("HTTP 401 with errorCode 03 for a token without SKeyProv", refused.Describe());
        print.Held("a token without SKeyProv provisions nothing: errorCode 03 under HTTP 401");
        return null;

        async Task<SkmAnswer> AskAsync()
        {
            var skm = new SkmClient(tunnel.Http, new Uri(issuer + "/seal/km/v1/requests"), cast.SKmsUri, Leeway, clock);
            return await skm.SendAsync(skm.NewRequest(cast.User.ServiceId, visitor), asking, cancel);
        }

        Task<TourAnswer> PostAsync(string operation, TokenText token)
        {
            var request = new JsonObject
            {
                ["version"] = "1.0.0",
                ["sKmsUri"] = cast.SKmsUri,
                ["serviceId"] = cast.User.ServiceId,
                ["userId"] = visitor.Value,
                ["dateTime"] = clock.GetUtcNow().ToUnixTimeSeconds(),
                ["requestId"] = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16)),
                ["operation"] = operation,
            };
            if (operation == "set")
                request["payload"] = payload;
            return http.SendAsync(HttpMethod.Post, issuer + "/seal/km/v1/provisioning", token.Reveal(), request, null, cancel);
        }

        async Task<TourStop?> SendAsync(string operation, string expected)
        {
            var answer = await PostAsync(operation, provisioning);
            if (answer.Status != 200 || answer.Text("result") != expected)
                return new($"HTTP 200 with result {expected}", answer.Describe());
            print.Held($"{operation}: {expected}");
            return null;
        }
    }

    /// <summary>"the SIM-S is provisioned with the VAL user ID and VAL service ID(s)": what is provisioned, the next token says.</summary>
    internal async Task<TourStop?> ProvisionAsync(TokenSet tokens, SimClient simC, TourOperator operators, CancellationToken cancel)
    {
        const string service = "night-watch";
        print.Figure("5.2.3", "Identity management functional model: provisioning by a VAL server");
        print.Step("5.2.3", 0, "an operator gives the VAL server a new VAL service");
        if (await operators.DoAsync(HttpMethod.Post, "services", new() { ["serviceId"] = service, ["name"] = "Night watch", ["audience"] = cast.ValServer.Audience }, cancel) is { } unmade)
            return unmade;
        if (await operators.ChangeAsync("clients/" + cast.ValServer.ClientId, client => client["ownedServices"]!.AsArray().Add(service), cancel) is { } unchanged)
            return unchanged;
        print.Held($"{cast.ValServer.ClientId} owns {service}; nobody has it yet");

        print.Step("5.2.3", 0, "the VAL server provisions an identity (TS 29.549 SS_IdmParameterProvisioning)");
        var (stop, token) = await TokenAsync("seal:identity_provisioning", cancel);
        if (token is null)
            return stop;
        var made = await http.SendAsync(HttpMethod.Post, issuer + "/ss-ipp/v1/configurations", token.Reveal(), new JsonObject
        {
            ["valServerId"] = cast.ValServer.ClientId,
            ["valSvcConf"] = new JsonArray(new JsonObject { ["valServiceId"] = service, ["idList"] = new JsonArray(new JsonObject { ["valUserId"] = cast.User.ValUserId }) }),
        }, null, cancel);
        if (made.Status != 201 || made.Location is not { } configuration)
            return new("HTTP 201 with a Location", made.Describe());
        print.Facts(("valUserId", cast.User.ValUserId), ("valServiceId", service), ("configuration", configuration));
        if (!(await simC.RefreshAsync(tokens, null, cancel)).Succeeded(out var renewed, out var failure))
            return SealScenes.StopOf("an access token response", failure);
        if (!renewed.IdToken.Claims.GetStrings("val_service_ids").Contains(service))
            return new($"val_service_ids with {service} in the next ID token", string.Join(", ", renewed.IdToken.Claims.GetStrings("val_service_ids")));
        print.Held($"the next tokens say so: val_service_ids [{string.Join(", ", renewed.IdToken.Claims.GetStrings("val_service_ids"))}]");
        if (!await IsActiveAsync(renewed.AccessToken, cancel))
            return new("active: true from introspection", "active: false");

        print.Step("5.2.3", 0, "the VAL server takes the identity out again");
        var removed = await http.SendAsync(HttpMethod.Delete, configuration, token.Reveal(), null, null, cancel);
        if (removed.Status != 204)
            return new("HTTP 204", removed.Describe());
        if (await IsActiveAsync(renewed.AccessToken, cancel))
            return new("active: false from introspection of a token that says too much", "active: true");
        print.Held("the access token that named the service is ended at once");
        if (!(await simC.RefreshAsync(renewed, null, cancel)).Succeeded(out var last, out failure))
            return SealScenes.StopOf("an access token response", failure);
        if (last.IdToken.Claims.GetStrings("val_service_ids").Contains(service))
            return new($"val_service_ids without {service}", string.Join(", ", last.IdToken.Claims.GetStrings("val_service_ids")));
        print.Held("the next one does not name it");
        return await ReadProfileAsync(cancel);
    }

    private async Task<TourStop?> ReadProfileAsync(CancellationToken cancel)
    {
        print.Step("5.2.3", 0, "the VAL server reads the user's profile (TS 29.549 SS_UserProfileRetrieval)");
        var (stop, token) = await TokenAsync("seal:user_profile", cancel);
        if (token is null)
            return stop;
        var profiles = await GetAsync("/ss-upr/v1/val-services", [("val-service-id", cast.User.ServiceId), ("valUserId", cast.User.ValUserId)], token, cancel);
        if (profiles.Status != 200 || profiles.Body is not JsonArray list || list.Count == 0)
            return new("HTTP 200 with profiles", profiles.Describe());
        foreach (var profile in list.OfType<JsonObject>())
            print.Facts(profile.Select(member => (member.Key, member.Value is JsonValue value ? value.ToString() : member.Value?.ToJsonString() ?? "null")));
        print.Held($"profiles of {cast.User.ValUserId} in the VAL server's own service");
        return null;
    }

    private async Task<(TourStop? Stop, TokenText? Token)> TokenAsync(string scope, CancellationToken cancel)
    {
        var answer = await http.PostFormAsync(issuer + "/token", cast.ValServer, [new("grant_type", "client_credentials"), new("scope", scope)], cancel);
        return answer is { Status: 200 } && answer.Text("access_token") is { } token
            ? (null, new TokenText(token))
            : (new($"an access token of {cast.ValServer.ClientId} with scope {scope}", answer.Describe()), null);
    }

    private async Task<bool> IsActiveAsync(TokenText token, CancellationToken cancel) =>
        (await http.PostFormAsync(issuer + "/introspect", cast.ValServer, [new("token", token.Reveal())], cancel)).Text("active") == "true";

    private Task<TourAnswer> GetAsync(string path, IEnumerable<(string Name, string Value)> query, TokenText token, CancellationToken cancel) =>
        http.SendAsync(HttpMethod.Get, issuer + path + "?" + string.Join('&', query.Select(q => q.Name + "=" + Uri.EscapeDataString(q.Value))), token.Reveal(), null, null, cancel);

    private static string Size(string payload) => string.Create(CultureInfo.InvariantCulture, $"{payload.Length} characters of key material (not shown)");
}
