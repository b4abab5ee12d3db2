using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Tokens;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Wire.OAuth;
using Keyreeve.Wire.Seal;

// Writes to the store with several hands at once and says on its standard output what was acknowledged, until it is killed.
// Arguments: a SQLite file or a PostgreSQL connection string, and the number of its life.

const int Hands = 6;
var (place, life) = (args[0], args[1]);
IDatabase database = place.StartsWith('/')
    ? await SqliteEngine.OpenAsync(place, TimeProvider.System, "hammer", CancellationToken.None)
    : PostgresAddress.TryRead(place, allowPlain: true, out var address, out var wrong)
        ? await PostgresEngine.OpenAsync(address, TimeProvider.System, "hammer", CancellationToken.None)
        : throw new ArgumentException(wrong);
var stores = new Stores(database);
using var output = Console.OpenStandardOutput();
var oneAtATime = new Lock();
var now = TimeProvider.System.GetUtcNow();
await stores.Seal.AddRootAsync(new() { Version = 1, Method = SealMethod.Passphrase, Wrapped = [1], CreatedAt = now.ToUnixTimeSeconds() }, 0, [], Entry("root.added", "1"), CancellationToken.None);
Say("ready");
await Task.WhenAll(Enumerable.Range(0, Hands).Select(hand => Task.Run(() => HammerAsync($"{life}-{hand}"))));

async Task HammerAsync(string name)
{
    var family = NewFamily("family-" + name);
    KeyRecord record = new() { ServiceId = "record-" + name, Identity = KmIdentity.ServiceOnly, UpdatedAt = now.ToUnixTimeSeconds() };
    await stores.Seal.AddKekAsync(new() { ServiceId = record.ServiceId, Version = 1, Root = 1, Wrapped = Hash(name), CreatedAt = record.UpdatedAt }, null, CancellationToken.None);
    for (var i = 0; ; i++)
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"{name}-{i}");
        // A code is added, and redeemed: with the first one begins the family that each redemption rotates.
        await stores.Grants.AddCodeAsync(NewCode(id), Entry("code.added", id), CancellationToken.None);
        Say("code " + id);
        await stores.Grants.RedeemCodeAsync(Hash(id), now.ToUnixTimeSeconds(), i == 0 ? family : null, Entry("code.redeemed", id), CancellationToken.None);
        Say("redeemed " + id);
        family = family with { Generation = family.Generation + 1, PreviousHash = family.CurrentHash, CurrentHash = Hash(id) };
        await stores.Grants.RotateAsync(family, Entry("family.rotated", family.FamilyId), CancellationToken.None);
        Say(string.Create(CultureInfo.InvariantCulture, $"rotated {family.FamilyId} {family.Generation}"));
        await stores.Revocations.AddAsync([new Revocation(RevocationKind.JwtId, id, long.MaxValue, long.MaxValue)], Entry("token.revoked", id), CancellationToken.None);
        Say("revoked " + id);
        // Each time a new version of the record, in the place of the one before.
        var version = new KeyVersion { Number = record.Latest + 1, ActivatesAt = record.UpdatedAt, CreatedAt = record.UpdatedAt, KekVersion = 1, WrappedKey = Hash("key " + id), Ciphertext = Hash(id) };
        record = record with { Latest = version.Number };
        record = (await stores.KeyRecords.SaveAsync([new(record, version, [version.Number - 1])], _ => Entry("record.saved", record.ServiceId), CancellationToken.None))[0]
            ?? throw new InvalidOperationException("somebody else changed the record");
        Say(string.Create(CultureInfo.InvariantCulture, $"saved {record.ServiceId} {record.Version} {Convert.ToHexString(version.Ciphertext)}"));
        await stores.Assertions.AddAsync("client", id, now.ToUnixTimeSeconds() + 300, CancellationToken.None);
        Say("asserted " + id);
    }
}

// One write of one line: a pipe keeps it whole, and keeps it when this process is gone.
void Say(string line)
{
    var octets = Encoding.UTF8.GetBytes(line + "\n");
    lock (oneAtATime)
    {
        output.Write(octets);
        output.Flush();
    }
}

AuditEntry Entry(string kind, string subject) => new() { Kind = kind, Outcome = AuditOutcome.Changed, At = now.ToUnixTimeMilliseconds(), Subject = subject };

AuthorizationCode NewCode(string id) => new()
{
    Hash = Hash(id),
    ClientId = "client",
    Subject = "subject",
    RedirectUri = "https://a.example/cb",
    RedirectUriSent = true,
    Scope = ScopeList.Empty,
    Authentication = new Authentication(now.ToUnixTimeMilliseconds(), "acr", "pwd"),
    GrantId = "grant-" + id,
    ExpiresAt = now.ToUnixTimeSeconds() + 600,
};

RefreshFamily NewFamily(string id) => new()
{
    FamilyId = id,
    ClientId = "client",
    Subject = "subject",
    Scope = ScopeList.Empty,
    Authentication = new Authentication(now.ToUnixTimeMilliseconds(), "acr", "pwd"),
    Generation = 0,
    CurrentHash = Hash(id),
    RotatedAt = now.ToUnixTimeMilliseconds(),
    IdleExpiresAt = now.ToUnixTimeMilliseconds() + 1_000_000,
    AbsoluteExpiresAt = now.ToUnixTimeMilliseconds() + 1_000_000,
};

static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
