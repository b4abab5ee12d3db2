using System.Security.Cryptography;
using System.Text;
using Keyreeve.Bench.Sides;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Tokens;
using Keyreeve.Seal;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;
using Keyreeve.Wire.OAuth;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Bench.World;

/// <summary>
/// Fills a running server's store with copies of the demo's rows. One of each kind is made by the product's own stores, so that this
/// knows no column but those that differ; key records are sealed one by one, each for its own row.
/// </summary>
internal static class Filling
{
    private const string CopyOf = BenchWorld.MachineClient;

    public static async Task RunAsync(MeasuredProcess server, BenchWorld world, IDatabase database)
    {
        var stores = new Stores(database);
        var alice = world.SubjectOf("alice");
        var now = TimeProvider.System.GetUtcNow();
        await MakeTemplatesAsync(stores, alice, now);
        using var folder = DataFolder.Existing(server.Folder);
        using var kek = folder.OpenKek();
        var numbers = Enumerable.Range(0, world.Size).ToArray();
        // Rows that are found by a hash lie scattered; written in the order of the hash they take a tenth of the time.
        var byHash = numbers.Select(i => (Hash: SHA256.HashData(BenchWorld.SessionSecret(i)), Number: i))
            .OrderBy(x => Convert.ToHexStringLower(x.Hash.AsSpan(0, 8)), StringComparer.Ordinal).Select(x => x.Number).ToArray();
        var subject = new Own("subject", BenchWorld.Subject);
        await Copies.MakeAsync(database, "clients", $"client_id = '{CopyOf}'", numbers, new Own("client_id", BenchWorld.ClientId));
        await Copies.MakeAsync(database, "users", $"subject = '{alice}'", numbers, subject, new Own("username", BenchWorld.UserName),
            new Own("normalized_name", i => User.NormalizeName(BenchWorld.UserName(i))), new Own("val_user_id", BenchWorld.ValUserId));
        await Copies.MakeAsync(database, "user_services", $"subject = '{alice}' AND service_id = '{BenchWorld.ServiceId}'", numbers, subject);
        await Copies.MakeAsync(database, "consents", $"subject = '{alice}' AND client_id = '{BenchWorld.CodeClient}'", numbers, subject);
        await Copies.MakeAsync(database, "login_sessions", $"subject = '{alice}'", byHash, subject,
            new Own("hash", i => SHA256.HashData(BenchWorld.SessionSecret(i))), new Own("session_id", BenchWorld.FamilyId));
        await Copies.MakeAsync(database, "refresh_families", $"subject = '{alice}'", numbers, subject, new Own("family_id", BenchWorld.FamilyId),
            new Own("current_hash", i => SHA256.HashData(BenchWorld.RefreshSecret(i))));
        var payload = Encoding.UTF8.GetBytes("a-payload-of-thirty-two-octets-0");
        var alices = $"service_id = '{BenchWorld.ServiceId}' AND identity_value = 'sip:alice@val.example'";
        await Copies.MakeAsync(database, "key_records", alices, numbers, new Own("identity_value", BenchWorld.ValUserId));
        using var roots = new RootKeys();
        if (!roots.TryOpen(await stores.Seal.RootsAsync(default), new KekRootSource(kek)))
            throw new BenchException("the demo's root does not open");
        using var vault = new RecordVault(roots, kek);
        var serviceKek = await stores.Seal.FindKekAsync(BenchWorld.ServiceId, default) ?? throw new BenchException("the demo's VAL service has no key");
        var (template, last) = ((await stores.KeyRecords.ReadAsync([(BenchWorld.ServiceId, new(KmIdentityKind.User, "sip:alice@val.example"))], default))[0].Versions[0], (Number: -1, Version: (KeyVersion?)null));
        await Copies.MakeAsync(database, "key_versions", alices, numbers, new Own("identity_value", BenchWorld.ValUserId),
            new Own("wrapped_key", i => Sealed(i).WrappedKey), new Own("ciphertext", i => Sealed(i).Ciphertext));

        // Both columns are of one seal.
        KeyVersion Sealed(int i)
        {
            if (last.Number == i)
                return last.Version!;
            var name = KeyRecord.Purpose(BenchWorld.ServiceId, new(KmIdentityKind.User, BenchWorld.ValUserId(i)));
            if (!vault.Seal(name, template.Number, template.ActivatesAt, template.ExpiresAt, template.CreatedAt, serviceKek, payload).Succeeded(out var version, out var refusal))
                throw new BenchException(refusal.Operator);
            last = (i, version);
            return version;
        }
    }

    private static async Task MakeTemplatesAsync(Stores stores, string subject, DateTimeOffset now)
    {
        var user = await stores.Directory.FindUserAsync(subject, default) ?? throw new BenchException("the demo has no alice");
        var login = new Authentication(now.ToUnixTimeMilliseconds(), Authentication.AcrPassword, "pwd");
        var scope = ScopeList.Of(BenchWorld.CodeScope.Split(' '));
        var entry = new AuditEntry { Kind = "bench", Outcome = AuditOutcome.Changed, At = now.ToUnixTimeMilliseconds() };
        var end = now.AddDays(1).ToUnixTimeMilliseconds();
        await stores.Sessions.AddAsync(new LoginSession
        {
            Hash = SHA256.HashData(Encoding.ASCII.GetBytes(subject)),
            SessionId = "bench",
            Subject = subject,
            SecurityStamp = user.SecurityStamp,
            Authentication = login,
            ExpiresAt = end,
        }, entry, default);
        await stores.Grants.SaveConsentAsync(new Consent(subject, BenchWorld.CodeClient, scope, now.ToUnixTimeMilliseconds()), entry, default);
        var code = OpaqueToken.Generate();
        await stores.Grants.AddCodeAsync(new AuthorizationCode
        {
            Hash = code.Hash,
            ClientId = BenchWorld.CodeClient,
            Subject = subject,
            RedirectUri = BenchWorld.Callback,
            RedirectUriSent = true,
            Scope = scope,
            Authentication = login,
            GrantId = "bench",
            ExpiresAt = now.ToUnixTimeSeconds() + 60,
        }, entry, default);
        await stores.Grants.RedeemCodeAsync(code.Hash, now.ToUnixTimeSeconds(), new RefreshFamily
        {
            FamilyId = "bench",
            ClientId = BenchWorld.CodeClient,
            Subject = subject,
            Scope = scope,
            Authentication = login,
            Generation = 1,
            CurrentHash = OpaqueToken.Generate().Hash,
            RotatedAt = now.ToUnixTimeMilliseconds(),
            IdleExpiresAt = end,
            AbsoluteExpiresAt = end,
        }, entry, default);
    }
}
