using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>A call of SS_IdmParameterProvisioning by an authenticated VAL server: what its operations share.</summary>
/// <param name="Http">The request.</param>
/// <param name="Door">The way in.</param>
/// <param name="Store">Configurations.</param>
/// <param name="Token">The token.</param>
/// <param name="ValServer">The VAL server it speaks for, as registered now.</param>
internal sealed record ProvisioningCall(HttpContext Http, ValServerDoor Door, IConfigurationStore Store, VerifiedToken Token, Client ValServer)
{
    /// <summary>Resource "VAL Services Configurations".</summary>
    public const string Collection = "/ss-ipp/v1/configurations";

    /// <summary>Resource "Individual VAL Services Configuration".</summary>
    public const string Document = Collection + "/{confId}";

    private const string Kind = "idm.configuration";

    /// <summary>The configuration of the path.</summary>
    public string ConfigId => (string)Http.Request.RouteValues["confId"]!;

    /// <summary>The version in If-Match, which the standard does not know and we honour; null when any is good. Of several tags it is that of the moment, or none.</summary>
    public async Task<long?> IfMatchAsync() =>
        Http.Request.Headers.IfMatch is ["*"] ? null
        : EntityTag.IsOfSeveral(Http.Request) ? EntityTag.IfMatch(Http.Request, (await Store.FindAsync(ValServer.ClientId, ConfigId, Http.RequestAborted))?.Version)
        : EntityTag.IfMatch(Http.Request);

    /// <summary>Not there, or another VAL server's: the same for both.</summary>
    public static Refusal NotFound => Refusal.Of(RefusalCode.NotFound, "there is no such configuration");

    /// <summary>The endpoint of an operation, which answers and returns null, or says why not.</summary>
    public static RequestDelegate Of(Func<ProvisioningCall, Task<Refusal?>> operation) => async context =>
    {
        var door = context.RequestServices.GetRequiredService<ValServerDoor>();
        var scopes = door.State.Scopes;
        if (!(await door.EnterAsync(context, scopes.IdentityProvisioningAudience, scopes.IdentityProvisioning)).Succeeded(out var token, out var refusal))
        {
            await RefuseAsync(context, door, refusal);
            return;
        }
        if ((await door.ServerOfAsync(token, context.RequestAborted)).Succeeded(out var server, out refusal))
            refusal = await operation(new(context, door, context.RequestServices.GetRequiredService<IConfigurationStore>(), token, server));
        if (refusal is null)
            return;
        door.TryAudit(door.Entry(context, Kind, AuditOutcome.Refused, token, (string?)context.Request.RouteValues["confId"], $"{refusal.Code}: {refusal.Operator}"));
        await RefuseAsync(context, door, refusal);
    };

    /// <summary>The body, of one media type.</summary>
    public async Task<Outcome<FormBody.Body>> ReadAsync(string mediaType) =>
        FormBody.WhyNotJson(Http.Request, mediaType) is { } refusal ? refusal : await FormBody.ReadAsync(Http.Request, ValServicesConfig.MaxLength);

    /// <summary>A configuration out of the body that this VAL server may provision.</summary>
    public async Task<Outcome<ValServicesConfig>> ReadConfigAsync()
    {
        if (!(await ReadAsync("application/json")).Succeeded(out var body, out var refusal))
            return refusal;
        if (!ValServicesConfig.TryRead(body.Memory, out var config, out var error))
            return ValServerDoor.Of(error);
        return ConfigurationDecision.WhyNot(config, ValServer) is { } why ? why : config;
    }

    /// <summary>Saves, so that every node follows when this returns on this one: who loses a VAL service has no tokens with it any more.</summary>
    public async Task<Outcome<StoredConfiguration>> SaveAsync(StoredConfiguration asked, bool create, long? expectedVersion, string what)
    {
        var saved = await Store.SaveAsync(asked, create, expectedVersion, Door.NowOrLatest, Entry(asked.ConfigId, $"{what}: {Counted(asked.Config)}"), CancellationToken.None);
        await Door.State.RefreshAsync(CancellationToken.None);
        return saved;
    }

    /// <summary>The audit line of a change.</summary>
    public AuditEntry Entry(string configId, string detail) => Door.Entry(Http, Kind, AuditOutcome.Changed, Token, configId, detail);

    /// <summary>Answers with the configuration and its version.</summary>
    public async Task<Refusal?> AnswerAsync(int status, StoredConfiguration stored)
    {
        EntityTag.Write(Http.Response, stored.Version);
        await ValServerDoor.WriteAsync(Http, status, stored.Config.Write);
        return null;
    }

    /// <summary>VAL services and how many identities each: no VAL user and no VAL UE by name.</summary>
    private static string Counted(ValServicesConfig config) => string.Join(", ", config.Services.Select(s => $"{s.ServiceId} ({s.Targets.Count})"));

    private static Task RefuseAsync(HttpContext context, ValServerDoor door, Refusal refusal)
    {
        door.Refused(context, Kind, refusal);
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return refusal is { Code: RefusalCode.Conflict }
            ? ProblemDocument.WriteAsync(context, StatusCodes.Status412PreconditionFailed, "PreconditionFailed", refusal.Peer, "If-Match")
            : ProblemDocument.WriteAsync(context, refusal);
    }
}
