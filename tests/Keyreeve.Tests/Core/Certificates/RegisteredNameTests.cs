using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Testing;
using Xunit;
using Fuzz = Keyreeve.Tests.Wire.OAuth.Samples;

namespace Keyreeve.Tests.Core.Certificates;

public sealed class RegisteredNameTests
{
    [Theory]
    [InlineData("CN=a", "CN=a")]
    [InlineData("cn=a,O=b", "CN = a , o = b")]
    [InlineData("CN=a+OU=b,O=c", "OU=b+CN=a,O=c")]
    [InlineData("2.5.4.3=a", "CN=a")]
    [InlineData("CN=#0C0161", "CN=a")]
    [InlineData("CN=#130161", "CN=#0C0161")]
    [InlineData(@"CN=a\,b\+\""\\\<\>\;", @"CN=a\2Cb\2B\22\5C\3C\3E\3B")]
    [InlineData(@"CN=\ a\ ", @"CN=\20a\20")]
    [InlineData("CN=Lučić", @"CN=Lu\C4\8Di\C4\87")]
    [InlineData(@"CN=a\=b", "CN=a=b")]
    [InlineData("DC=example,DC=net", "0.9.2342.19200300.100.1.25=example,dc=net")]
    [InlineData("emailAddress=a@b.example", "1.2.840.113549.1.9.1=a@b.example")]
    [Proves("RFC 4514", "3")]
    public void Two_spellings_of_one_name_are_equal(string one, string other) => Assert.Equal(Read(one), Read(other));

    [Theory]
    [InlineData("CN=a,O=b", "O=b,CN=a")]
    [InlineData("CN=a,O=b", "CN=a+O=b")]
    [InlineData("CN=a,O=b", @"CN=a\,O=b")]
    [InlineData("CN=a", "CN=A")]
    [InlineData("CN=a", "CN=a,O=b")]
    [InlineData("CN=a", "OU=a")]
    [InlineData("CN=a", @"CN=a\ ")]
    [InlineData("CN=a", "CN=#020161")]
    [InlineData("CN=x61", "CN=#020161")]
    [InlineData("CN=t61", "CN=#0C03743631,O=x")]
    public void Names_that_differ_are_not(string one, string other) => Assert.NotEqual(Read(one), Read(other));

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("a")]
    [InlineData("CN=")]
    [InlineData("CN= ")]
    [InlineData("=a")]
    [InlineData("CN=a,")]
    [InlineData("CN=a+")]
    [InlineData(",CN=a")]
    [InlineData("CN=a,,O=b")]
    [InlineData("XX=a")]
    [InlineData("OID.2.5.4.3=a")]
    [InlineData("2=a")]
    [InlineData("2.05=a")]
    [InlineData("2..5=a")]
    [InlineData("CN=\"a\"")]
    [InlineData("CN=a;O=b")]
    [InlineData("CN=a<b")]
    [InlineData(@"CN=a\")]
    [InlineData(@"CN=a\x")]
    [InlineData(@"CN=a\C4")]
    [InlineData(@"CN=\FF")]
    [InlineData("CN=a\0")]
    [InlineData("CN=#")]
    [InlineData("CN=#0C")]
    [InlineData("CN=#0C01")]
    [InlineData("CN=#0C016100")]
    [InlineData("CN=#0g")]
    [InlineData("CN=#0C01FF")]
    public void What_is_no_name_is_refused(string text) => Assert.False(DistinguishedName.TryRead(text, out _, out _));

    [Fact]
    public void A_name_never_throws_and_has_an_end()
    {
        Fuzz.Check(Fuzz.Anything, text => DistinguishedName.TryRead(text ?? "", out _, out _) || true);
        Assert.False(DistinguishedName.TryRead("CN=" + new string('a', 1022), out _, out _));
        Assert.False(DistinguishedName.TryRead(string.Join(',', Enumerable.Repeat("CN=a", 33)), out _, out _));
        Assert.True(DistinguishedName.TryRead(string.Join(',', Enumerable.Repeat("CN=a", 32)), out _, out _));
    }

    [Theory]
    [InlineData(UniversalTagNumber.UTF8String)]
    [InlineData(UniversalTagNumber.PrintableString)]
    [InlineData(UniversalTagNumber.IA5String)]
    [InlineData(UniversalTagNumber.T61String)]
    [InlineData(UniversalTagNumber.BMPString)]
    public void The_type_of_the_string_in_the_certificate_does_not_matter(UniversalTagNumber type)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
            foreach (var (oid, value) in new[] { ("2.5.4.6", "DE"), ("2.5.4.3", "val one") })
                using (writer.PushSetOf())
                using (writer.PushSequence())
                {
                    writer.WriteObjectIdentifier(oid);
                    writer.WriteCharacterString(type, value);
                }
        Assert.Equal(Read("CN=val one,C=DE"), DistinguishedName.Of(new X500DistinguishedName(writer.Encode())));
    }

    [Theory]
    [InlineData("san_dns:val.example")]
    [InlineData("san_uri:sip:val@val.example")]
    [InlineData("san_uri:https://val.example/a?b=c")]
    [InlineData("san_ip:192.0.2.1")]
    [InlineData("san_ip:::1")]
    [InlineData("san_email:a@val.example")]
    [InlineData("subject_dn:CN=a:b")]
    public void A_registered_name_is_written_as_it_was_read(string text) => Assert.Equal(text, RegisteredName.TryRead(text, out var name, out _) ? name.ToString() : null);

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData("san_dns:")]
    [InlineData("SAN_DNS:val.example")]
    [InlineData("tls_client_auth_san_dns:val.example")]
    [InlineData("san_dns:*.example")]
    [InlineData("san_dns:val.example.")]
    [InlineData("san_dns:v\u0430l.example")]
    [InlineData("san_uri:val")]
    [InlineData("san_uri:/val")]
    [InlineData("san_uri:urn:a b")]
    [InlineData("san_ip:1")]
    [InlineData("san_ip:0x7f000001")]
    [InlineData("san_ip:192.0.2.01")]
    [InlineData("san_ip:fe80::1%1")]
    [InlineData("san_ip:[::1]")]
    [InlineData("san_ip:192.0.2.0/24")]
    [InlineData("san_email:a")]
    [InlineData("san_email:@b")]
    [InlineData("san_email:a@b@c")]
    [InlineData("subject_dn:val")]
    [Proves("RFC 8705", "2.1.2")]
    public void What_could_not_be_matched_is_not_registered(string text) => Assert.False(RegisteredName.TryRead(text, out _, out var reason) || reason.Length == 0);

    private static DistinguishedName Read(string text) => DistinguishedName.TryRead(text, out var name, out var reason) ? name : throw new ArgumentException(reason);
}
