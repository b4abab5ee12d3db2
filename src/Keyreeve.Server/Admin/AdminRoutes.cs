using System.Text;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Admin.Audit;
using Keyreeve.Server.Admin.Certificates;
using Keyreeve.Server.Admin.Clients;
using Keyreeve.Server.Admin.Devices;
using Keyreeve.Server.Admin.Issuers;
using Keyreeve.Server.Admin.Keks;
using Keyreeve.Server.Admin.KeyRecords;
using Keyreeve.Server.Admin.Operators;
using Keyreeve.Server.Admin.Outbox;
using Keyreeve.Server.Admin.Profiles;
using Keyreeve.Server.Admin.Seals;
using Keyreeve.Server.Admin.Services;
using Keyreeve.Server.Admin.SigningKeys;
using Keyreeve.Server.Admin.Users;
using Keyreeve.Web.Http;

namespace Keyreeve.Server.Admin;

/// <summary>One operation of the admin API.</summary>
/// <param name="Method">HTTP method.</param>
/// <param name="Pattern">Path below <see cref="AdminRoutes.Base"/>.</param>
/// <param name="Operation">Its name in the OpenAPI document.</param>
/// <param name="Summary">For people.</param>
/// <param name="HandleAsync">What it does; it gets the proof that an operator asks.</param>
public sealed record AdminRoute(string Method, string Pattern, string Operation, string Summary, Func<AdminRequest, Task<AdminAnswer>> HandleAsync)
{
    /// <summary>The body it reads, or null.</summary>
    public AdminSchema? Reads { get; init; }

    /// <summary>Media type of the body.</summary>
    public string ReadsMediaType { get; init; } = "application/json";

    /// <summary>A PUT that also makes, with If-None-Match: *.</summary>
    public bool MayMake { get; init; }

    /// <summary>Its body may be left out; it makes nothing new, so it answers 200.</summary>
    public bool ReadsOptional { get; init; }

    /// <summary>The document it answers with, or null for 204.</summary>
    public AdminSchema? Answers { get; init; }

    /// <summary>Media type of the answer.</summary>
    public string MediaType { get; init; } = "application/json";

    /// <summary>A token with the scope for reading the audit is enough.</summary>
    public bool IsForAuditors { get; init; }

    /// <summary>The answer is a page of such documents.</summary>
    public bool IsPage { get; init; }

    /// <summary>Parameters of the query beside limit and after.</summary>
    public IReadOnlyList<string> Query { get; init; } = [];

    /// <summary>The whole path.</summary>
    public string Path => AdminRoutes.Base + Pattern;
}

/// <summary>The admin API: its table of contents, and the one place where it is put on the listener.</summary>
public static class AdminRoutes
{
    /// <summary>Where it lives.</summary>
    public const string Base = "/admin/v1";

