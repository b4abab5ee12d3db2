using Keyreeve.Engines.Outbound;
using Xunit;

namespace Keyreeve.Tests.Engines.Outbound;

public sealed class OutboundTargetTests
{
    [Theory]
    [InlineData("https://receiver.example/events")]
    [InlineData("https://receiver.example:8443/events?tenant=1")]
    [InlineData("https://RECEIVER.example")]
    [InlineData("https://xn--bcher-kva.example/")]
    [InlineData("https://192.0.2.1/")]
    [InlineData("https://[2001:db8::1]:8443/")]
    [InlineData("https://receiver.example./")]
    public void A_plain_address_is_read(string text) => Assert.True(OutboundTarget.TryRead(text, false, out _, out var reason), reason);

    [Theory]
    [InlineData("")]
    [InlineData("receiver.example")]
    [InlineData("//receiver.example/")]
    [InlineData("http://receiver.example/")]
    [InlineData("ftp://receiver.example/")]
    [InlineData("file:///etc/passwd")]
    [InlineData("gopher://receiver.example/")]
    [InlineData("unix:/run/x.sock")]
    [InlineData("https://user:secret@receiver.example/")]
    [InlineData("https://receiver.example@127.0.0.1/")]
    [InlineData("https://@receiver.example/")]
    [InlineData("https://receiver.example/#part")]
    [InlineData("https://receiver.example#@127.0.0.1/")]
    [InlineData("https://2130706433/")]
    [InlineData("https://0x7f000001/")]
    [InlineData("https://0x7f.0.0.1/")]
    [InlineData("https://0177.0.0.1/")]
    [InlineData("https://127.1/")]
    [InlineData("https://127.0.0.01/")]
    [InlineData("https://1.2.3.4.5/")]
    [InlineData("https://127.0.0.1./")]
    [InlineData("https://receiver.0x7f/")]
    [InlineData("https://loc%61lhost/")]
    [InlineData("https://bücher.example/")]
    [InlineData("https://１２７.0.0.1/")]
    [InlineData("https://receiver。example/")]
    [InlineData("https://receiver.example\\@127.0.0.1/")]
    [InlineData("https:\\\\127.0.0.1/")]
    [InlineData("https:/receiver.example/")]
    [InlineData("https:receiver.example/")]
    [InlineData(" https://receiver.example/")]
    [InlineData("https://receiver.example/a b")]
    [InlineData("https://receiver.example/\r\nX: y")]
    [InlineData("https://receiver.example/\0")]
    [InlineData("https://[fe80::1%25eth0]/")]
    [InlineData("https://[::1/")]
    [InlineData("https://:443/")]
    [InlineData("https://receiver.example:99999/")]
    public void Another_spelling_is_refused_with_a_reason(string text)
    {
        Assert.False(OutboundTarget.TryRead(text, false, out var target, out var reason), text);
        Assert.Null(target);
        Assert.NotEmpty(reason);
    }

    [Fact]
    public void Http_is_read_only_where_it_is_allowed()
    {
        Assert.False(OutboundTarget.TryRead("http://receiver.example/", false, out _, out _));
        Assert.True(OutboundTarget.TryRead("http://receiver.example/", true, out _, out _));
    }

    [Fact]
    public void A_long_address_is_refused() =>
        Assert.False(OutboundTarget.TryRead("https://receiver.example/" + new string('a', OutboundTarget.MaxLength), false, out _, out _));
}
