using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Wire.OAuth;

[Proves("RFC 6749", "3.1")]
public sealed class ParameterListTests
{
    [Theory]
    [InlineData("state=1&state=2")]
    [InlineData("state=&state=2")]
    [InlineData("state=2&state=")]
    [InlineData("state=1&a=b&state=1")]
    [InlineData("state=1&st%61te=2")]
    public void A_parameter_sent_twice_has_no_value(string form)
    {
        var list = Samples.Read(form);
        Assert.False(list.TrySingle("state", out var value));
        Assert.Null(value);
        Assert.Equal("state", list.FirstRepeated());
    }

    [Theory]
    [InlineData("state=")]
    [InlineData("state")]
    [InlineData("State=1")]
    [InlineData("")]
    [InlineData("&&&")]
    public void A_parameter_without_a_value_is_treated_as_omitted(string form)
    {
        var list = Samples.Read(form);
        Assert.True(list.TrySingle("state", out var value));
        Assert.Null(value);
        Assert.False(list.Has("state"));
        Assert.Null(list.FirstRepeated());
    }

    [Fact]
    public void Order_and_values_are_kept_as_sent()
    {
        var list = Samples.Read("b=1&&a=x%3Dy=z&c=%C3%A9+%2B");
        Assert.Equal([new("b", "1"), new("a", "x=y=z"), new("c", "é +")], list.Pairs);
        Assert.True(list.TrySingle("a", out var value));
        Assert.Equal("x=y=z", value);
        Assert.True(list.Has("c"));
    }

    [Fact]
    public void A_repeat_that_is_allowed_does_not_hide_one_that_is_not()
    {
        var list = Samples.Read("resource=1&resource=2&audience=1&audience=2&scope=a&scope=b");
        Assert.Equal("scope", list.FirstRepeated("resource", "audience"));
        Assert.Equal("resource", list.FirstRepeated());
        Assert.Null(Samples.Read("resource=1&resource=2").FirstRepeated("resource", "audience"));
    }

    [Fact]
    public void Limits_hold_to_the_octet()
    {
        Assert.Equal(ParameterError.None, Samples.ErrorOf("a=" + new string('x', OAuthLimits.MaxBody - 2)));
        Assert.Equal(ParameterError.TooLarge, Samples.ErrorOf("a=" + new string('x', OAuthLimits.MaxBody - 1)));
        Assert.Equal(ParameterError.None, Samples.ErrorOf(new string('n', OAuthLimits.MaxName) + "=1"));
        Assert.Equal(ParameterError.TooLarge, Samples.ErrorOf(new string('n', OAuthLimits.MaxName + 1) + "=1"));
        Assert.Equal(ParameterError.None, Samples.ErrorOf(string.Join('&', Enumerable.Range(0, OAuthLimits.MaxParameters).Select(i => $"p{i}=1"))));
        Assert.Equal(ParameterError.TooLarge, Samples.ErrorOf(string.Join('&', Enumerable.Range(0, OAuthLimits.MaxParameters + 1).Select(i => $"p{i}=1"))));
    }

    [Theory]
    [InlineData("%00")]
    [InlineData("%0d%0aSet-Cookie:x")]
    [InlineData("a%0Ab")]
    [InlineData("%7F")]
    [InlineData("%1B[2J")]
    [InlineData("\t")]
    [InlineData("%C2%85")] // NEL: a line end to some readers
    [InlineData("%C2%9B2J")] // CSI: a terminal that shows a log obeys it
    public void Control_characters_are_refused_in_names_and_values(string text)
    {
        Assert.Equal(ParameterError.ControlCharacter, Samples.ErrorOf("state=" + text));
        Assert.Equal(ParameterError.ControlCharacter, Samples.ErrorOf(text + "=1"));
    }

    [Theory]
    [InlineData("%")]
    [InlineData("%4")]
    [InlineData("a%4")]
    [InlineData("%G0")]
    [InlineData("%0x41")]
    [InlineData("%%41")]
    [InlineData("%+1")]
    [InlineData("%u0041")]
    public void A_percent_sign_needs_two_hexadecimal_digits(string text)
    {
        Assert.Equal(ParameterError.BadEncoding, Samples.ErrorOf("state=" + text));
        Assert.Equal(ParameterError.BadEncoding, Samples.ErrorOf(text + "=1"));
    }

    [Theory]
    [InlineData("%C0%AF")] // overlong slash
    [InlineData("%C1%BF")]
    [InlineData("%E0%80%AF")]
    [InlineData("%F0%80%80%AF")]
    [InlineData("%C0%80")] // overlong NUL
    [InlineData("%ED%A0%80")] // lone high surrogate
    [InlineData("%ED%BF%BF")] // lone low surrogate
    [InlineData("%ED%A0%BD%ED%B8%80")] // a surrogate pair in two times three octets (CESU-8)
    [InlineData("%F4%90%80%80")] // beyond U+10FFFF
    [InlineData("%80")]
    [InlineData("%E2%82")]
    [InlineData("%FF")]
    public void What_is_almost_utf8_is_refused(string text) => Assert.Equal(ParameterError.BadEncoding, Samples.ErrorOf("state=" + text));

    [Fact]
    public void Octets_that_are_not_utf8_are_refused_without_percent_signs_too()
    {
        Assert.Equal(ParameterError.BadEncoding, Samples.ErrorOf([(byte)'a', (byte)'=', 0xC0, 0xAF]));
        Assert.Equal(ParameterError.ControlCharacter, Samples.ErrorOf([(byte)'a', (byte)'=', 0]));
    }

    [Fact]
    public void Plus_is_a_space_and_percent_2B_is_a_plus()
    {
        var list = Samples.Read("a=1+%2B+2&b=%20");
        Assert.True(list.TrySingle("a", out var a));
        Assert.True(list.TrySingle("b", out var b));
        Assert.Equal("1 + 2", a);
        Assert.Equal(" ", b);
    }

    [Fact]
    public void Any_text_that_is_encoded_is_read_back() => Samples.Check(Samples.Text.Two(), pair =>
    {
        // %20 and + are both spaces.
        foreach (var form in new[] { $"n{Encode(pair.Item1)}={Encode(pair.Item2)}", $"n{Encode(pair.Item1)}={Encode(pair.Item2).Replace("%20", "+", StringComparison.Ordinal)}" })
        {
            if (pair.Item1.Length >= OAuthLimits.MaxName)
                continue;
            var (name, value) = Samples.Read(form).Pairs.Single();
            if (name != "n" + pair.Item1 || value != pair.Item2)
                return false;
        }
        return true;
    });

    [Fact]
    public void No_octets_make_the_reader_throw()
    {
        Samples.Check(ArbMap.Default.GeneratorFor<byte[]>(), octets => Holds(octets ?? []));
        Samples.Check(Samples.Pieces, text => Holds(Encoding.UTF8.GetBytes(text)));
    }

    private static bool Holds(byte[] octets)
    {
        var read = ParameterList.TryRead(octets, out var list, out var error);
        if (!read)
            return list is null && error != ParameterError.None;
        _ = list!.FirstRepeated();
        return error == ParameterError.None && list.Pairs.All(p => !(p.Key + p.Value).Any(char.IsControl));
    }

    private static string Encode(string text) => Uri.EscapeDataString(text);
}
