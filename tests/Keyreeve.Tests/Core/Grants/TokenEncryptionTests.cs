using System.Security.Cryptography;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Refusals;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Core.Grants;

using Client = Keyreeve.Core.Identity.Client;

[Proves("TS 33.434", "4.1")]
public sealed class TokenEncryptionTests
{
    private static readonly Client Secretive = Samples.Client with { EncryptAccessTokens = true };

    [Theory]
    [InlineData("openid profile", "openid profile", null)]
    [InlineData("openid seal:key_management", "openid seal:key_management", null)]
    [InlineData("val:a", "val:a", "https://a.example")]
    [InlineData("openid profile val:a", "val:a", "https://a.example")]
    public void A_token_has_one_reader(string scope, string carried, string? reader)
    {
        var form = Samples.Granted(TokenEncryption.Decide(Secretive, Samples.Scopes(scope), Samples.Catalogue));
        Assert.Equal((carried, reader), (form.Scope.Text, form.Audience));
        Assert.Equal((scope, null), (Samples.Granted(TokenEncryption.Decide(Samples.Client, Samples.Scopes(scope), Samples.Catalogue)) is var plain ? plain.Scope.Text : "", plain.Audience));
    }

    [Theory]
    [InlineData("val:a val:b")]
    [InlineData("val:a seal:key_management")]
    [InlineData("openid val:a seal:key_management")]
    [InlineData("val:a seal:group_management")]
    public void Scopes_that_one_reader_cannot_read_all_of_are_refused(string scope) =>
        Samples.Refused(RefusalCode.ScopeNotAllowed, TokenEncryption.Decide(Secretive, Samples.Scopes(scope), Samples.Catalogue));

    [Fact]
    public void The_reader_is_the_one_resource_server_with_a_key()
    {
        using var key = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP384);
        using var signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var server = Samples.Client with { ClientId = "rs", Audience = "https://a.example", Keys = JsonWebKeySet.Of([JsonWebKey.FromEcdsa(signing), JsonWebKey.FromEcdh(key, "enc")]) };
        Assert.Equal("enc", Samples.Granted(TokenEncryption.ReaderOf("https://a.example", [server])).Kid);
        Assert.Equal("enc", Samples.Granted(TokenEncryption.ReaderOf("https://a.example", [server, Samples.Client with { Audience = "https://a.example" }])).Kid);
        foreach (var readers in (Client[][])[[], [server with { Disabled = true }], [server with { Audience = "https://A.example" }], [server with { Keys = JsonWebKeySet.Of([JsonWebKey.FromEcdsa(signing)]) }], [server, server with { ClientId = "rs-2" }]])
            Samples.Refused(RefusalCode.InvalidTarget, TokenEncryption.ReaderOf("https://a.example", readers));
    }
}