    /// <summary>Every operation. What is not here does not exist, and what is here stands in the OpenAPI document.</summary>
    public static IReadOnlyList<AdminRoute> All { get; } =
    [
        new("GET", "/openapi.json", "describe", "This document.", OpenApiDocument.HandleAsync) { Answers = OpenApiDocument.Schema },

        new("GET", "/users", "listUsers", "Users in the order of their subject.", ListUsers.HandleAsync) { Answers = UserJson.Schema, IsPage = true, Query = ["username"] },
        new("POST", "/users", "createUser", "Adds a user; without password one is made and returned once.", CreateUser.HandleAsync) { Reads = UserJson.New, Answers = UserJson.Created },
        new("GET", "/users/{subject}", "showUser", "One user.", ShowUser.HandleAsync) { Answers = UserJson.Schema },
        new("PUT", "/users/{subject}", "replaceUser", "Replaces a user; disabling ends sessions, grants and tokens.", ReplaceUser.HandleAsync) { Reads = UserJson.Schema, Answers = UserJson.Schema },
        new("DELETE", "/users/{subject}", "removeUser", "Removes a user with everything; the subject is never given again.", RemoveUser.HandleAsync),
        new("POST", "/users/{subject}/password", "setUserPassword", "Sets a password, or makes one and returns it once; ends sessions, grants and tokens.", SetUserPassword.HandleAsync) { Reads = SetUserPassword.Schema, Answers = SetUserPassword.Answer },
        new("POST", "/users/{subject}/disable", "disableUser", "No login any more; ends sessions, grants and tokens.", SwitchUser.DisableAsync) { Answers = UserJson.Schema },
        new("POST", "/users/{subject}/enable", "enableUser", "Login again.", SwitchUser.EnableAsync) { Answers = UserJson.Schema },
        new("POST", "/users/{subject}/unlock", "unlockUser", "Ends a lock after wrong passwords or codes.", UnlockUser.HandleAsync) { Answers = UserJson.Schema },
        new("GET", "/users/{subject}/second-factors", "listSecondFactors", "What a user has beside a password.", SecondFactorsOfUser.ListAsync) { Answers = SecondFactorsOfUser.Schema, IsPage = true },
        new("DELETE", "/users/{subject}/second-factors/{factor}", "removeSecondFactor", "Takes one away (totp, recovery, or a passkey by its ID); ends sessions.", SecondFactorsOfUser.RemoveAsync),

        new("GET", "/clients", "listClients", "Clients in the order of their identifier.", ListClients.HandleAsync) { Answers = ClientJson.Schema, IsPage = true },
        new("POST", "/clients", "createClient", "Registers a client; the secret made for it is returned once.", CreateClient.HandleAsync) { Reads = ClientJson.New, Answers = ClientJson.Created },
        new("GET", "/clients/{clientId}", "showClient", "One client.", ShowClient.HandleAsync) { Answers = ClientJson.Schema },
        new("PUT", "/clients/{clientId}", "replaceClient", "Replaces a registration; disabling ends its tokens.", ReplaceClient.HandleAsync) { Reads = ClientJson.Schema, Answers = ClientJson.Schema },
        new("DELETE", "/clients/{clientId}", "removeClient", "Removes a client with its grants and tokens.", RemoveClient.HandleAsync),
        new("POST", "/clients/{clientId}/secrets", "addClientSecret", "Adds a second secret, returned once.", AddClientSecret.HandleAsync) { Reads = AddClientSecret.Schema, Answers = AddClientSecret.Answer },
        new("DELETE", "/clients/{clientId}/secrets/{secret}", "removeClientSecret", "Removes a secret by its id, or 'oldest'; never the last one a client needs.", RemoveClientSecret.HandleAsync),

        new("GET", "/services", "listServices", "VAL services.", ListServices.HandleAsync) { Answers = ServiceJson.Schema, IsPage = true },
        new("POST", "/services", "createService", "Adds a VAL service and with it the scope val:S.", CreateService.HandleAsync) { Reads = ServiceJson.Schema, Answers = ServiceJson.Schema },
        new("GET", "/services/{serviceId}", "showService", "One VAL service.", ShowService.HandleAsync) { Answers = ServiceJson.Schema },
        new("PUT", "/services/{serviceId}", "replaceService", "Replaces a VAL service.", ReplaceService.HandleAsync) { Reads = ServiceJson.Schema, Answers = ServiceJson.Schema },
        new("DELETE", "/services/{serviceId}", "removeService", "Removes a VAL service and its mappings to users and devices.", RemoveService.HandleAsync),

        new("GET", "/issuers", "listIssuers", "Trusted issuers.", ListIssuers.HandleAsync) { Answers = IssuerJson.Schema, IsPage = true },
        new("POST", "/issuers", "createIssuer", "Trusts an issuer: its tokens count at the token endpoint as far as is written here.", CreateIssuer.HandleAsync) { Reads = IssuerJson.New, Answers = IssuerJson.Schema },
        new("GET", "/issuers/{issuer}", "showIssuer", "One trusted issuer.", ShowIssuer.HandleAsync) { Answers = IssuerJson.Schema },
        new("PUT", "/issuers/{issuer}", "replaceIssuer", "Replaces a trusted issuer; disabling ends the tokens that stand on it.", ReplaceIssuer.HandleAsync) { Reads = IssuerJson.New, Answers = IssuerJson.Schema },
        new("DELETE", "/issuers/{issuer}", "removeIssuer", "Trusts an issuer no more, and ends the tokens that stand on it.", RemoveIssuer.HandleAsync),

        new("GET", "/devices", "listDevices", "VAL UEs.", ListDevices.HandleAsync) { Answers = DeviceJson.Schema, IsPage = true },
        new("POST", "/devices", "createDevice", "Adds a VAL UE.", CreateDevice.HandleAsync) { Reads = DeviceJson.Schema, Answers = DeviceJson.Schema },
        new("GET", "/devices/{valUeId}", "showDevice", "One VAL UE.", ShowDevice.HandleAsync) { Answers = DeviceJson.Schema },
        new("PUT", "/devices/{valUeId}", "replaceDevice", "Replaces a VAL UE.", ReplaceDevice.HandleAsync) { Reads = DeviceJson.Schema, Answers = DeviceJson.Schema },
        new("DELETE", "/devices/{valUeId}", "removeDevice", "Removes a VAL UE.", RemoveDevice.HandleAsync),

        new("GET", "/key-records", "listKeyRecords", "Key management records, without their payload.", ListKeyRecords.HandleAsync) { Answers = KeyRecordJson.Schema, IsPage = true, Query = ["serviceId", "removed"] },
        new("POST", "/key-records", "createKeyRecord", "Adds a record; the payload never comes out here again.", CreateKeyRecord.HandleAsync) { Reads = KeyRecordJson.New, Answers = KeyRecordJson.Schema },
        new("GET", "/key-records/{id}", "showKeyRecord", "One record, without its payload.", ShowKeyRecord.HandleAsync) { Answers = KeyRecordJson.Schema },
        new("PUT", "/key-records/{id}", "replaceKeyRecord", "Replaces what is given out: a new version, unless the record has it already. With If-None-Match: * it makes the record.", ReplaceKeyRecord.HandleAsync) { Reads = KeyRecordJson.Replacement, Answers = KeyRecordJson.Schema, MayMake = true },
        new("DELETE", "/key-records/{id}", "removeKeyRecord", "Removes a record: given to nobody from now on, recoverable until it is shredded.", RemoveKeyRecord.HandleAsync),
        new("GET", "/key-records/{id}/versions", "listKeyVersions", "The versions of a record, without payloads.", KeyVersions.ListAsync) { Answers = KeyVersions.Schema, IsPage = true },
        new("POST", "/key-records/{id}/versions", "addKeyVersion", "Another version for a record, now or at a time; 200 when it has it already.", KeyVersions.AddAsync) { Reads = KeyRecordJson.Material, Answers = KeyRecordJson.Schema },
        new("POST", "/key-records/{id}/recover", "recoverKeyRecord", "Takes a removal back.", RecoverKeyRecord.HandleAsync) { Answers = KeyRecordJson.Schema },
        new("POST", "/key-records/{id}/shred", "shredKeyRecord", "Destroys a removed record now, with all its versions.", ShredKeyRecord.HandleAsync),
        new("POST", "/key-records/import", "importKeyRecords", "Records as lines of JSON, up to 1000; every line has an answer. Sent again it changes nothing.", ImportKeyRecords.HandleAsync) { Reads = KeyRecordJson.Line, ReadsMediaType = "application/x-ndjson", Answers = ImportKeyRecords.Answer },

        new("GET", "/profiles", "listProfiles", "Profiles of VAL users and VAL UEs, without their documents.", ListProfiles.HandleAsync) { Answers = ProfileJson.Item, IsPage = true, Query = ["serviceId"] },
        new("POST", "/profiles", "createProfile", "Adds a profile.", CreateProfile.HandleAsync) { Reads = ProfileJson.Schema, Answers = ProfileJson.Item },
        new("GET", "/profiles/{id}", "showProfile", "One profile with its document.", ShowProfile.HandleAsync) { Answers = ProfileJson.Schema },
        new("PUT", "/profiles/{id}", "replaceProfile", "Replaces the document.", ReplaceProfile.HandleAsync) { Reads = ProfileJson.Replacement, Answers = ProfileJson.Item },
        new("DELETE", "/profiles/{id}", "removeProfile", "Removes a profile.", RemoveProfile.HandleAsync),

        new("GET", "/certificates", "listCertificates", "Certificates that the built-in authorities have issued.", ListCertificates.HandleAsync) { Answers = CertificateJson.Item, IsPage = true, Query = ["clientId"] },
        new("POST", "/certificates", "issueCertificate", "Issues a certificate, for the key of a request (csr) or for one that is made and returned once.", IssueCertificate.HandleAsync) { Reads = CertificateJson.New, Answers = CertificateJson.Issued },
        new("GET", "/certificates/{serial}", "showCertificate", "One certificate with its chain.", ShowCertificate.HandleAsync) { Answers = CertificateJson.Shown },
        new("POST", "/certificates/{serial}/renew", "renewCertificate", "Issues another one with the same names; the one before stays good until it ends or is revoked.", RenewCertificate.HandleAsync) { Reads = CertificateJson.Renewal, Answers = CertificateJson.Issued },
        new("POST", "/certificates/{serial}/revoke", "revokeCertificate", "Refused from the next request on, and named in the authority's list (/crl).", RevokeCertificate.HandleAsync) { Reads = CertificateJson.Revocation, ReadsOptional = true, Answers = CertificateJson.Item },

        new("GET", "/signing-keys", "listSigningKeys", "The keys that sign tokens, with their state.", ListSigningKeys.HandleAsync) { Answers = SigningKeyJson.Schema, IsPage = true },
        new("POST", "/signing-keys/rotate", "rotateSigningKeys", "Publishes the next key of every algorithm now; it signs after the publish-ahead time.", RotateSigningKeys.HandleAsync) { Answers = SigningKeyJson.Schema, IsPage = true },
        new("DELETE", "/signing-keys/{kid}", "revokeSigningKey", "Emergency: the key neither signs nor verifies from now on, and every token it signed is dead.", RevokeSigningKey.HandleAsync),

        new("GET", "/audit", "listAudit", "Lines of the audit, newest first; a filter that few lines pass reads 20,000 lines for a page. Follow 'next', also after a page with few items. 'incomplete' is true while older lines are still being made searchable.", ListAudit.HandleAsync) { Answers = AuditLineJson.Schema, IsPage = true, IsForAuditors = true, Query = ListAudit.Filters },
        new("GET", "/audit/export", "exportAudit", "The audit's chains as lines of JSON, to be verified off-line; after=NODE:SEQ goes on from there, once for each node.", ExportAudit.HandleAsync) { Answers = AuditLineJson.Export, IsForAuditors = true, MediaType = "application/x-ndjson", Query = ["node", "after"] },

        new("GET", "/kek", "showKek", "Which KEK seals, and how many rows need which.", ShowKek.HandleAsync) { Answers = KekJson.Status },
        new("POST", "/kek/rotate", "rotateKek", "From now on a new KEK seals; what is there is sealed anew in the background.", RotateKek.HandleAsync) { Reads = KekJson.Rotation, ReadsOptional = true, Answers = KekJson.Status },
        new("POST", "/kek/retire", "retireKek", "Forgets a KEK that no row needs any more.", RetireKek.HandleAsync) { Reads = KekJson.Retirement, ReadsOptional = true, Answers = KekJson.Retired },

        new("GET", "/seal", "showSeal", "Whether the key store is open on this node, what it is sealed by, and how far keys are wrapped anew.", ShowSeal.HandleAsync) { Answers = SealJson.Status },
        new("POST", "/seal/init", "initializeSeal", "Seals the key store by another method or secret from now on. This node must be open.", ChangeSeal.InitializeAsync) { Reads = SealJson.Initialization, Answers = SealJson.Status },
        new("POST", "/seal/unseal", "unseal", "Opens the key store on this node: by a passphrase, a key, a share after the other, or, without a body, as at the start.", OpenSeal.UnsealAsync) { Reads = SealJson.Unsealing, ReadsOptional = true, Answers = SealJson.Progress },
        new("POST", "/seal/lock", "lockSeal", "Forgets the keys of the key store on this node.", OpenSeal.LockAsync) { Answers = SealJson.Status },
        new("POST", "/seal/rotate", "rotateSealRoot", "A new root key under the same seal; services' keys are wrapped by it in the background.", ChangeSeal.RotateAsync) { Reads = SealJson.Rotation, ReadsOptional = true, Answers = SealJson.Status },
        new("POST", "/seal/services/{serviceId}/rotate", "rotateServiceKey", "A new key for a VAL service; its records are wrapped by it in the background.", ServiceKeys.RotateAsync) { Answers = SealJson.Status },
        new("POST", "/seal/services/{serviceId}/destroy", "destroyServiceKeys", "Destroys the keys of a VAL service: its key records open never again.", ServiceKeys.DestroyAsync) { Reads = SealJson.Destruction, Answers = SealJson.Destroyed },

        new("GET", "/outbox", "listOutbox", "Receivers of messages, and what waits for them.", ListOutbox.HandleAsync) { Answers = OutboxJson.Schema, IsPage = true },
        new("DELETE", "/outbox/{receiver}", "dropOutbox", "Throws away what waits for a receiver.", DropOutbox.HandleAsync),

        new("GET", "/operators", "listOperators", "Registered operator certificates.", ListOperators.HandleAsync) { Answers = OperatorJson.Schema, IsPage = true },
        new("POST", "/operators", "registerOperator", "Registers a certificate of the Operators CA, or issues one for a request (csr).", RegisterOperator.HandleAsync) { Reads = OperatorJson.New, Answers = OperatorJson.Created },
        new("DELETE", "/operators/{thumbprint}", "removeOperator", "Removes a registration; never the last one.", RemoveOperator.HandleAsync),
    ];

