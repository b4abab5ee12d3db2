using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Login;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Login;

[Proves("RFC 6238", "4")]
public sealed class TotpTests
{
    private static readonly byte[] Secret = Encoding.ASCII.GetBytes("12345678901234567890");

    /// <summary>RFC 6238 appendix B; the seeds of SHA-256 and SHA-512 are longer, as its erratum says.</summary>
    [Theory]
    [InlineData(59, "94287082", "46119246", "90693936")]
    [InlineData(1111111109, "07081804", "68084774", "25091201")]
    [InlineData(1111111111, "14050471", "67062674", "99943326")]
    [InlineData(1234567890, "89005924", "91819424", "93441116")]
    [InlineData(2000000000, "69279037", "90698825", "38618901")]
    [InlineData(20000000000, "65353130", "77737706", "47863826")]
    [Proves("RFC 6238", "4.2")]
    public void The_vectors_of_appendix_B_come_out(long time, string sha1, string sha256, string sha512)
    {
        var step = Totp.StepOf(DateTimeOffset.FromUnixTimeSeconds(time));
        Assert.Equal(sha1, Totp.Code(Secret, step, 8));
        Assert.Equal(sha256, Totp.Code(Encoding.ASCII.GetBytes("12345678901234567890123456789012"), step, 8, HashAlgorithmName.SHA256));
        Assert.Equal(sha512, Totp.Code(Encoding.ASCII.GetBytes("1234567890123456789012345678901234567890123456789012345678901234"), step, 8, HashAlgorithmName.SHA512));
        Assert.Equal(sha1[2..], Totp.Code(Secret, step));
    }

    /// <summary>RFC 4226 appendix D.</summary>
    [Fact]
    public void The_vectors_of_HOTP_come_out() =>
        Assert.Equal(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"], Enumerable.Range(0, 10).Select(i => Totp.Code(Secret, i)));

    [Theory]
    [InlineData(-2, false)]
    [InlineData(-1, true)]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [Proves("RFC 6238", "5.2")]
    public void A_code_is_good_one_step_to_either_side(int away, bool good)
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);
        var step = Totp.StepOf(now) + away;
        Assert.Equal(good ? step : null, Totp.FindStep(Secret, Totp.Code(Secret, step), now));
    }

    [Theory]
    [InlineData("")]
    [InlineData("12345")]
    [InlineData("1234567")]
    [InlineData("12345a")]
    [InlineData("١٢٣٤٥٦")]
    public void What_is_no_six_digits_is_no_code(string typed) => Assert.Null(Totp.FindStep(Secret, typed, DateTimeOffset.FromUnixTimeSeconds(59)));

    [Fact]
    public void A_code_may_be_typed_with_the_space_that_apps_show() =>
        Assert.Equal(1, Totp.FindStep(Secret, "287 082", DateTimeOffset.FromUnixTimeSeconds(59)));

    [Fact]
    public void The_address_names_issuer_account_and_secret() => Assert.Equal(
        "otpauth://totp/Our%20keys:a%3Ab?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Our%20keys&algorithm=SHA1&digits=6&period=30",
        Totp.AddressOf("Our keys", "a:b", Secret));

    /// <summary>RFC 4648 section 10, without padding.</summary>
    [Theory]
    [InlineData("", "")]
    [InlineData("f", "MY")]
    [InlineData("fo", "MZXQ")]
    [InlineData("foo", "MZXW6")]
    [InlineData("foob", "MZXW6YQ")]
    [InlineData("fooba", "MZXW6YTB")]
    [InlineData("foobar", "MZXW6YTBOI")]
    [Proves("RFC 4648", "6")]
    public void The_vectors_of_base32_come_out_and_back(string text, string encoded)
    {
        Assert.Equal(encoded, Base32.Encode(Encoding.ASCII.GetBytes(text)));
        Assert.Equal(Encoding.ASCII.GetBytes(text), Base32.Decode(encoded.ToLowerInvariant()));
        Assert.Null(Base32.Decode(encoded + "1"));
    }
}
