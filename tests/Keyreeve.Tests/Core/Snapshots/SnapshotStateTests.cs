using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Core.Snapshots;

public sealed class SnapshotStateTests : IDisposable
{
    private static readonly TimeSpan StaleAfter = TimeSpan.FromSeconds(30);
    private static readonly CancellationToken Never = CancellationToken.None;

    private readonly MemoryStores _stores = new();
    private readonly Kek _kek = Samples.NewKek();
    private readonly TestClock _clock = new(Samples.Now);
    private readonly SnapshotState _state;

    public SnapshotStateTests() => _state = new SnapshotState(_stores, _stores, _stores, _stores, _stores, _kek, Samples.Issuer, null, StaleAfter, _clock);

    public void Dispose()
    {
        _state.Dispose();
        _kek.Dispose();
    }

    [Fact]
    public async Task A_client_is_read_once_until_a_client_changes()
    {
        _stores.Save(Samples.Client);
        await _state.RefreshAsync(Never);
        for (var i = 0; i < 3; i++)
            Assert.Same(Samples.Client, await _state.FindClientAsync(Samples.ClientId, Never));
        Assert.Equal(1, _stores.ClientReads);

        var changed = Samples.Client with { Disabled = true };
        _stores.Save(changed);
        await _state.RefreshAsync(Never);
        Assert.Same(changed, await _state.FindClientAsync(Samples.ClientId, Never));
        await _state.RefreshAsync(Never);
        Assert.Same(changed, await _state.FindClientAsync(Samples.ClientId, Never));
        Assert.Equal(2, _stores.ClientReads);
    }

    [Fact]
    public async Task A_client_that_is_not_there_is_not_remembered_as_missing()
    {
        await _state.RefreshAsync(Never);
        Assert.Null(await _state.FindClientAsync(Samples.ClientId, Never));
        _stores.Clients[Samples.ClientId] = Samples.Client;
        Assert.Same(Samples.Client, await _state.FindClientAsync(Samples.ClientId, Never));
    }

    [Fact]
    public async Task A_client_changed_while_it_is_loaded_is_never_served_stale_afterwards()
    {
        _stores.Save(Samples.Client);
        await _state.RefreshAsync(Never);
        _stores.Gate = new();
        var loading = _state.FindClientAsync(Samples.ClientId, Never).AsTask();
        var changed = Samples.Client with { Disabled = true };
        _stores.Save(changed);
        await _state.RefreshAsync(Never);
        _stores.Gate.SetResult();
        _stores.Gate = null;
        Assert.Same(Samples.Client, await loading);
        Assert.Same(changed, await _state.FindClientAsync(Samples.ClientId, Never));
        Assert.Same(changed, await _state.FindClientAsync(Samples.ClientId, Never));
    }

    [Fact]
    public async Task A_certificate_taken_from_a_client_while_it_is_looked_up_opens_nothing_afterwards()
    {
        _stores.Save(Samples.Client with { CertificateThumbprints = ["aa"] });
        await _state.RefreshAsync(Never);
        Assert.NotNull(await _state.FindClientByCertificateAsync("aa", Never));
        Assert.NotNull(await _state.FindClientByCertificateAsync("aa", Never));
        _stores.Save(Samples.Client with { CertificateThumbprints = ["aa", "bb"] });
        await _state.RefreshAsync(Never);

        _stores.Gate = new();
        var loading = _state.FindClientByCertificateAsync("aa", Never).AsTask();
        _stores.Save(Samples.Client);
        await _state.RefreshAsync(Never);
        _stores.Gate.SetResult();
        _stores.Gate = null;
        Assert.NotNull(await loading);
        Assert.Null(await _state.FindClientByCertificateAsync("aa", Never));
        Assert.Null(await _state.FindClientByCertificateAsync("bb", Never));
    }

    [Fact]
    public async Task A_change_between_the_counters_and_the_data_is_seen_by_the_next_round()
    {
        _stores.Save(Samples.Client);
        _stores.Revoke(new Revocation(RevocationKind.Subject, "a", 1, long.MaxValue));
        var changed = Samples.Client with { Disabled = true };
        _stores.AfterVersions = () =>
        {
            _stores.AfterVersions = null;
            _stores.Save(changed);
            _stores.Revoke(new Revocation(RevocationKind.Subject, "b", 1, long.MaxValue));
        };
        await _state.RefreshAsync(Never);
        _ = await _state.FindClientAsync(Samples.ClientId, Never);
        await _state.RefreshAsync(Never);
        Assert.Same(changed, await _state.FindClientAsync(Samples.ClientId, Never));
        Assert.True(_state.Revocations.Covers(null, "a", "c", null, 1));
        Assert.True(_state.Revocations.Covers(null, "b", "c", null, 1));
    }

    [Fact]
    public async Task A_revocation_costs_its_own_row_and_not_the_list()
    {
        _stores.Revoke([.. Enumerable.Range(0, 100).Select(i => new Revocation(RevocationKind.JwtId, $"jti {i}", 1, long.MaxValue))]);
        await _state.RefreshAsync(Never);
        Assert.Equal(100, _stores.RevocationsRead);
        _stores.Revoke(new Revocation(RevocationKind.JwtId, "one more", 1, long.MaxValue));
        await _state.RefreshAsync(Never);
        Assert.Equal(101, _stores.RevocationsRead);
        foreach (var jti in (string[])["jti 0", "jti 99", "one more"])
            Assert.True(_state.Revocations.Covers(jti, "s", "c", null, 1), jti);
    }

