using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Server.Hosting;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Keyreeve.Wire.Seal;
using Keyreeve.Web.Login;
using Microsoft.AspNetCore.Identity;

namespace Keyreeve.Server.Demo;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// A small world to try everything in: three users with a device and key records each, the third with an authenticator app, two VAL services, and one client of every kind.
/// Secrets are random per folder and stand in demo.json alone.
/// </summary>
public sealed class DemoData
{
    private const string PumpService = "pump-control";
    private const string FleetService = "fleet-tracking";
    private const string Callback = "http://127.0.0.1:8400/callback";

    private readonly ServerParts _parts;
    private readonly IPasswordHasher<Account> _hasher;
    private readonly KeyProvisioning _provisioning;

    private DemoData(ServerParts parts, IPasswordHasher<Account> hasher, KeyProvisioning provisioning) => (_parts, _hasher, _provisioning) = (parts, hasher, provisioning);

    /// <summary>Shown on the home page; their passwords are in demo.json.</summary>
    public static IReadOnlyList<string> UserNames { get; } = ["alice", "bob", "tina"];

    /// <summary>Makes the demo world if the folder has none yet, and writes demo.json with the issuer of this run.</summary>
    public static async Task EnsureAsync(ServerParts parts, IServiceProvider services, CancellationToken cancel)
    {
        using var scope = services.CreateScope();
        var demo = new DemoData(parts, scope.ServiceProvider.GetRequiredService<IPasswordHasher<Account>>(), services.GetRequiredService<KeyProvisioning>());
        await RestoreAsync(parts, cancel);
        var document = File.Exists(parts.Folder.Demo) && await parts.Stores.Directory.FindUserByNameAsync(UserNames[0], cancel) is not null
            ? JsonNode.Parse(await File.ReadAllTextAsync(parts.Folder.Demo, cancel))!.AsObject()
            : await demo.MakeAsync(cancel);
        document["issuer"] = parts.Issuer;
        document["skmsUri"] = parts.Options.Settings.SKmsUris is [var first, ..] ? first : parts.Issuer + "/seal/km";
        parts.Folder.Write("demo.json", document.ToJsonString(new System.Text.Json.JsonSerializerOptions { WriteIndented = true }) + "\n");
        await parts.State.RefreshAsync(cancel);
    }

    /// <summary>Another node of a demo made everything already: this node's folder gets the same files.</summary>
    private static async Task RestoreAsync(ServerParts parts, CancellationToken cancel)
    {
        if (File.Exists(parts.Folder.Demo) || await StoreStart.FindDemoAsync(parts, cancel) is not { } files)
            return;
        foreach (var (name, content) in JsonNode.Parse(files)!.AsObject())
            parts.Folder.Write(name, (string)content!);
    }

    private static async Task KeepAsync(ServerParts parts, JsonObject document, CancellationToken cancel)
    {
        var files = new JsonObject { ["demo.json"] = document.ToJsonString() };
        foreach (var name in DemoFolder.Files.Where(name => name != "demo.json"))
            files[name] = await File.ReadAllTextAsync(parts.Folder.Path(name), cancel);
        await StoreStart.KeepDemoAsync(parts, files.ToJsonString(), cancel);
    }

