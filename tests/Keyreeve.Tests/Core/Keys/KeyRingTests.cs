using System.Text.Json;
using Keyreeve.Core.Keys;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Core.Keys;

public sealed class KeyRingTests
{
    [Fact]
    public void The_key_activated_last_signs_and_a_future_one_is_only_published()
    {
        using var kek = Samples.NewKek();
        using var old = Samples.NewKey(kek, Samples.Now.AddDays(-30));
        using var current = Samples.NewKey(kek, Samples.Now.AddDays(-1));
        using var next = Samples.NewKey(kek, Samples.Now.AddDays(1));
        using var other = Samples.NewKey(kek, Samples.Now.AddHours(-1), JwsAlgorithm.ES384);
        var ring = new KeyRing([next, other, current, old]);

        Assert.Same(current, ring.Current(JwsAlgorithm.ES256, Samples.Now));
        Assert.Same(other, ring.Current(JwsAlgorithm.ES384, Samples.Now));
        Assert.Null(ring.Current(JwsAlgorithm.RS256, Samples.Now));
        Assert.Same(current, ring.Current(JwsAlgorithm.ES256, Samples.Now.AddDays(1).AddSeconds(-1)));
        Assert.Same(next, ring.Current(JwsAlgorithm.ES256, Samples.Now.AddDays(1)));
        Assert.Same(old, ring.Current(JwsAlgorithm.ES256, Samples.Now.AddDays(-2)));
        // The clock was set back behind them all: better the first one than none.
        Assert.Same(old, ring.Current(JwsAlgorithm.ES256, Samples.Now.AddDays(-31)));
        Assert.All(new[] { old, current, next, other }, key => Assert.NotNull(ring.Verifying(key.KeyId)));
        Assert.Equal([old.KeyId, current.KeyId, other.KeyId, next.KeyId], ring.Keys.Select(k => k.KeyId));
    }

    [Fact]
    public void The_document_holds_every_key_and_no_private_member()
    {
        using var kek = Samples.NewKek();
        SigningKey[] keys = [.. new[] { JwsAlgorithm.ES256, JwsAlgorithm.ES384, JwsAlgorithm.RS256, JwsAlgorithm.PS256 }.Select(a => Samples.NewKey(kek, algorithm: a))];
        var ring = new KeyRing(keys);
        using var document = JsonDocument.Parse(ring.Document);
        Assert.Equal(["keys"], document.RootElement.EnumerateObject().Select(m => m.Name));
        var written = document.RootElement.GetProperty("keys").EnumerateArray().ToList();
        Assert.All(written, SigningKeyTests.AssertPublic);
        Assert.Equal(keys.Select(k => k.KeyId).Order(StringComparer.Ordinal), written.Select(k => k.GetProperty("kid").GetString()!).Order(StringComparer.Ordinal));
        Assert.True(JsonWebKeySet.TryRead(ring.Document, out var set, out _));
        Assert.Equal(keys.Length, set.Keys.Count);
    }

    [Fact]
    public void A_kid_is_looked_up_as_it_stands()
    {
        using var kek = Samples.NewKek();
        using var key = Samples.NewKey(kek);
        var ring = new KeyRing([key]);
        Assert.NotNull(ring.Verifying(key.KeyId));
        foreach (var kid in new[] { null, "", key.KeyId + " ", "../" + key.KeyId, key.KeyId[..^1], key.KeyId.ToUpperInvariant() })
            Assert.Null(ring.Verifying(kid));
    }

    [Fact]
    public void The_etag_changes_with_the_document()
    {
        using var kek = Samples.NewKek();
        using var one = Samples.NewKey(kek);
        using var two = Samples.NewKey(kek);
        Assert.Equal(new KeyRing([one]).ETag, new KeyRing([one]).ETag);
        Assert.Equal(3, new HashSet<string> { new KeyRing([]).ETag, new KeyRing([one]).ETag, new KeyRing([one, two]).ETag }.Count);
        Assert.Matches("^\"[0-9a-f]{16}\"$", new KeyRing([]).ETag);
    }
}
