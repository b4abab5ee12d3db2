using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Seal;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>A server whose clock stands still, two VAL servers that own a VAL service each, and the doors by which keys are provisioned and fetched.</summary>
public sealed class KeyOwner : IAsyncLifetime
{
    public const string Pump = SealCaller.Pump;
    public const string Fleet = SealCaller.Fleet;
    public const string Door = "/seal/km/v1/provisioning";

    private int _names;

    public SealCaller Caller { get; private set; } = null!;

    /// <summary>A token of val-server, which owns pump-control, to provision with.</summary>
    public string Token { get; private set; } = "";

    /// <summary>A token of fleet-owner, which owns fleet-tracking.</summary>
    public string FleetToken { get; private set; } = "";

    private string KeyToken { get; set; } = "";

    public long Now => Caller.Server.Time.GetUtcNow().ToUnixTimeSeconds();

    public string SKmsUri => (string)Caller.Server.Demo["skmsUri"]!;

    public async ValueTask InitializeAsync() => await OpenAsync(await SealCaller.StartAsync());

    public static async Task<KeyOwner> StartAsync(params string[] settings)
    {
        var owner = new KeyOwner();
        await owner.OpenAsync(await SealCaller.StartAsync(settings));
        return owner;
    }

    public ValueTask DisposeAsync() => Caller.DisposeAsync();

    public string NewName() => $"sip:owned-{Interlocked.Increment(ref _names).ToString(CultureInfo.InvariantCulture)}@val.example";

    /// <summary>A request that is right for val-server; tests spoil it.</summary>
    public JsonObject Request(string? userId, string? payload = "payload", string serviceId = Pump)
    {
        var request = new JsonObject { ["version"] = "1.0.0", ["sKmsUri"] = SKmsUri, ["serviceId"] = serviceId };
        if (userId is not null)
            request["userId"] = userId;
        request["dateTime"] = Now;
        request["requestId"] = "r" + Interlocked.Increment(ref _names).ToString(CultureInfo.InvariantCulture);
        if (payload is not null)
            request["payload"] = payload;
        return request;
    }

    public async Task<KpAnswer> AskAsync(JsonObject request, string? token) => await AskAsync(request.ToJsonString(), token);

    public async Task<KpAnswer> AskAsync(string body, string? token, string contentType = "application/json") => new(await Caller.SendAsync(HttpMethod.Post, Door, token, body, contentType));

    /// <summary>A request without payload.</summary>
    public Task<KpAnswer> DoAsync(string operation, string userId, string? token = null)
    {
        var request = Request(userId, payload: null);
        request["operation"] = operation;
        return AskAsync(request, token ?? Token);
    }

    /// <summary>What the VAL server gets for a VAL user by SS_KeyInfoRetrieval: the payload, or null for 404.</summary>
    public async Task<string?> PayloadAsync(string userId)
    {
        var answer = await Caller.SendAsync(HttpMethod.Get, $"{SealCaller.KeyRecords}?val-service-id={Pump}&valUserId={Uri.EscapeDataString(userId)}", KeyToken);
        if (answer.Status == HttpStatusCode.NotFound)
            return null;
        return System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars((string)answer.Is(HttpStatusCode.OK).Json["keyInfo"]!));
    }

    public static string PathOf(string userId, string serviceId = Pump) => PathOf(new KmIdentity(KmIdentityKind.User, userId), serviceId);

    public static string PathOf(KmIdentity identity, string serviceId = Pump) => $"/seal/km/v1/services/{serviceId}/records/{KeyRecordName.Of(identity)}";

    /// <summary>PUT of a payload, with a precondition as "If-Match: ..." or none.</summary>
    public Task<ApiAnswer> PutAsync(string userId, string payload, string? precondition = null, string? token = null) =>
        Caller.SendAsync(HttpMethod.Put, PathOf(userId), token ?? Token, new JsonObject { ["payload"] = payload }.ToJsonString(), "application/json",
            precondition is null ? [] : [(precondition.Split(": ")[0], precondition.Split(": ")[1])]);

    public Task<ApiAnswer> SendAsync(HttpMethod method, string path, string? token = null, string? etag = null) =>
        Caller.SendAsync(method, path, token ?? Token, null, "", etag is null ? [] : [("If-Match", etag)]);

    private async Task OpenAsync(SealCaller caller)
    {
        Caller = caller;
        caller.Server.Time.StandStill();
        await caller.Host.AddClientAsync(SealCaller.ValServer("fleet-owner", Fleet) with { Scopes = ScopeList.Of(["seal:key_provisioning", "seal:key_management"]) });
        Token = await caller.TokenAsync("seal:key_provisioning");
        FleetToken = await caller.TokenAsync("seal:key_provisioning", "fleet-owner");
        KeyToken = await caller.TokenAsync("seal:key_management");
    }
}

/// <summary>What came back from the door of SEAL KP Requests.</summary>
public sealed record KpAnswer(ApiAnswer Answer)
{
    public JsonObject Json => Answer.Json;

    /// <summary>An acknowledgement has a result and no error code; nothing of it is kept by caches.</summary>
    public KpAnswer Acknowledged(string result)
    {
        Assert.True(Answer.Status == HttpStatusCode.OK, Answer.Text);
        Assert.Equal(result, (string?)Json["result"]);
        Assert.False(Json.ContainsKey("errorCode"));
        return Plain();
    }

    /// <summary>A refusal has its code under its status, and a challenge exactly when it is 401.</summary>
    public KpAnswer Refused(string errorCode, int status)
    {
        Assert.Equal((errorCode, status), ((string?)Json["errorCode"], (int)Answer.Status));
        Assert.False(Json.ContainsKey("result"));
        Assert.Equal(status == 401, Answer.Headers.ContainsKey("WWW-Authenticate"));
        return Plain();
    }

    private KpAnswer Plain()
    {
        Assert.False(Json.ContainsKey("payload"));
        Assert.True(Json.ContainsKey("dateTime") && Json.ContainsKey("sKmsUri"));
        Assert.Equal(("no-store", "application/json"), (Answer.Headers["Cache-Control"], Answer.MediaType));
        return this;
    }
}
