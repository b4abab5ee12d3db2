using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Keys;
using Xunit;

namespace Keyreeve.Tests.Core.Keys.Sealing;

public sealed class RootKeysTests
{
    private const string Purpose = "service_keks/1:s/1";

    private static KeyRootSource Source(byte fill = 1, SealMethod method = SealMethod.KeyFile) => new(method, SealingKey.FromBytes([.. Enumerable.Repeat(fill, 32)]));

    private static SealRoot Root(IRootKeySource source, long version, byte[] octets) => new() { Version = version, Method = source.Method, Wrapped = source.Seal(version, octets), CreatedAt = version };

    private static byte[] Octets(byte fill) => [.. Enumerable.Repeat(fill, 32)];

    [Fact]
    public void A_root_opens_by_its_source_alone()
    {
        using var source = Source();
        using var other = Source(2);
        using var sameKey = Source(1, SealMethod.Shares);
        using var roots = new RootKeys();
        var stored = new[] { Root(source, 1, Octets(9)) };
        Assert.True(roots.IsSealed);
        Assert.Null(roots.Wrap(Purpose, Octets(3)));
        Assert.False(roots.TryOpen(stored, other));
        Assert.False(roots.TryOpen(stored, sameKey));
        Assert.False(roots.TryOpen([stored[0] with { Version = 2 }], source));
        Assert.False(roots.TryOpen([], source));
        Assert.True(roots.IsSealed);
        Assert.True(roots.TryOpen(stored, source));
        Assert.Equal(1, roots.Current);
        var (version, wrapped) = roots.Wrap(Purpose, Octets(3))!.Value;
        Assert.Equal(1, version);
        Assert.True(roots.TryOpen(Purpose, wrapped, out var secret));
        Assert.Equal(Octets(3), secret.Span.ToArray());
        Assert.False(roots.TryOpen("service_keks/1:t/1", wrapped, out _));
    }

    [Fact]
    public void Former_roots_open_by_the_next_as_long_as_they_are_stored()
    {
        using var source = Source();
        using var roots = new RootKeys();
        Assert.True(roots.TryOpen([Root(source, 1, Octets(1))], source));
        var wrapped = roots.Wrap(Purpose, Octets(7))!.Value.Wrapped;
        using var next = SealingKey.FromBytes(Octets(2));
        var former = roots.SealUnder(next).Select(f => new SealRoot { Version = f.Version, Method = SealMethod.NextRoot, Wrapped = f.Wrapped, CreatedAt = 1 });
        SealRoot[] stored = [.. former, Root(source, 2, Octets(2))];
        using var again = new RootKeys();
        Assert.True(again.TryOpen(stored, source));
        Assert.Equal([2, 1], again.Versions);
        Assert.True(again.TryOpen(Purpose, wrapped, out _));
        again.Drop(1);
        again.Drop(2);
        Assert.Equal([2], again.Versions); // never the last one
        Assert.False(again.TryOpen(Purpose, wrapped, out _));
    }

    [Fact]
    public void A_node_follows_another_ones_rotation_by_the_root_it_has_and_only_by_that()
    {
        using var source = Source();
        using var one = new RootKeys();
        using var two = new RootKeys();
        SealRoot[] stored = [Root(source, 1, Octets(1))];
        Assert.True(one.TryOpen(stored, source) && two.TryOpen(stored, source));
        var next = Root(source, 2, Octets(2)) with { ByFormer = one.SealForFollowers(2, Octets(2))! };
        one.Add(2, Octets(2));
        Assert.True(two.TryFollow([stored[0], next]));
        Assert.Equal([2, 1], two.Versions);
        Assert.True(two.TryFollow([next]));
        Assert.Equal([2], two.Versions);
        var third = Root(source, 3, Octets(3)) with { ByFormer = one.SealForFollowers(3, Octets(3))! };
        Assert.False(two.TryFollow([next, third with { ByFormer = [] }]));
        Assert.False(two.TryFollow([next, third with { ByFormer = next.ByFormer }]));
        Assert.False(two.TryFollow([next, third with { Version = 4 }]));
        Assert.Equal([2], two.Versions);
        Assert.True(two.TryFollow([next, third]));
    }

    [Fact]
    public void A_locked_node_opens_nothing_and_tells_who_keeps_keys()
    {
        using var source = Source();
        using var roots = new RootKeys();
        roots.TryOpen([Root(source, 1, Octets(1))], source);
        var wrapped = roots.Wrap(Purpose, Octets(7))!.Value.Wrapped;
        var told = 0;
        roots.Locked += (_, _) => told++;
        roots.Lock();
        Assert.Equal((true, 1), (roots.IsSealed, told));
        Assert.False(roots.TryOpen(Purpose, wrapped, out _));
        Assert.Null(roots.SealForFollowers(2, Octets(2)));
        Assert.Empty(roots.SealUnder(SealingKey.FromBytes(Octets(3))));
    }

    [Fact]
    public void A_pinned_secret_is_zero_when_it_is_done_with_and_prints_nothing()
    {
        var secret = new PinnedSecret([1, 2, 3]);
        Assert.Equal("PinnedSecret", secret.ToString());
        secret.Dispose();
        Assert.Equal(new byte[3], secret.Span.ToArray());
    }

    [Fact]
    public void A_passphrase_is_stretched_by_PBKDF2_with_SHA_512()
    {
        // Against the runtime's other way in.
        byte[] salt = [.. Enumerable.Range(0, 16).Select(i => (byte)i)];
        using var key = UnsealKey.OfPassphrase("Gr\u00fc\u00dfe aus dem Keller", salt, 1000);
        var octets = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes("Gr\u00fc\u00dfe aus dem Keller"), salt, 1000, HashAlgorithmName.SHA512, 32);
        using var expected = SealingKey.FromBytes(octets);
        Assert.Equal(expected.Id, key.Id);
        Assert.True(UnsealKey.Iterations >= UnsealKey.LeastIterations && UnsealKey.LeastIterations >= 600_000);
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", true)]
    [InlineData("  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", true)]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", false)]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false)]
    [InlineData("AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA", false)]
    public void A_key_file_holds_32_octets_in_base64url(string text, bool isKey)
    {
        using var key = UnsealKey.OfFile(text);
        Assert.Equal(isKey, key is not null);
        using var made = UnsealKey.OfFile(UnsealKey.NewFile());
        Assert.NotNull(made);
    }

    [Fact]
    public void What_a_data_key_sealed_opens_for_its_purpose_by_it_alone()
    {
        var (key, value) = (Octets(5), DataKey.Seal(Octets(5), "p", "payload"u8));
        Assert.Equal("payload"u8.ToArray(), DataKey.Open(key, "p", value));
        Assert.Null(DataKey.Open(key, "q", value));
        Assert.Null(DataKey.Open(Octets(6), "p", value));
        for (var bit = 0; bit < value.Length * 8; bit++)
        {
            value[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.Null(DataKey.Open(key, "p", value));
            value[bit / 8] ^= (byte)(1 << bit % 8);
        }
        for (var length = 0; length < value.Length; length++)
            Assert.Null(DataKey.Open(key, "p", value.AsSpan(0, length)));
    }
}
