using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// A VAL server that provisions key material for its users, takes it away and takes that back: by SEAL KP Requests, or by the records
/// as resources. Each record gives out what was acknowledged last, or the next when a change was under way, and the audit tells of
/// exactly as many changes.
/// </summary>
internal sealed class OwnedKeyWork(Random random, bool byMessage) : Work
{
    /// <summary>Below the number of versions that a record keeps: here none of them is ever past.</summary>
    private const int MostKeys = 12;

    private readonly List<Entry> _records = [];
    private readonly HashSet<Entry> _touched = [];
    private string? _token;
    private string? _reading;
    private bool _open;

    private enum Change
    {
        Set,
        Remove,
        Recover,
    }

    public override string Kind => byMessage ? "key-message" : "key-record";

    public override IReadOnlyDictionary<string, int> ExpectedLines => _records.ToDictionary(r => KeyRecord.Purpose(ValServer.Service, r.Identity), r => r.Changes);

    public override async Task PrepareAsync(Peer peer)
    {
        _token ??= await ValServer.TokenAsync(peer, "seal:key_provisioning");
        _reading ??= await ValServer.TokenAsync(peer, "seal:key_management");
        _open = false;
    }

    public override async Task StepAsync(Peer peer, Action sent)
    {
        var record = random.Next(3) == 0 || _records.Count == 0 ? New() : _records[^(1 + random.Next(Math.Min(_records.Count, 4)))];
        var change = record.Removed ? Change.Recover : record.Keys > 0 && (record.Keys >= MostKeys || random.Next(3) == 0) ? Change.Remove : Change.Set;
        _touched.Add(record);
        record.UnderWay = change;
        if (byMessage)
            await SendMessageAsync(peer, record, change, sent);
        else
            await SendAsync(peer, record, change, sent);
        record.Done(change);
    }

    public override async Task CheckAsync(Peer peer)
    {
        foreach (var record in _touched)
        {
            var given = await GivenAsync(peer, record);
            if (record.UnderWay is { } change && given != record.Given)
                record.Done(change);
            Assert.True(given == record.Given, $"{record.Identity}: {given ?? "nothing"} is given out for {record.Given ?? "nothing"}, {record.UnderWay?.ToString() ?? "nothing"} was under way");
            record.UnderWay = null;
        }
        _touched.Clear();
    }

    /// <summary>The SEAL KP Request. For a moment after a restart one is refused that the life before may have accepted: nothing was done then, and the next is another request.</summary>
    private async Task SendMessageAsync(Peer peer, Entry record, Change change, Action sent)
    {
        for (var since = TimeProvider.System.GetTimestamp(); ; await Task.Delay(100))
        {
            var request = new JsonObject
            {
                ["version"] = "1.0.0",
                ["sKmsUri"] = (string)peer.Folder.Demo["skmsUri"]!,
                ["serviceId"] = ValServer.Service,
                ["userId"] = record.Identity.Value,
                ["dateTime"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + (_open ? 1 : 0),
                ["requestId"] = Convert.ToHexString(RandomNumberGenerator.GetBytes(8)),
                ["operation"] = change switch { Change.Set => "set", Change.Remove => "remove", Change.Recover => "recover" },
            };
            if (change == Change.Set)
                request["payload"] = record.Next;
            if (_open)
                sent();
            var answer = (await ValServer.SendAsync(peer, HttpMethod.Post, ProvisionKeys.Path, _token!, request)).Is(200, 403);
            if (answer.Status == 200)
            {
                _open = true;
                Assert.Equal(change switch { Change.Set => record.Keys == 0 ? "added" : "changed", Change.Remove => "removed", Change.Recover => "recovered" }, (string?)answer.Body!["result"]);
                return;
            }
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromMinutes(1), $"refused for a minute: {answer.Body}");
        }
    }

    private async Task SendAsync(Peer peer, Entry record, Change change, Action sent)
    {
        var path = $"/seal/km/v1/services/{ValServer.Service}/records/{KeyRecordName.Of(record.Identity)}";
        sent();
        switch (change)
        {
            case Change.Set:
                (await ValServer.SendAsync(peer, HttpMethod.Put, path, _token!, new() { ["payload"] = record.Next })).Is(record.Keys == 0 ? 201 : 200);
                break;
            case Change.Remove:
                (await ValServer.SendAsync(peer, HttpMethod.Delete, path, _token!)).Is(204);
                break;
            case Change.Recover:
                (await ValServer.SendAsync(peer, HttpMethod.Post, path + "/recover", _token!)).Is(200);
                break;
        }
    }

    /// <summary>What the VAL server gets for the user; null for nothing.</summary>
    private async Task<string?> GivenAsync(Peer peer, Entry record)
    {
        var answer = await ValServer.SendAsync(peer, HttpMethod.Get, $"/ss-kir/v1/key-records?val-service-id={ValServer.Service}&valUserId={Uri.EscapeDataString(record.Identity.Value)}", _reading!);
        return answer.Is(200, 404).Status == 404 ? null : Encoding.UTF8.GetString(Base64Url.DecodeFromChars((string)answer.Body!["keyInfo"]!));
    }

    private Entry New()
    {
        var record = new Entry($"sip:{Kind}-{_records.Count.ToString(CultureInfo.InvariantCulture)}@val.example");
        _records.Add(record);
        return record;
    }

    private sealed class Entry(string userId)
    {
        public KmIdentity Identity { get; } = new(KmIdentityKind.User, userId);

        /// <summary>How often key material was set.</summary>
        public int Keys { get; private set; }

        /// <summary>How often anything was changed.</summary>
        public int Changes { get; private set; }

        public bool Removed { get; private set; }

        public Change? UnderWay { get; set; }

        public string? Given => Removed || Keys == 0 ? null : Mark(Keys);

        public string Next => Mark(Keys + 1);

        public void Done(Change change)
        {
            Keys += change == Change.Set ? 1 : 0;
            Changes++;
            Removed = change == Change.Remove;
            UnderWay = null;
        }

        private string Mark(int key) => $"key {key.ToString(CultureInfo.InvariantCulture)} of {Identity.Value}";
    }
}
