using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// An operator's program that makes, changes and removes users, clients and key records. Each thing has exactly the version that was
/// acknowledged last, or the next one when a change was under way; and the audit tells of exactly as many changes.
/// </summary>
internal sealed class ProvisionWork(Random random, string prefix) : Work
{
    /// <summary>The VAL service of the key records.</summary>
    private const string Service = "pump-control";

    private static readonly string[] Kinds = ["user", "client", "key_record"];

    private readonly List<Thing> _things = [];
    private readonly HashSet<Thing> _touched = [];
    private int _made;

    public override string Kind => "admin";

    public override IReadOnlyDictionary<string, int> ExpectedLines => _things.Where(t => t.AuditName is not null).ToDictionary(t => t.AuditName!, t => (int)t.Version + (t.Removed ? 1 : 0));

    public override Task PrepareAsync(Peer peer) => Task.CompletedTask;

    public override async Task StepAsync(Peer peer, Action sent)
    {
        var living = _things.FindAll(t => !t.Removed);
        var choice = living.Count == 0 ? 0 : random.Next(5);
        var thing = choice < 2 ? New() : living[^(1 + random.Next(Math.Min(living.Count, 4)))];
        _touched.Add(thing);
        thing.UnderWay = choice switch { < 2 => Change.Make, < 4 => Change.Replace, _ => Change.Remove };
        sent();
        switch (thing.UnderWay)
        {
            case Change.Make:
                var made = await peer.AdminAsync(HttpMethod.Post, thing.Collection, thing.Document(made: true));
                Assert.True(made.Status == 201, made.Body.ToJsonString());
                thing.Path = thing.Collection + "/" + (string)made.Body[thing.IdMember]!;
                thing.AuditName ??= (string)made.Body[thing.IdMember]!;
                thing.Version = 1;
                break;
            case Change.Replace:
                var replaced = await peer.AdminAsync(HttpMethod.Put, thing.Path!, thing.Document(made: false), Tag(thing.Version));
                Assert.True(replaced.Status == 200, replaced.Body.ToJsonString());
                Assert.Equal(++thing.Version, (long)replaced.Body["version"]!);
                break;
            case Change.Remove:
                Assert.Equal(204, (await peer.AdminAsync(HttpMethod.Delete, thing.Path!, null, thing.Kind == "key_record" ? null : Tag(thing.Version))).Status);
                thing.Removed = true;
                break;
        }
        thing.UnderWay = null;
    }

    public override async Task CheckAsync(Peer peer)
    {
        foreach (var thing in _touched)
        {
            if (thing.UnderWay == Change.Make)
                await FindMadeAsync(peer, thing);
            if (thing.Path is not null)
                await CheckAsync(peer, thing);
            thing.UnderWay = null;
        }
        _touched.Clear();
        _things.RemoveAll(t => t.Path is null);
    }

    private static async Task CheckAsync(Peer peer, Thing thing)
    {
        var (status, body, _) = await peer.AdminAsync(HttpMethod.Get, thing.Path!);
        if (thing.Removed || thing.UnderWay == Change.Remove && status == 404)
        {
            Assert.Equal(404, status);
            thing.Removed = true;
            return;
        }
        Assert.True(status == 200, $"{thing.Path}: {status}");
        var version = (long)body["version"]!;
        Assert.True(version == thing.Version || thing.UnderWay == Change.Replace && version == thing.Version + 1, $"{thing.Path}: version {version} after {thing.Version} was acknowledged");
        thing.Version = version;
        if (thing.Kind != "key_record")
            Assert.Equal(thing.MarkOf(version), (string?)body[thing.Kind == "user" ? "displayName" : "name"]);
    }

    /// <summary>Was it made as the server died? Then it is one like the others.</summary>
    private static async Task FindMadeAsync(Peer peer, Thing thing)
    {
        var id = thing.Name;
        if (thing.Kind == "user")
        {
            var (_, found, _) = await peer.AdminAsync(HttpMethod.Get, "/users?username=" + thing.Name);
            if (found["items"]!.AsArray() is not [var user])
                return;
            id = (string)user!["subject"]!;
        }
        else if (thing.Kind == "key_record")
        {
            id = Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{Service} 3 {thing.Name}"));
        }
        var path = thing.Collection + "/" + id;
        if ((await peer.AdminAsync(HttpMethod.Get, path)).Status != 200)
            return;
        (thing.Path, thing.Version) = (path, 1);
        thing.AuditName ??= id;
    }

    private Thing New()
    {
        var kind = Kinds[random.Next(Kinds.Length)];
        var thing = new Thing(kind, $"{prefix}{_made++.ToString(CultureInfo.InvariantCulture)}");
        // A client and a record are named by whoever makes them, a user by the server.
        thing.AuditName = kind switch { "client" => thing.Name, "key_record" => $"key_records/{Service.Length}:{Service}/3/{thing.Name.Length}:{thing.Name}", _ => null };
        _things.Add(thing);
        return thing;
    }

    private static string Tag(long version) => "\"" + version.ToString(CultureInfo.InvariantCulture) + "\"";

    private enum Change
    {
        Make,
        Replace,
        Remove,
    }

    private sealed class Thing(string kind, string name)
    {
        public string Kind { get; } = kind;

        public string Name { get; } = name;

        public string Collection => Kind switch { "user" => "/users", "client" => "/clients", _ => "/key-records" };

        public string IdMember => Kind switch { "user" => "subject", "client" => "clientId", _ => "id" };

        public string? Path { get; set; }

        public string? AuditName { get; set; }

        public long Version { get; set; }

        public bool Removed { get; set; }

        public Change? UnderWay { get; set; }

        /// <summary>What a version is told by.</summary>
        public string MarkOf(long version) => $"{Name} version {version.ToString(CultureInfo.InvariantCulture)}";

        public JsonObject Document(bool made)
        {
            var mark = MarkOf(made ? 1 : Version + 1);
            return Kind switch
            {
                "user" => new() { ["username"] = Name, ["displayName"] = mark },
                "client" => new() { ["clientId"] = Name, ["name"] = mark, ["redirectUris"] = new JsonArray("https://a.example/cb"), ["scopes"] = "openid" },
                _ => made
                    ? new() { ["serviceId"] = Service, ["userId"] = Name, ["payload"] = mark }
                    : new() { ["payload"] = mark },
            };
        }
    }
}
