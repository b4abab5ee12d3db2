using System.Text.Json.Nodes;
using Keyreeve.Core.Keys;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Admin.Seals;

/// <summary>The seal of the key store as the admin API tells of it: never a key, a share or a passphrase.</summary>
internal static class SealJson
{
    public static readonly AdminSchema Status = new("SealStatus",
        new AdminField("sealed", FieldKind.Flag, "True while this node gives out no key material.", ReadOnly: true),
        new AdminField("method", FieldKind.Text, "What the root is sealed by: kek, key-file, passphrase or shares.", ReadOnly: true),
        new AdminField("root", FieldKind.Number, "Version of the root that wraps what is new.", ReadOnly: true),
        new AdminField("shares", FieldKind.Object, "When sealed by shares: set, shares, threshold, and how many were given on this node.", ReadOnly: true),
        new AdminField("roots", FieldKind.Objects, "Each stored root: version, method, createdAt, and whether it is open here.", ReadOnly: true),
        new AdminField("serviceKeys", FieldKind.Object, "Keys of VAL services: total, and how many a former root still wraps (left).", ReadOnly: true),
        new AdminField("rotating", FieldKind.Objects, "VAL services whose records are being wrapped anew: serviceId, version, left.", ReadOnly: true),
        new AdminField("rewrap", FieldKind.Object, "The work in the background on this node: state, rewrapped since its start, unopened, why.", ReadOnly: true));

    public static readonly AdminSchema Initialization = new("SealInitialization",
        new AdminField("method", FieldKind.Text, "kek (opens by itself), key-file, passphrase or shares.", Required: true, WriteOnly: true),
        new AdminField("passphrase", FieldKind.Text, "For passphrase: 16 to 1024 characters.", WriteOnly: true),
        new AdminField("key", FieldKind.Text, "For key-file and shares: 32 octets in base64url. The caller splits it: the server never makes a share, so that none is lost with an answer.", WriteOnly: true),
        new AdminField("set", FieldKind.Text, "For shares: the name of the set, 8 hexadecimal digits.", WriteOnly: true),
        new AdminField("shares", FieldKind.Number, "For shares: how many there are.", WriteOnly: true),
        new AdminField("threshold", FieldKind.Number, "For shares: how many open.", WriteOnly: true));

    public static readonly AdminSchema Unsealing = new("Unsealing",
        new AdminField("passphrase", FieldKind.Text, "The passphrase.", WriteOnly: true),
        new AdminField("key", FieldKind.Text, "The text of the key file.", WriteOnly: true),
        new AdminField("share", FieldKind.Text, "One share.", WriteOnly: true));

    public static readonly AdminSchema Rotation = new("SealRotation",
        new AdminField("passphrase", FieldKind.Text, "The passphrase that is the seal's.", WriteOnly: true),
        new AdminField("key", FieldKind.Text, "The key that is the seal's: a key file's text, or what the shares give.", WriteOnly: true));

    public static readonly AdminSchema Progress = new("UnsealProgress",
        new AdminField("sealed", FieldKind.Flag, "False when this node is open.", ReadOnly: true),
        new AdminField("given", FieldKind.Number, "Shares that were given.", ReadOnly: true),
        new AdminField("needed", FieldKind.Number, "Shares that are needed.", ReadOnly: true));

    public static readonly AdminSchema Destruction = new("ServiceKeyDestruction",
        new AdminField("serviceId", FieldKind.Text, "The VAL service of the path once more: what is destroyed here does not come back.", Required: true));

    public static readonly AdminSchema Destroyed = new("DestroyedServiceKeys",
        new AdminField("serviceId", FieldKind.Text, "VAL service ID.", ReadOnly: true),
        new AdminField("destroyed", FieldKind.Number, "Keys that were destroyed.", ReadOnly: true),
        new AdminField("note", FieldKind.Text, "Where they may still be.", ReadOnly: true));

    public static async Task<JsonObject> WriteAsync(AdminRequest request)
    {
        var (parts, keeper, walk) = (request.Admin.Parts, request.Admin.Seal, request.Admin.SealWalk.State);
        var roots = await parts.Stores.Seal.RootsAsync(request.Cancel);
        var newest = roots[^1];
        var (all, left) = await parts.Stores.Seal.CountKeksAsync(newest.Version, request.Cancel);
        var rotating = new JsonArray();
        foreach (var service in await parts.Stores.Seal.RotatingAsync(100, request.Cancel))
            if (await parts.Stores.Seal.FindKekAsync(service, request.Cancel) is { } kek)
                rotating.Add(new JsonObject { ["serviceId"] = service, ["version"] = kek.Version, ["left"] = await parts.Stores.KeyRecords.CountBelowAsync(service, kek.Version, request.Cancel) });
        return new JsonObject
        {
            ["sealed"] = keeper.IsSealed,
            ["method"] = SealSources.NameOf(newest.Method),
            ["root"] = newest.Version,
            ["shares"] = newest.Method != SealMethod.Shares ? null : new JsonObject
            {
                ["set"] = newest.Parameters.Set,
                ["shares"] = newest.Parameters.Shares,
                ["threshold"] = newest.Parameters.Threshold,
                ["given"] = keeper.SharesGiven,
            },
            ["roots"] = new JsonArray([.. roots.Select(r => (JsonNode)new JsonObject
            {
                ["version"] = r.Version, ["method"] = SealSources.NameOf(r.Method), ["createdAt"] = Times.OfSeconds(r.CreatedAt), ["open"] = parts.Roots.Versions.Contains(r.Version),
            })]),
            ["serviceKeys"] = new JsonObject { ["total"] = all, ["left"] = left },
            ["rotating"] = rotating,
            ["rewrap"] = new JsonObject { ["state"] = walk.State, ["rewrapped"] = walk.Rewrapped, ["unopened"] = walk.Unopened, ["why"] = walk.FirstUnopened },
        };
    }
}