    /// <summary>Services of the admin API.</summary>
    public static IServiceCollection AddAdmin(this IServiceCollection services) => services.AddSingleton<AdminContext>();

    /// <summary>Puts every operation on listener mtls, and on no other.</summary>
    public static void MapAdmin(this IEndpointRouteBuilder routes)
    {
        foreach (var route in All)
            routes.MapMethods(route.Path, [route.Method], context => RunAsync(context, route)).On(Listener.Mtls);
    }

    private static async Task RunAsync(HttpContext context, AdminRoute route)
    {
        var admin = context.RequestServices.GetRequiredService<AdminContext>();
        var parts = admin.Parts;
        // Who sends a token is judged by the token, whatever certificate came with it.
        var hasToken = context.Request.Headers.Authorization.Count > 0;
        var check = hasToken
            ? await AuthenticatedOperator.CheckTokenAsync(context.Request, context.RequestServices.GetRequiredService<Core.Tokens.TokenVerifier>(), parts.State, route.IsForAuditors, context.RequestAborted)
            : await AuthenticatedOperator.CheckAsync(context.Connection.ClientCertificate, parts.Pki[Core.Certificates.CaRole.Operators].Certificate,
                parts.Stores.Sealed, parts.Kek, admin.Now, context.RequestAborted);
        if (!check.Succeeded(out var who, out var refusal))
        {
            admin.RefusedPeer(context, refusal);
            // A 401 always names a scheme (RFC 9110 15.5.2); certificates have none, and a token would be heard as well.
            BearerToken.Challenge(context.Response, hasToken ? refusal : refusal with { Code = RefusalCode.TokenMissing }, parts.State.Scopes.Administration);
            await ProblemDocument.WriteAsync(context, refusal);
            return;
        }
        var answer = PathIds.Read(context, route.Path) is not { } ids
            ? AdminAnswer.NotFound("resource")
            : UnknownQuery(context.Request.Query, route) is { } unknown
                ? unknown
                : await route.HandleAsync(new AdminRequest(context, admin, who, ids));
        await WriteAsync(context, admin, answer);
    }