    private async Task<JsonObject> MakeAsync(CancellationToken cancel)
    {
        await SaveServiceAsync(PumpService, "Pump control", "https://val.example/pump-control", cancel);
        await SaveServiceAsync(FleetService, "Fleet tracking", "https://val.example/fleet-tracking", cancel);
        var users = new JsonArray();
        var records = new JsonArray();
        await AddUserAsync(users, "alice", "Alice Anders", "sip:alice@val.example", "ue-alice-1", [PumpService, FleetService], cancel);
        await AddUserAsync(users, "bob", "Bob Berg", "sip:bob@val.example", "ue-bob-1", [PumpService], cancel);
        await AddUserAsync(users, "tina", "Tina Thorn", "sip:tina@val.example", "ue-tina-1", [PumpService], cancel);
        users[^1]!["totpSecret"] = await AddTotpAsync((string)users[^1]!["sub"]!, cancel);
        await AddRecordAsync(records, PumpService, KmIdentity.ServiceOnly, cancel);
        await AddRecordAsync(records, PumpService, new(KmIdentityKind.User, "sip:alice@val.example"), cancel);
        await AddRecordAsync(records, PumpService, new(KmIdentityKind.User, "sip:bob@val.example"), cancel);
        await AddRecordAsync(records, PumpService, new(KmIdentityKind.User, "sip:tina@val.example"), cancel);
        await AddRecordAsync(records, PumpService, new(KmIdentityKind.Device, "ue-alice-1"), cancel);
        await AddRecordAsync(records, PumpService, new(KmIdentityKind.Client, "seal-client"), cancel);
        await AddRecordAsync(records, PumpService, new(KmIdentityKind.Client, "pumps-north"), cancel);
        await AddRecordAsync(records, FleetService, new(KmIdentityKind.User, "sip:alice@val.example"), cancel);
        var profiles = new JsonArray();
        await AddProfileAsync(profiles, PumpService, new(KmIdentityKind.User, "sip:alice@val.example"), """{"displayName":"Alice","groups":["pumps-north"],"priority":5}""", cancel);
        await AddProfileAsync(profiles, PumpService, new(KmIdentityKind.Device, "ue-alice-1"), """{"model":"Rugged 7","sites":["north"]}""", cancel);
        await AddProfileAsync(profiles, FleetService, new(KmIdentityKind.User, "sip:alice@val.example"), """{"depot":"east"}""", cancel);
        var clients = new JsonArray
        {
            await AddClientAsync(new Client
            {
                ClientId = "seal-client",
                Name = "Demo SEAL client",
                RedirectUris = [Callback],
                Scopes = Scopes($"openid profile email offline_access val:{PumpService} val:{FleetService} seal:key_management seal:user_profile seal:group_management"),
            }, cancel),
            await AddClientAsync(new Client
            {
                ClientId = "openid-client",
                Name = "Demo OpenID client",
                Profile = ClientProfile.OpenId,
                AuthMethods = [ClientAuthMethod.SecretBasic, ClientAuthMethod.SecretPost],
                RedirectUris = [Callback],
                Scopes = Scopes($"openid profile email offline_access val:{PumpService}"),
                IdTokenAlgorithm = JwsAlgorithm.RS256,
            }, cancel),
            await AddValServerAsync(cancel),
            await AddClientAsync(new Client
            {
                ClientId = "machine-client",
                Name = "Demo machine",
                Profile = ClientProfile.OpenId,
                AuthMethods = [ClientAuthMethod.SecretBasic, ClientAuthMethod.SecretPost],
                Grants = [GrantType.ClientCredentials],
                Scopes = Scopes($"val:{FleetService} seal:group_management"),
                Audience = "https://val.example/fleet-tracking",
            }, cancel),
            await AddGroupServerAsync(cancel),
        };
        var document = new JsonObject { ["issuer"] = "", ["ca"] = "ca.pem", ["skmsUri"] = "", ["users"] = users, ["clients"] = clients, ["keyRecords"] = records, ["profiles"] = profiles };
        await KeepAsync(_parts, document, cancel);
        return document;
    }

    private async Task SaveServiceAsync(string id, string name, string audience, CancellationToken cancel) =>
        Demand(await _parts.Stores.Directory.SaveServiceAsync(new ValService { ServiceId = id, Name = name, Audience = audience }, create: true, null, Entry("service.saved", id), cancel));

    private async Task AddUserAsync(JsonArray users, string name, string displayName, string valUserId, string valUeId, string[] services, CancellationToken cancel)
    {
        var password = Secret(12);
        var user = new User
        {
            Subject = User.NewSubject(),
            Username = name,
            DisplayName = displayName,
            Email = name + "@val.example",
            SecurityStamp = Secret(12),
            ValUserId = valUserId,
            ValUeId = valUeId,
            ValServiceIds = services,
        };
        user = user with { PasswordHash = _hasher.HashPassword(new Account(user), password) };
        Demand(await _parts.Stores.Directory.SaveDeviceAsync(new Device { ValUeId = valUeId, ValServiceIds = services }, create: true, null, Entry("device.saved", valUeId), cancel));
        Demand(await _parts.Stores.Directory.SaveUserAsync(user, create: true, null, Entry("user.saved", user.Subject), cancel));
        users.Add(new JsonObject
        {
            ["username"] = name,
            ["password"] = password,
            ["sub"] = user.Subject,
            ["valUserId"] = valUserId,
            ["valServiceIds"] = new JsonArray([.. services.Select(s => (JsonNode)s)]),
            ["valUeId"] = valUeId,
        });
    }

    /// <summary>An authenticator app; its secret in base32, as apps take it.</summary>
    private async Task<string> AddTotpAsync(string subject, CancellationToken cancel)
    {
        var secret = RandomNumberGenerator.GetBytes(Totp.SecretSize);
        await _parts.Stores.Credentials.AddTotpAsync(
            new TotpSecret { Subject = subject, Sealed = _parts.Kek.Seal(TotpSecret.Purpose(subject), secret), LastStep = 0, CreatedAt = _parts.Clock.GetUtcNow().ToUnixTimeMilliseconds() },
            Entry("totp.added", subject), cancel);
        return Base32.Encode(secret);
    }

    private async Task AddRecordAsync(JsonArray records, string serviceId, KmIdentity identity, CancellationToken cancel)
    {
        var payload = Secret(32);
        var key = new ProvisionedKey(serviceId, identity, Encoding.UTF8.GetBytes(payload), null, 0);
        Demand(await _provisioning.SaveAsync(key, null, _parts.Clock.GetUtcNow().ToUnixTimeSeconds(), Entry("key_record.saved", KeyRecord.Purpose(serviceId, identity)), cancel));
        var json = new JsonObject { ["serviceId"] = serviceId };
        if (identity.Kind != KmIdentityKind.Service)
            json[identity.Kind switch { KmIdentityKind.Client => "clientId", KmIdentityKind.Device => "deviceId", _ => "userId" }] = identity.Value;
        json["payload"] = payload;
        records.Add(json);
    }

