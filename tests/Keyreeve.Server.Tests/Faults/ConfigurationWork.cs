using System.Globalization;
using System.Text.Json.Nodes;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// A VAL server that provisions who has its VAL service (SS_IdmParameterProvisioning of TS 29.549): it makes, replaces and removes
/// configurations. Each is as it was acknowledged last, or the next when a change was under way; and the audit tells of exactly as many changes.
/// </summary>
internal sealed class ConfigurationWork(Random random) : Work
{
    private const string Collection = "/ss-ipp/v1/configurations";

    /// <summary>A VAL server may have 500.</summary>
    private const int MostLiving = 20;

    private readonly List<Entry> _configurations = [];
    private readonly HashSet<Entry> _touched = [];
    private string? _token;
    private int _made;

    private enum Change
    {
        Make,
        Replace,
        Remove,
    }

    public override string Kind => "configuration";

    public override IReadOnlyDictionary<string, int> ExpectedLines => _configurations.Where(c => c.Path is not null).ToDictionary(c => c.Path![(Collection.Length + 1)..], c => c.Version + (c.Removed ? 1 : 0));

    public override async Task PrepareAsync(Peer peer) => _token ??= await ValServer.TokenAsync(peer, "seal:identity_provisioning");

    public override async Task StepAsync(Peer peer, Action sent)
    {
        var living = _configurations.FindAll(c => !c.Removed);
        var choice = living.Count == 0 ? 0 : random.Next(living.Count < MostLiving ? 0 : 2, 5);
        var entry = choice < 2 ? New() : living[random.Next(living.Count)];
        _touched.Add(entry);
        entry.UnderWay = choice switch { < 2 => Change.Make, < 4 => Change.Replace, _ => Change.Remove };
        sent();
        switch (entry.UnderWay)
        {
            case Change.Make:
                entry.Path = (await ValServer.SendAsync(peer, HttpMethod.Post, Collection, _token!, entry.Document(1))).Is(201).Path;
                entry.Version = 1;
                break;
            case Change.Replace:
                Assert.Equal(Tag(entry.Version + 1), (await ValServer.SendAsync(peer, HttpMethod.Put, entry.Path!, _token!, entry.Document(entry.Version + 1), Tag(entry.Version))).Is(200).ETag);
                entry.Version++;
                break;
            case Change.Remove:
                (await ValServer.SendAsync(peer, HttpMethod.Delete, entry.Path!, _token!, etag: Tag(entry.Version))).Is(204);
                entry.Removed = true;
                break;
        }
        entry.UnderWay = null;
    }

    public override async Task CheckAsync(Peer peer)
    {
        var all = (await ValServer.SendAsync(peer, HttpMethod.Get, $"{Collection}?val-server-id={ValServer.Id}", _token!)).Is(200).Body!.AsArray();
        foreach (var entry in _touched)
        {
            if (entry.UnderWay == Change.Make)
                Assert.All(all.Where(c => entry.IsOf(c!)), c => entry.AssertIs(c!, 1));
            else
                await CheckAsync(peer, entry);
            entry.UnderWay = null;
        }
        _touched.Clear();
        // The name of one whose maker did not hear the answer is not told to anybody: it stays, whole or not at all.
        _configurations.RemoveAll(c => c.Path is null);
    }

    private async Task CheckAsync(Peer peer, Entry entry)
    {
        var answer = await ValServer.SendAsync(peer, HttpMethod.Get, entry.Path!, _token!);
        if (entry.Removed || entry.UnderWay == Change.Remove && answer.Status == 404)
        {
            answer.Is(404);
            entry.Removed = true;
            return;
        }
        answer.Is(200);
        if (entry.UnderWay == Change.Replace && answer.ETag == Tag(entry.Version + 1))
            entry.Version++;
        Assert.Equal(Tag(entry.Version), answer.ETag);
        entry.AssertIs(answer.Body!, entry.Version);
    }

    private Entry New()
    {
        var entry = new Entry($"configured-{_made++.ToString(CultureInfo.InvariantCulture)}");
        _configurations.Add(entry);
        return entry;
    }

    private static string Tag(int version) => "\"" + version.ToString(CultureInfo.InvariantCulture) + "\"";

    private sealed class Entry(string name)
    {
        private readonly string _user = $"sip:{name}@val.example";

        public string? Path { get; set; }

        public int Version { get; set; }

        public bool Removed { get; set; }

        public Change? UnderWay { get; set; }

        /// <summary>One user, and a device by which a version is told.</summary>
        public JsonObject Document(int version) => new()
        {
            ["valServerId"] = ValServer.Id,
            ["valSvcConf"] = new JsonArray(new JsonObject
            {
                ["valServiceId"] = ValServer.Service,
                ["idList"] = new JsonArray(new JsonObject { ["valUserId"] = _user }, new JsonObject { ["valUeId"] = Device(version) }),
            }),
        };

        public bool IsOf(JsonNode document) => document["valSvcConf"]![0]!["idList"]!.AsArray().Any(id => (string?)id!["valUserId"] == _user);

        public void AssertIs(JsonNode document, int version) => Assert.Equal([_user, Device(version)], document["valSvcConf"]![0]!["idList"]!.AsArray().Select(id => (string?)id!["valUserId"] ?? (string?)id["valUeId"]).OrderDescending(StringComparer.Ordinal));

        private string Device(int version) => $"{name}-version-{version.ToString(CultureInfo.InvariantCulture)}";
    }
}