    /// <summary>A mistyped filter must not mean "everything".</summary>
    private static Refusal? UnknownQuery(IQueryCollection query, AdminRoute route)
    {
        string[] known = route.IsPage && route.Method == "GET" ? ["limit", "after", .. route.Query] : [.. route.Query];
        return query.Keys.FirstOrDefault(k => !known.Contains(k, StringComparer.Ordinal)) is { } wrong
            ? Refusal.About(RefusalCode.InvalidParameter, JsonBody.Shown(wrong),
                $"there is no parameter {JsonBody.Shown(wrong)} here" + (Settings.SettingNames.Nearest(JsonBody.Shown(wrong), known) is { } near ? $"; did you mean {near}?" : ""))
            : null;
    }

    private static async Task WriteAsync(HttpContext context, AdminContext admin, AdminAnswer answer)
    {
        if (answer.Refusal is { } refusal)
        {
            admin.RefusedOperator(context, refusal);
            await ProblemDocument.WriteAsync(context, answer.Status, answer.Cause ?? refusal.Code.ToString(), refusal.Peer, refusal.Param);
            return;
        }
        var response = context.Response;
        response.StatusCode = answer.Status;
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        if (answer.Version is { } version)
            EntityTag.Write(response, version);
        if (answer.Location is { } location)
            response.Headers.Location = location;
        if (answer.WriteAsync is { } write)
        {
            response.ContentType = answer.MediaType;
            await write(response.Body, context.RequestAborted);
            return;
        }
        if (answer.Body is not { } body)
            return;
        var octets = Encoding.UTF8.GetBytes(body.ToJsonString());
        response.ContentType = answer.MediaType;
        response.ContentLength = octets.Length;
        await response.Body.WriteAsync(octets);
    }
}