    private async Task AddProfileAsync(JsonArray profiles, string serviceId, KmIdentity target, string document, CancellationToken cancel)
    {
        var purpose = ValProfile.Purpose(serviceId, target);
        var profile = new ValProfile
        {
            ServiceId = serviceId,
            Target = target,
            SealedDocument = _parts.Kek.Seal(purpose, Encoding.UTF8.GetBytes(document)),
            UpdatedAt = _parts.Clock.GetUtcNow().ToUnixTimeSeconds(),
        };
        Demand(await _parts.Stores.Profiles.SaveAsync(profile, null, Entry("profile.saved", purpose), cancel));
        profiles.Add(new JsonObject
        {
            ["serviceId"] = serviceId,
            [target.Kind == KmIdentityKind.User ? "valUserId" : "valUeId"] = target.Value,
            ["document"] = JsonNode.Parse(document),
        });
    }

    private async Task<JsonObject> AddClientAsync(Client client, CancellationToken cancel)
    {
        var (secret, text) = ClientSecret.Generate(_parts.Clock.GetUtcNow());
        Demand(await _parts.Stores.Directory.SaveClientAsync(client with { Secrets = [secret] }, create: true, null, Entry("client.saved", client.ClientId), cancel));
        return new JsonObject
        {
            ["clientId"] = client.ClientId,
            ["clientSecret"] = text,
            ["redirectUris"] = new JsonArray([.. client.RedirectUris.Select(u => (JsonNode)u)]),
            ["scopes"] = client.Scopes.Text,
            ["grants"] = new JsonArray([.. client.Grants.Select(g => (JsonNode)WireNames.Of(g))]),
            ["profile"] = WireNames.Of(client.Profile),
        };
    }

    private Task<JsonObject> AddValServerAsync(CancellationToken cancel) => AddServerAsync(new Client
    {
        ClientId = "val-server",
        Name = "Demo VAL server",
        Scopes = Scopes($"val:{PumpService} seal:key_management seal:key_provisioning seal:identity_provisioning seal:user_profile"),
        Audience = "https://val.example/pump-control",
        OwnedServices = [PumpService],
    }, "https://val.example/pump-control", cancel);

    /// <summary>A SEAL server other than the SKM-S: it reads tokens for group management, and fetches key material of groups (SEAL-X1).</summary>
    private Task<JsonObject> AddGroupServerAsync(CancellationToken cancel) => AddServerAsync(new Client
    {
        ClientId = "group-server",
        Name = "Demo group management server",
        Scopes = Scopes("seal:key_management"),
        Audience = _parts.State.Scopes.Find("seal:group_management")?.Audience,
        OwnedServices = [PumpService],
    }, "https://seal.example/group-management", cancel);

    /// <summary>A server with a certificate for its name, beside its secret.</summary>
    private async Task<JsonObject> AddServerAsync(Client client, string uri, CancellationToken cancel)
    {
        var id = client.ClientId;
        var (certificate, certificatePem, keyPem) = _parts.Pki.IssueClient(
            CaRole.ValMc,
            new EntityRequest { CommonName = id, Use = EntityUse.Client, Uris = [new Uri(uri)], DnsNames = [] },
            _parts.Clock.GetUtcNow());
        using (certificate)
        {
            var issued = IssuedCertificate.Of(certificate, CaRole.ValMc, id, _parts.Clock.GetUtcNow());
            Demand(await _parts.Stores.Certificates.AddAsync(issued, replaces: null, Entry("certificate.issued", issued.Serial), cancel));
            _parts.Folder.Write(id + ".pem", certificatePem);
            _parts.Folder.Write(id + ".key", keyPem);
            var json = await AddClientAsync(client with
            {
                AuthMethods = [ClientAuthMethod.SecretBasic, ClientAuthMethod.TlsClientAuth],
                TlsName = RegisteredName.TryRead("san_uri:" + uri, out var name, out _) ? name : null,
                Grants = [GrantType.ClientCredentials],
                CertificateThumbprints = [OperatorCertificates.ThumbprintOf(certificate)],
            }, cancel);
            json["cert"] = id + ".pem";
            json["key"] = id + ".key";
            json["audience"] = client.Audience;
            return json;
        }
    }

    private static ScopeList Scopes(string text) => ScopeList.Of(text.Split(' '));

    private static string Secret(int octets) => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(octets));

    private static void Demand<T>(Outcome<T> outcome)
        where T : notnull
    {
        if (!outcome.Succeeded(out _, out var refusal))
            throw new DataFolderException($"the demo data cannot be made: {refusal.Operator}. Remove the folder, or give another: --data DIR");
    }

    private AuditEntry Entry(string kind, string subject) => new()
    {
        Kind = kind,
        Outcome = AuditOutcome.Changed,
        At = _parts.Clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = "system",
        Subject = subject,
        Detail = "demo data",
    };
}
