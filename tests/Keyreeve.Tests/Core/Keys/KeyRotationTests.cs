using Keyreeve.Core.Keys;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Core.Keys;

/// <summary>Two years of hourly rounds against what verifiers need; a model keeps who signed when.</summary>
public sealed class KeyRotationTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan TwoYears = TimeSpan.FromDays(730);

    public static TheoryData<RotationPolicy> Policies => [
        new RotationPolicy { Algorithms = [JwsAlgorithm.ES256, JwsAlgorithm.ES384] },
        new RotationPolicy { Algorithms = [JwsAlgorithm.ES256], Period = TimeSpan.FromDays(7), PublishAhead = TimeSpan.FromHours(25), KeepAfter = TimeSpan.FromDays(3) },
        new RotationPolicy { Algorithms = [JwsAlgorithm.ES256], Period = TimeSpan.FromHours(50), PublishAhead = TimeSpan.FromMinutes(90), KeepAfter = TimeSpan.FromHours(26.3) }];

    [Theory]
    [MemberData(nameof(Policies))]
    public void Two_quiet_years_keep_every_promise(RotationPolicy policy)
    {
        using var model = new Model(policy, Samples.Now);
        for (var t = TimeSpan.Zero; t < TwoYears; t += Hour)
            model.Round(Hour);
        Assert.InRange(model.Made, (int)(TwoYears / (policy.Period + policy.PublishAhead)) * policy.Algorithms.Count, ((int)(TwoYears / policy.Period) + 2) * policy.Algorithms.Count);
        Assert.Equal(policy.Algorithms.Count, model.MadeInNeed);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Weeks_of_downtime_keep_every_promise(RotationPolicy policy)
    {
        for (var seed = 1; seed <= 2; seed++)
        {
            var random = new Random(seed);
            using var model = new Model(policy, Samples.Now);
            for (var t = TimeSpan.Zero; t < TwoYears; t += Hour)
            {
                model.Round(Hour);
                if (random.Next(500) == 0)
                    t += model.Sleep(TimeSpan.FromMinutes(random.Next(1, 60 * 24 * 50)));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void A_revoked_key_is_replaced_at_once_and_the_others_keep_every_promise(RotationPolicy policy)
    {
        for (var seed = 1; seed <= 2; seed++)
        {
            var random = new Random(seed);
            using var model = new Model(policy, Samples.Now);
            for (var t = TimeSpan.Zero; t < TwoYears; t += Hour)
            {
                model.Round(Hour);
                // A key is compromised every two weeks or so, and sometimes two days in a row.
                if (random.Next(24 * 14) == 0)
                    model.Revoke(random.Next());
                if (random.Next(5000) == 0)
                    t += model.Sleep(TimeSpan.FromDays(random.Next(1, 60)));
            }
        }
    }

    [Fact]
    public void After_the_revocation_of_the_current_key_no_retired_key_signs_again()
    {
        var policy = new RotationPolicy { Algorithms = [JwsAlgorithm.ES256] };
        var now = Samples.Now;
        var retired = Row("retired", 1, now.AddDays(-31)) with { ExpiresAt = now.AddHours(1).ToUnixTimeSeconds() };
        var revoked = Row("revoked", 2, now.AddDays(-1)) with { Revoked = true };
        // Its time in the JWKS runs out in an hour, and with it every token it would sign now.
        Assert.Equal([new RotationStep.Make(JwsAlgorithm.ES256, 3, now)], KeyRotation.Plan([retired, revoked], policy, now));
    }

    [Fact]
    public void A_generation_is_never_given_twice()
    {
        var policy = new RotationPolicy { Algorithms = [JwsAlgorithm.ES256] };
        var step = Assert.Single(KeyRotation.Plan([Row("dead", 9, Samples.Now) with { Revoked = true }], policy, Samples.Now));
        Assert.Equal(10, Assert.IsType<RotationStep.Make>(step).Generation);
    }

    [Fact]
    public void An_algorithm_that_is_not_in_the_policy_is_left_alone() =>
        Assert.Empty(KeyRotation.Plan([Row("a", 1, Samples.Now.AddDays(-100))], new RotationPolicy { Algorithms = [] }, Samples.Now));

    private static SigningKeyRow Row(string id, int generation, DateTimeOffset activates) => new()
    {
        KeyId = id,
        Algorithm = JwsAlgorithm.ES256,
        Generation = generation,
        SealedPrivateKey = [],
        CreatedAt = activates.AddDays(-1).ToUnixTimeSeconds(),
        ActivatesAt = activates.ToUnixTimeSeconds(),
    };

    private sealed class Model(RotationPolicy policy, DateTimeOffset start) : IDisposable
    {
        private readonly Kek _kek = Samples.NewKek();
        private readonly Dictionary<string, SigningKey> _open = [];
        private readonly Dictionary<string, long> _lastSigned = [];
        private readonly HashSet<string> _inNeed = [];
        private List<SigningKeyRow> _rows = [];
        private KeyRing _ring = new([]);
        private DateTimeOffset _now = start;

        public int Made { get; private set; }

        public int MadeInNeed => _inNeed.Count;

        /// <summary>Plans, then signs at every moment that matters until the next round.</summary>
        public void Round(TimeSpan length)
        {
            Apply();
            if (KeyRotation.Plan(_rows, policy, _now).Count != 0)
                Assert.Fail("a second plan at the same moment asks for more");
            var end = (_now + length).ToUnixTimeSeconds();
            var from = _now.ToUnixTimeSeconds();
            var moments = _rows.Select(r => r.ActivatesAt).Where(a => a > from && a < end).SelectMany(a => new[] { a - 1, a }).Append(from).Append(end - 1).Order();
            foreach (var moment in moments)
                SignAt(moment);
            _now += length;
        }

        public TimeSpan Sleep(TimeSpan length)
        {
            _now += length;
            return length;
        }

        public void Revoke(int which)
        {
            var live = _rows.FindAll(Published);
            var victim = live[which % live.Count];
            _rows = [.. _rows.Select(r => r.KeyId == victim.KeyId ? r with { Revoked = true } : r)];
            Apply();
            Assert.DoesNotContain(_ring.Keys, k => k.KeyId == victim.KeyId);
            SignAt(_now.ToUnixTimeSeconds());
        }

        public void Dispose()
        {
            foreach (var key in _open.Values)
                key.Dispose();
            _kek.Dispose();
        }

        private bool Published(SigningKeyRow row) => !row.Revoked && (row.ExpiresAt == 0 || row.ExpiresAt > _now.ToUnixTimeSeconds());

        private void Apply()
        {
            foreach (var step in KeyRotation.Plan(_rows, policy, _now))
            {
                if (step is RotationStep.Expire expire)
                {
                    _rows = [.. _rows.Select(r => r.KeyId == expire.KeyId && r.ExpiresAt == 0 ? r with { ExpiresAt = expire.ExpiresAt.ToUnixTimeSeconds() } : r)];
                    continue;
                }
                var make = Assert.IsType<RotationStep.Make>(step);
                var row = SigningKey.Generate(make.Algorithm, make.Generation, _now, make.ActivatesAt, _kek).Row;
                Assert.DoesNotContain(_rows, r => r.Algorithm == row.Algorithm && r.Generation == row.Generation);
                if (!_rows.Exists(r => r.Algorithm == row.Algorithm && Published(r) && r.ExpiresAt == 0 && r.ActivatesAt <= _now.ToUnixTimeSeconds()))
                    _inNeed.Add(row.KeyId);
                _rows.Add(row);
                Made++;
            }
            _rows.RemoveAll(r => r.ExpiresAt != 0 && r.ExpiresAt < _now.ToUnixTimeSeconds());
            var live = _rows.FindAll(Published);
            foreach (var row in live)
                if (!_open.ContainsKey(row.KeyId))
                    _open[row.KeyId] = SigningKey.Open(row, _kek)!;
            if (!live.Select(r => r.KeyId).Order().SequenceEqual(_ring.Keys.Select(k => k.KeyId).Order()))
                _ring = new KeyRing(live.Select(r => _open[r.KeyId]));

            foreach (var algorithm in policy.Algorithms)
                if (live.Count(r => r.Algorithm == algorithm) is 0 or > 3)
                    Assert.Fail($"{live.Count} keys are live");
            // Who signed is published until its last signature is KeepAfter old.
            foreach (var (keyId, last) in _lastSigned)
            {
                if (_now.ToUnixTimeSeconds() > last + (long)policy.KeepAfter.TotalSeconds)
                    _lastSigned.Remove(keyId);
                else if (!_rows.Exists(r => r.KeyId == keyId && (r.Revoked || Published(r))))
                    Assert.Fail($"{keyId} signed at {last} and is gone at {_now.ToUnixTimeSeconds()}");
            }
        }

        private void SignAt(long moment)
        {
            var at = DateTimeOffset.FromUnixTimeSeconds(moment);
            foreach (var algorithm in policy.Algorithms)
            {
                var key = _ring.Current(algorithm, at);
                if (key is null || _ring.Keys.Count(k => k.Algorithm == algorithm && k.Row.ActivatesAt == key.Row.ActivatesAt) != 1)
                    Assert.Fail($"not exactly one key can sign at {moment}");
                var row = _rows.Single(r => r.KeyId == key.KeyId);
                if (row.ActivatesAt > moment || row.Revoked || row.ExpiresAt != 0 && row.ExpiresAt <= moment)
                    Assert.Fail($"{key.KeyId} may not sign at {moment}");
                if (!_inNeed.Contains(key.KeyId) && moment - row.CreatedAt < (long)policy.PublishAhead.TotalSeconds)
                    Assert.Fail($"{key.KeyId} signs {moment - row.CreatedAt} s after it was published");
                _lastSigned[key.KeyId] = moment;
            }
        }
    }
}
