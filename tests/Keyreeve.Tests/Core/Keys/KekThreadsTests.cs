using System.Security.Cryptography;
using Keyreeve.Core.Keys;
using Xunit;

namespace Keyreeve.Tests.Core.Keys;

public sealed class KekThreadsTests
{
    [Fact]
    public void Many_threads_seal_and_open_at_once_and_each_gets_its_own_back()
    {
        using var kek = Kek.FromBytes(RandomNumberGenerator.GetBytes(Kek.KeySize));
        Parallel.For(0, 20_000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            var (purpose, plaintext) = ($"row/{i}", BitConverter.GetBytes(i));

            var opened = kek.TryOpen(purpose, kek.Seal(purpose, plaintext), out var found);

            Assert.True(opened);
            Assert.Equal(plaintext, found);
        });
    }

    [Fact]
    public void A_disposed_kek_neither_seals_nor_opens()
    {
        var kek = Kek.FromBytes(RandomNumberGenerator.GetBytes(Kek.KeySize));
        var sealedValue = kek.Seal("row", [1, 2, 3]);
        kek.Dispose();

        Assert.Throws<ObjectDisposedException>(() => kek.Seal("row", [1, 2, 3]));
        Assert.Throws<ObjectDisposedException>(() => kek.TryOpen("row", sealedValue, out _));
    }
}