    [Fact]
    public async Task A_store_that_was_put_back_is_read_from_its_beginning()
    {
        _stores.Revoke(new Revocation(RevocationKind.Subject, "then", 1, long.MaxValue));
        _stores.Revoke(new Revocation(RevocationKind.Subject, "later", 1, long.MaxValue));
        await _state.RefreshAsync(Never);
        _stores.PutBack();
        _stores.Revoke(new Revocation(RevocationKind.Subject, "again", 1, long.MaxValue));
        await _state.RefreshAsync(Never);
        Assert.True(_state.Revocations.Covers(null, "again", "c", null, 1));
        Assert.Equal(1, _state.Revocations.Count);
    }

    [Fact]
    public async Task When_the_store_was_not_heard_of_for_too_long_no_revocation_list_is_handed_out()
    {
        await _state.RefreshAsync(Never);
        _stores.Away = new IOException("gone");
        _clock.Advance(StaleAfter);
        await Assert.ThrowsAsync<IOException>(() => _state.RefreshAsync(Never));
        Assert.Equal(0, _state.Revocations.Count);
        _clock.Advance(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAsync<IOException>(() => _state.RefreshAsync(Never));
        Assert.Throws<StaleSnapshotException>(() => _state.Revocations);
        _stores.Away = null;
        await _state.RefreshAsync(Never);
        Assert.Equal(TimeSpan.Zero, _state.Age);
        Assert.Equal(0, _state.Revocations.Count);
    }

    [Fact]
    public async Task Keys_that_are_revoked_or_expired_are_not_in_the_ring()
    {
        var good = Row(1);
        _stores.Keys.AddRange([good, Row(2) with { Revoked = true }, Row(3) with { ExpiresAt = Samples.Now.ToUnixTimeSeconds() }, Row(4) with { ExpiresAt = Samples.Now.ToUnixTimeSeconds() + 1 }]);
        _stores.Raise(Topic.SigningKeys);
        await _state.RefreshAsync(Never);
        Assert.Equal([1, 4], _state.Keys.Keys.Select(k => k.Row.Generation).Order());

        var opened = _state.Keys.Verifying(good.KeyId);
        _stores.Keys[0] = good with { Revoked = true };
        _stores.Raise(Topic.SigningKeys);
        await _state.RefreshAsync(Never);
        Assert.NotNull(opened);
        Assert.Null(_state.Keys.Verifying(good.KeyId));
    }

    [Fact]
    public async Task A_key_whose_end_was_set_is_known_with_it_and_others_stay_as_they_are()
    {
        var (first, second) = (Row(1), Row(2));
        _stores.Keys.AddRange([first, second]);
        _stores.Raise(Topic.SigningKeys);
        await _state.RefreshAsync(Never);
        var before = _state.Keys.Keys.ToDictionary(k => k.KeyId);
        _stores.Keys[0] = first with { ExpiresAt = Samples.Now.ToUnixTimeSeconds() + 100 };
        _stores.Raise(Topic.SigningKeys);
        await _state.RefreshAsync(Never);
        Assert.Same(before[second.KeyId], _state.Keys.Keys.Single(k => k.KeyId == second.KeyId));
        Assert.Equal(Samples.Now.ToUnixTimeSeconds() + 100, _state.Keys.Keys.Single(k => k.KeyId == first.KeyId).Row.ExpiresAt);
    }

    [Fact]
    public async Task A_key_of_another_kek_stops_no_revocation_and_is_told_each_round_until_it_opens()
    {
        using var other = Samples.NewKek(8);
        var (row, key) = SigningKey.Generate(JwsAlgorithm.ES256, 1, Samples.Now, Samples.Now, other);
        key.Dispose();
        _stores.Keys.Add(row);
        _stores.Raise(Topic.SigningKeys);
        _stores.Revoke(new Revocation(RevocationKind.Subject, "thief", 100, long.MaxValue));
        for (var round = 0; round < 2; round++)
        {
            var told = await Assert.ThrowsAsync<InvalidOperationException>(() => _state.RefreshAsync(Never));
            Assert.Contains(other.Id, told.Message, StringComparison.Ordinal);
            Assert.True(_state.Revocations.Covers(null, "thief", "c", null, 100));
            Assert.Empty(_state.Keys.Keys);
        }
        _stores.Keys[0] = Row(1);
        await _state.RefreshAsync(Never);
        Assert.Single(_state.Keys.Keys);
    }

    [Fact]
    public async Task Services_make_scopes_and_are_gone_when_they_go()
    {
        _stores.Services.Add(new ValService { ServiceId = "a", Name = "A", Audience = "https://a.example" });
        _stores.Raise(Topic.Services);
        await _state.RefreshAsync(Never);
        Assert.NotNull(_state.Scopes.Find("val:a"));
        _stores.Services.Clear();
        Assert.NotNull(_state.Scopes.Find("val:a"));
        _stores.Raise(Topic.Services);
        await _state.RefreshAsync(Never);
        Assert.Null(_state.Scopes.Find("val:a"));
    }

    private SigningKeyRow Row(int generation)
    {
        var (row, key) = SigningKey.Generate(JwsAlgorithm.ES256, generation, Samples.Now, Samples.Now, _kek);
        key.Dispose();
        return row;
    }
}
