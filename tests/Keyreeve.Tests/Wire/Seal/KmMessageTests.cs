using System.Buffers;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Tests.Wire.Seal;

public sealed class KmMessageTests
{
    private static readonly Gen<string> Text =
        Gen.Elements("s", "u:1", "Ä", "\U0001F511", "\"", "\\", "a b", "</script>", "+").NonEmptyListOf().Select(parts => string.Concat(parts.Take(20)));

    private static readonly Gen<KmIdentity> Identity = Gen.OneOf(
        Gen.Constant(KmIdentity.ServiceOnly),
        Gen.Elements(KmIdentityKind.Client, KmIdentityKind.Device, KmIdentityKind.User).SelectMany(kind => Text.Select(text => new KmIdentity(kind, text))));

    private static readonly Gen<long> Seconds = Gen.Choose(0, int.MaxValue).Select(n => n * 1000L);

    [Fact]
    [Proves("TS 33.434", "5.3.2")]
    public void A_request_is_read_as_it_was_written()
    {
        var requests = Text.SelectMany(uri => Text.SelectMany(service => Identity.SelectMany(identity => Seconds.SelectMany(at =>
            Gen.Elements("", "r1", "ü").Select(id => (uri, service, identity, at, id))))));
        Prop.ForAll(requests.ToArbitrary(), r =>
        {
            Assert.True(KmRequest.TryCreate(r.uri, r.service, r.identity, r.at, r.id, out var request, out _));
            Assert.True(KmRequest.TryRead(Written(request.Write), out var read, out var error), error?.Reason);
            Assert.Equal(request, read);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    [Proves("TS 33.434", "5.3.3")]
    public void A_response_is_read_as_it_was_written()
    {
        var success = Text.SelectMany(service => Identity.SelectMany(identity => Seconds.SelectMany(at => Text.Select(payload => new KmResponse
        {
            UserUri = "sip:u1@val.example",
            SKmsUri = "https://skm.example",
            ServiceId = service,
            SKmsId = at % 2 == 0 ? "skm-1" : null,
            Identity = identity,
            DateTime = at,
            Payload = payload + "\n",
        }))));
        var refusal = Seconds.SelectMany(at => Gen.Elements(Enum.GetValues<KmErrorCode>()).Select(code =>
            new KmResponse { SKmsUri = "https://skm.example", DateTime = at, ErrorCode = code }));
        Prop.ForAll(Gen.OneOf(success, refusal).ToArbitrary(), response =>
        {
            Assert.True(KmResponse.TryRead(Written(response.Write), out var read, out var error), error?.Reason);
            Assert.Equal(response, read);
        }).QuickCheckThrowOnFailure();
    }

    /// <summary>An escape in a member's name changes nothing of what it means, but who reads it.</summary>
    [Fact]
    public void The_short_way_of_a_request_reads_what_the_strict_one_reads()
    {
        var member = Gen.Elements("\"version\":\"1.0.0\"", "\"sKmsUri\":\"https://skm.example\"", "\"serviceId\":\"s\"", "\"userId\":\"u\"", "\"dateTime\":1795239571");
        var odd = Gen.Elements("\"version\":\"1.0.1\"", "\"version\":1", "\"sKmsUri\":\"\"", "\"serviceId\":null", "\"serviceId\":\"Ä\u0001\"", "\"serviceId\":\"\\ud800\"", "\"clientId\":\"c\"", "\"deviceId\":\"d\"", "\"deviceId\":[]",
            "\"requestId\":\"r\"", "\"requestId\":\"\"", "\"dateTime\":1e3", "\"dateTime\":-1", "\"dateTime\":-0", "\"dateTime\":01", "\"dateTime\":1.0", "\"dateTime\":9223372036854775808", "\"dateTime\":\"1\"",
            "\"more\":{\"a\":[1]}", "\"Version\":\"1.0.0\"", "\"serviceid\":\"s\"", "\"payload\":\"p\"", "x", "", "/**/", "\"serviceId\":\"" + new string('s', 256) + "\"");
        var all = Gen.Constant((string[])["\"version\":\"1.0.0\"", "\"sKmsUri\":\"https://skm.example\"", "\"serviceId\":\"s\"", "\"dateTime\":1795239571"]);
        var more = Gen.OneOf(Gen.Constant<string[]>([]), Gen.Elements("\"userId\":\"u\"", "\"requestId\":\"r\"").Select(m => new[] { m }), odd.Select(m => new[] { m }), odd.Two().Select(m => new[] { m.Item1, m.Item2 }), member.Select(m => new[] { m }));
        var text = all.SelectMany(a => more.SelectMany(m => Gen.Shuffle(a.Concat(m).ToArray()).SelectMany(parts => Gen.Elements(0, 0, 0, 3).SelectMany(taken =>
            Gen.Elements("", "", "", "", "", "", " ", "\n", "x", "{}", ",", "\0").Select(end => "{" + string.Join(',', parts.Take(taken == 0 ? parts.Length : taken)) + "}" + end)))));
        var read = 0;
        Prop.ForAll(text.ToArbitrary(), json =>
        {
            var isRead = KmRequest.TryRead(Encoding.UTF8.GetBytes(json), out var request, out var error);
            Assert.Equal(KmRequest.TryRead(Encoding.UTF8.GetBytes(json.Replace("\"version\"", "\"\\u0076ersion\"", StringComparison.Ordinal)), out var strict, out var why), isRead);
            Assert.Equal((strict, why), (request, error));
            read += isRead ? 1 : 0;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(3000));
        Assert.InRange(read, 100, 2900);
    }

    [Fact]
    public void Neither_reader_throws_whatever_comes()
    {
        var whole = Encoding.UTF8.GetString(Written(new KmResponse
        {
            UserUri = "u",
            SKmsUri = "https://skm.example",
            ServiceId = "s",
            Identity = new(KmIdentityKind.User, "u"),
            DateTime = 1,
            Payload = "p",
        }.Write));
        var spoilt = Gen.Choose(0, whole.Length - 1).SelectMany(at => Gen.Elements("\\ud800", "\0", "\"", "}", "9", "", "e", "é").Select(what => whole[..at] + what + whole[(at + 1)..]));
        Prop.ForAll(spoilt.ToArbitrary(), text =>
        {
            KmResponse.TryRead(Encoding.UTF8.GetBytes(text), out _, out _);
            KmRequest.TryRead(Encoding.UTF8.GetBytes(text), out _, out _);
        }).QuickCheckThrowOnFailure();
        Prop.ForAll((byte[] octets) =>
        {
            KmResponse.TryRead(octets, out _, out _);
            KmRequest.TryRead(octets, out _, out _);
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("{\"version\":\"\\ud800\"}")]
    public void Half_a_surrogate_pair_is_refused_by_both_readers(string json)
    {
        Assert.False(KmRequest.TryRead(Encoding.UTF8.GetBytes(json), out _, out _));
        Assert.False(KmResponse.TryRead(Encoding.UTF8.GetBytes(json), out _, out _));
    }

    [Theory]
    [InlineData("\"payload\":\"p\",\"errorCode\":\"02\"", "payload")]
    [InlineData("\"errorCode\":\"05\"", "errorCode")]
    [InlineData("\"errorCode\":\"2\"", "errorCode")]
    [InlineData("\"errorCode\":2", "errorCode")]
    [InlineData("\"errorCode\":null", "errorCode")]
    [InlineData("\"payload\":null", "payload")]
    [InlineData("\"payload\":\"p\",\"clientId\":\"c\",\"userId\":\"u\"", "userId")]
    [InlineData("\"x\":1", "payload")]
    [Proves("TS 33.434", "5.3.3")]
    public void A_response_that_contradicts_itself_is_refused(string members, string param)
    {
        var json = "{\"sKmsUri\":\"https://skm.example\",\"serviceId\":\"s\",\"dateTime\":1," + members + "}";
        Assert.False(KmResponse.TryRead(Encoding.UTF8.GetBytes(json), out _, out var error));
        Assert.Equal(param, error.Param);
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1e3")]
    [InlineData("-1")]
    [InlineData("\"1\"")]
    [InlineData("99999999999999999999")]
    public void A_response_dated_by_anything_but_whole_seconds_is_refused(string dateTime)
    {
        var json = "{\"sKmsUri\":\"https://skm.example\",\"dateTime\":" + dateTime + ",\"errorCode\":\"01\"}";
        Assert.False(KmResponse.TryRead(Encoding.UTF8.GetBytes(json), out _, out var error));
        Assert.Equal("dateTime", error.Param);
    }

    [Fact]
    public void A_request_that_no_reader_would_take_is_not_made()
    {
        static string? Wrong(string service, KmIdentity identity, long at = 1, string id = "") =>
            KmRequest.TryCreate("https://skm.example", service, identity, at, id, out _, out var error) ? null : error.Param;
        Assert.Null(Wrong("s", KmIdentity.ServiceOnly));
        Assert.Equal("serviceId", Wrong("", KmIdentity.ServiceOnly));
        Assert.Equal("serviceId", Wrong(new string('ä', 128), KmIdentity.ServiceOnly));
        Assert.Equal("serviceId", Wrong("a\ud800b", KmIdentity.ServiceOnly));
        Assert.Equal("deviceId", Wrong("s", new(KmIdentityKind.Device, "a\nb")));
        Assert.Equal("userId", Wrong("s", new(KmIdentityKind.Service, "u")));
        Assert.Equal("dateTime", Wrong("s", KmIdentity.ServiceOnly, -1));
        Assert.Equal("requestId", Wrong("s", KmIdentity.ServiceOnly, 1, new string('r', 65)));
    }

    [Fact]
    public void A_response_does_not_print_its_payload() =>
        Assert.DoesNotContain("sesame", new KmResponse { SKmsUri = "u", DateTime = 1, Payload = "sesame" }.ToString(), StringComparison.Ordinal);

    private static byte[] Written(Action<IBufferWriter<byte>> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        write(buffer);
        return buffer.WrittenSpan.ToArray();
    }
}
