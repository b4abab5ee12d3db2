using System.Collections.Concurrent;
using System.Security.Cryptography;
using Keyreeve.AspNetCore;
using Keyreeve.Samples;
using Keyreeve.Wire.Seal;

// A SEAL server other than the SKM-S: a small group management server in the shape of TS 29.549 SS_GroupManagement. Callers show an access
// token for this service (TS 33.434 clause 5.2.2); for itself it is a SKM-C with a certificate (SEAL-X1, clause 5.1.1.1).
//
//   dotnet run --project samples/SealServer -- --issuer https://localhost:9443 --ca "$PWD/data/ca.pem" \
//       --cert "$PWD/data/group-server.pem" --key "$PWD/data/group-server.key" --urls http://127.0.0.1:5081
//
// http is for this sample on one machine; everywhere else a bearer token travels over TLS alone.
const int MaxGroups = 1000;
var builder = WebApplication.CreateSlimBuilder(args);
var settings = builder.Configuration;
var issuer = settings["issuer"] ?? "https://localhost:9443";
var ca = settings["ca"] ?? "data/ca.pem";

builder.Services.AddAuthentication().AddKeyreeveTokens(tokens =>
{
    tokens.Issuer = issuer;
    tokens.RootsPem = File.ReadAllText(ca);
    // One audience for each SEAL service: a token for key management, or for a VAL service, opens nothing here.
    tokens.Audience = settings["audience"] ?? issuer + "/seal/gm";
});

var app = builder.Build();
using var keys = new GroupKeys(issuer, ca, settings["cert"] ?? "data/group-server.pem", settings["key"] ?? "data/group-server.key");
var groups = new ConcurrentDictionary<string, GroupDocument>(StringComparer.Ordinal);
app.UseAuthentication();
app.UseAuthorization();
var api = app.MapGroup("/ss-gm/v1/group-documents").RequireScope("seal:group_management");

api.MapPost("", async (GroupDocument asked, HttpContext context) =>
{
    if (string.IsNullOrEmpty(asked.ValGroupId) || asked.ValGroupId.Length > 255 || asked.ValServiceIds is not [var service])
        return Results.Problem(statusCode: 400, title: "valGroupId and one valServiceIds are required here");
    // The scope says "group management"; whose groups, says the token's list of VAL services (clause 5.2.6).
    if (!MayUse(context, service))
        return Results.Problem(statusCode: 403, title: "the VAL service is not the caller's");
    var id = RandomNumberGenerator.GetHexString(32, lowercase: true);
    var document = asked with { ResUri = $"{context.Request.Scheme}://{context.Request.Host}/ss-gm/v1/group-documents/{id}" };
    if (groups.Count >= MaxGroups || !groups.TryAdd(id, document))
        return Results.Problem(statusCode: 503, title: "no room for another group");
    // The key material of a group is the record of its VAL service with the group's ID as ClientID (Keyreeve's reading, docs/spec/choices.md).
    Console.WriteLine($"key material of group {asked.ValGroupId}: {await keys.FetchAsync(service, new KmIdentity(KmIdentityKind.Client, asked.ValGroupId), context.RequestAborted)}");
    return Results.Created(document.ResUri, document);
});

api.MapGet("", (HttpContext context) => groups.Values.Where(g => MayUse(context, g.ValServiceIds![0])).ToArray());

api.MapGet("/{id}", (string id, HttpContext context) =>
    groups.TryGetValue(id, out var group) && MayUse(context, group.ValServiceIds![0]) ? Results.Ok(group) : Results.Problem(statusCode: 404, title: "no such group"));

app.Run();

static bool MayUse(HttpContext context, string service) => context.User.AccessToken()!.Claims.GetStrings("val_service_ids").Contains(service);
