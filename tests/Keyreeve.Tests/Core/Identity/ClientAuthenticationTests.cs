using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;
using Fuzz = Keyreeve.Tests.Wire.OAuth.Samples;

namespace Keyreeve.Tests.Core.Identity;

using Client = Keyreeve.Core.Identity.Client;

[Proves("TS 33.434", "A.3")]
public sealed class ClientAuthenticationTests : IDisposable
{
    private const string TokenEndpoint = Samples.Issuer + "/token";
    private const string JwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    private static readonly string PeerText = "client authentication failed";

    private readonly ClientSigningKey _key = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256), "kid-1");
    private readonly HashSet<string> _seen = [];

    private Client KeyClient => Samples.Client with { AuthMethods = [ClientAuthMethod.PrivateKeyJwt], Secrets = [], Keys = JsonWebKeySet.Of([_key.PublicJwk!]) };

    private static Client PostClient => Samples.Client with { AuthMethods = [ClientAuthMethod.SecretPost] };

    private static Client PublicClient => Samples.Client with { AuthMethods = [ClientAuthMethod.None], Secrets = [] };

    public void Dispose() => _key.Dispose();

    [Fact]
    [Proves("TS 33.434", "A.4.2.4")]
    [Proves("RFC 6749", "2.3")]
    public void Each_method_proves_the_client_that_is_registered_for_it()
    {
        Assert.Equal(ClientAuthMethod.SecretBasic, Samples.Granted(Decide(Basic(Samples.ClientId, Samples.Secret), "", Samples.Client)).Method);
        Assert.Equal(ClientAuthMethod.SecretPost, Samples.Granted(Decide(null, $"client_id=sim-c&client_secret={Samples.Secret}", PostClient)).Method);
        Assert.Equal(ClientAuthMethod.None, Samples.Granted(Decide(null, "client_id=sim-c", PublicClient)).Method);
        var proven = Samples.Granted(Decide(null, Asserted(Assertion()), KeyClient));
        Assert.Equal((ClientAuthMethod.PrivateKeyJwt, "sim-c"), (proven.Method, proven.Client.ClientId));
    }

    [Fact]
    [Proves("RFC 6749", "2.3")]
    public void More_than_one_method_is_refused_even_when_each_would_do()
    {
        var all = Samples.Client with { AuthMethods = [ClientAuthMethod.SecretBasic, ClientAuthMethod.SecretPost, ClientAuthMethod.PrivateKeyJwt], Keys = KeyClient.Keys };
        foreach (var (header, form) in new (string?, string)[]
        {
            (Basic(Samples.ClientId, Samples.Secret), $"client_id=sim-c&client_secret={Samples.Secret}"),
            (Basic(Samples.ClientId, Samples.Secret), Asserted(Assertion())),
            (Basic(Samples.ClientId, Samples.Secret), "client_assertion_type=x"),
            (null, $"client_secret={Samples.Secret}&" + Asserted(Assertion())),
            ("Bearer x", $"client_secret={Samples.Secret}"),
        })
            Samples.Refused(RefusalCode.Malformed, Decide(header, form, all));
    }

    [Theory]
    [InlineData("client_id=sim-c&client_id=sim-c")]
    [InlineData("client_id=sim-c&client_secret=a&client_secret=b")]
    [InlineData("client_assertion=a&client_assertion=b")]
    [InlineData("client_assertion_type=a&client_assertion_type=b")]
    [Proves("RFC 6749", "2.3")]
    public void A_repeated_credential_is_refused(string form) => Samples.Refused(RefusalCode.RepeatedParameter, PresentedCredential.Read(null, Samples.Form(form)));

    [Theory]
    [InlineData("Basic ")]
    [InlineData("Basic !")]
    [InlineData("Bearer abc")]
    [InlineData("")]
    [InlineData("BasicQQ==")]
    [InlineData("Digest username=x")]
    [Proves("RFC 6749", "2.3")]
    public void A_header_that_is_no_readable_Basic_is_refused(string header) =>
        AssertFailed(PresentedCredential.Read(header, Samples.Form("client_id=sim-c")));

    [Fact]
    [Proves("RFC 6749", "2.3")]
    public void The_scheme_is_read_in_any_case_and_the_form_may_repeat_the_same_client_only()
    {
        var header = Basic(Samples.ClientId, Samples.Secret);
        Samples.Granted(Decide("bAsIc " + header[6..], "client_id=sim-c", Samples.Client));
        AssertFailed(PresentedCredential.Read(header, Samples.Form("client_id=SIM-C")));
        AssertFailed(PresentedCredential.Read(null, Samples.Form(Asserted(Assertion()) + "&client_id=other")));
        AssertFailed(PresentedCredential.Read(null, Samples.Form("a=b")));
        AssertFailed(PresentedCredential.Read(null, Samples.Form("client_secret=abc")));
    }

    [Fact]
    [Proves("TS 33.434", "A.4.2.4")]
    public void Unknown_client_wrong_secret_and_wrong_method_tell_the_peer_the_same()
    {
        var basic = Basic(Samples.ClientId, Samples.Secret);
        foreach (var outcome in new[]
        {
            Decide(basic, "", null),
            Decide(Basic(Samples.ClientId, Samples.Secret + "x"), "", Samples.Client),
            Decide(Basic(Samples.ClientId, ""), "", Samples.Client),
            Decide(Basic(Samples.ClientId, Samples.Secret.ToUpperInvariant()), "", Samples.Client),
            Decide(basic, "", Samples.Client with { Disabled = true }),
            Decide(basic, "", Samples.Client with { Secrets = [] }),
            Decide(basic, "", PostClient),
            Decide(basic, "", PublicClient),
            Decide(basic, "", KeyClient),
            Decide(null, $"client_id=sim-c&client_secret={Samples.Secret}", Samples.Client),
            Decide(null, $"client_id=sim-c&client_secret={Samples.Secret}", PublicClient),
            Decide(null, "client_id=sim-c", Samples.Client),
            Decide(null, "client_id=sim-c&client_secret=", Samples.Client),
            Decide(null, "client_id=sim-c", null),
            Decide(null, "client_id=sim-c", PublicClient with { Disabled = true }),
            Decide(null, Asserted(Assertion()), null),
            Decide(null, Asserted(Assertion()), Samples.Client),
            Decide(null, Asserted(Assertion()), KeyClient with { Keys = null }),
        })
            AssertFailed(outcome);
    }

    [Fact]
    public void Both_live_secrets_open_and_an_old_one_does_not()
    {
        var (first, firstText) = ClientSecret.Generate(Samples.Now);
        var (second, secondText) = ClientSecret.Generate(Samples.Now);
        var client = Samples.Client with { Secrets = [first, second] };
        Samples.Granted(Decide(Basic(client.ClientId, firstText), "", client));
        Samples.Granted(Decide(Basic(client.ClientId, secondText), "", client));
        AssertFailed(Decide(Basic(client.ClientId, firstText), "", client with { Secrets = [second] }));
        Assert.Equal(ClientSecret.MinLength, firstText.Length);
        Assert.DoesNotContain(firstText, first.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexString(first.Hash), first.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("client_assertion=x")]
    [InlineData("client_assertion_type=" + JwtBearer)]
    [InlineData("client_assertion=x&client_assertion_type=" + JwtBearer)]
    [InlineData("client_assertion=a.b.c&client_assertion_type=" + JwtBearer)]
    [Proves("RFC 7523", "2.2")]
    public void An_assertion_that_does_not_read_is_refused(string form) => AssertFailed(PresentedCredential.Read(null, Samples.Form(form)));

    [Fact]
    [Proves("RFC 7523", "2.2")]
    public void An_assertion_of_another_type_is_refused() => AssertFailed(PresentedCredential.Read(null, Samples.Form($"client_assertion={Assertion()}&client_assertion_type=urn:x")));

    [Theory]
    [InlineData("iss", "\"other\"")]
    [InlineData("iss", null)]
    [InlineData("sub", "\"other\"")]
    [InlineData("sub", "\"\"")]
    [InlineData("sub", null)]
    [InlineData("aud", "\"https://sim.example/\"")]
    [InlineData("aud", "\"https://other.example\"")]
    [InlineData("aud", "[\"https://sim.example\",\"https://other.example\"]")]
    [InlineData("aud", "\"https://sim.example/token\"")]
    [InlineData("aud", null)]
    [InlineData("exp", null)]
    [InlineData("exp", "1790000000")]
    [InlineData("exp", "1789999999")]
    [InlineData("exp", "1790000311")]
    [InlineData("exp", "9999999999999")]
    [InlineData("exp", "\"1790000060\"")]
    [InlineData("nbf", "1790000011")]
    [InlineData("iat", "1790000011")]
    [InlineData("iat", "1790000060")]
    [InlineData("jti", null)]
    [InlineData("jti", "\"\"")]
    [InlineData("jti", "7")]
    [Proves("RFC 7523", "3")]
    public void An_assertion_with_a_wrong_claim_is_refused(string claim, string? value)
    {
        AssertFailed(Decide(null, Asserted(Assertion((claim, value))), KeyClient));
        Assert.Empty(_seen);
    }

    [Theory]
    [InlineData("exp", "1790000001")]
    [InlineData("exp", "1790000310")]
    [InlineData("nbf", "1790000010")]
    [InlineData("iat", "1790000010")]
    [InlineData("iat", "1")]
    [InlineData("aud", "[\"https://sim.example\"]")]
    [Proves("RFC 7523", "3")]
    public void An_assertion_at_the_edge_is_accepted(string claim, string value) => Samples.Granted(Decide(null, Asserted(Assertion((claim, value))), KeyClient));

    [Fact]
    [Proves("RFC 7523", "3")]
    public void The_token_endpoint_is_an_audience_for_the_plain_profile_only()
    {
        var assertion = Assertion(("aud", $"\"{TokenEndpoint}\""));
        Samples.Granted(Decide(null, Asserted(assertion), KeyClient with { Profile = ClientProfile.OpenId }));
        AssertFailed(Decide(null, Asserted(assertion), KeyClient));
    }

    [Fact]
    [Proves("RFC 7523", "3")]
    public void An_assertion_is_good_once_and_is_remembered_until_its_exp()
    {
        var form = Asserted(Assertion());
        Samples.Granted(Decide(null, form, KeyClient));
        Assert.Equal(["sim-c j-1 1790000060"], _seen);
        AssertFailed(Decide(null, form, KeyClient));
        AssertFailed(Decide(null, Asserted(Assertion(("exp", "1790000059"))), KeyClient));
        AssertFailed(Decide(null, Asserted(Assertion(("jti", $"\"{new string('j', 257)}\""))), KeyClient));
        Samples.Granted(Decide(null, Asserted(Assertion(("jti", $"\"{new string('j', 256)}\""))), KeyClient));
    }

    [Fact]
    [Proves("RFC 7523", "3")]
    public void Only_a_registered_key_under_its_own_kid_verifies()
    {
        using var other = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256), "kid-1");
        AssertFailed(Decide(null, Asserted(Assertion(by: other)), KeyClient));
        AssertFailed(Decide(null, Asserted(Assertion(header: """{"alg":"ES256","kid":"kid-2"}""")), KeyClient));
        Samples.Granted(Decide(null, Asserted(Assertion(header: """{"alg":"ES256"}""")), KeyClient));
        // A shared secret, the public key used as one, and no signature at all.
        using var secret = ClientSigningKey.FromSecret(Encoding.ASCII.GetBytes(_key.PublicJwk!.X!), "kid-1");
        AssertFailed(Decide(null, Asserted(Assertion(by: secret, header: """{"alg":"HS256","kid":"kid-1"}""")), KeyClient));
        var unsigned = Base64UrlStrict.Encode("""{"alg":"none"}"""u8) + "." + Assertion().Split('.')[1] + ".";
        AssertFailed(PresentedCredential.Read(null, Samples.Form(Asserted(unsigned))));
        AssertFailed(Decide(null, Asserted(Assertion()[..^4] + "AAAA"), KeyClient));
    }

    [Fact]
    [Proves("RFC 6749", "2.3")]
    public void A_credential_of_one_client_does_not_prove_another()
    {
        // Whatever the directory gives back: the proof is for the name that was presented.
        var basic = Basic("other", Samples.Secret);
        AssertFailed(Decide(basic, "", Samples.Client));
        AssertFailed(Decide(null, "client_id=SIM-C", PublicClient));
    }

    [Fact]
    [Proves("RFC 6749", "2.3")]
    public void No_text_makes_the_reader_throw()
    {
        Fuzz.Check(Fuzz.Anything, text => !PresentedCredential.Read(text, ParameterList.Empty).Succeeded(out _, out _)
            && !PresentedCredential.Read("Basic " + text, ParameterList.Empty).Succeeded(out _, out _));
        Fuzz.Check(Fuzz.Anything, text => !PresentedCredential.Read(null, Samples.Form(Asserted(Uri.EscapeDataString(Printable(text))))).Succeeded(out _, out _));
    }

    private static string Printable(string? text) => string.Concat((text ?? "").Where(c => !char.IsControl(c)));

    private static string Basic(string id, string secret) => BasicCredentials.Write(id, secret);

    private static string Asserted(string assertion) => $"client_assertion={assertion}&client_assertion_type={JwtBearer}";

    private Outcome<AuthenticatedClient> Decide(string? header, string form, Client? client)
    {
        if (!PresentedCredential.Read(header, Samples.Form(form)).Succeeded(out var presented, out var refusal))
            return refusal;
        return ClientAuthentication.DecideAsync(presented, client, Samples.Issuer, TokenEndpoint, (id, jti, until) =>
        {
            var isNew = !_seen.Any(s => s.StartsWith($"{id} {jti} ", StringComparison.Ordinal));
            _seen.Add($"{id} {jti} {until}");
            return new(isNew);
        }, Samples.Now).AsTask().GetAwaiter().GetResult();
    }

    private string Assertion((string Claim, string? Value) changed = default, ClientSigningKey? by = null, string header = """{"alg":"ES256","kid":"kid-1"}""")
    {
        var claims = new Dictionary<string, string?>
        {
            ["iss"] = "\"sim-c\"",
            ["sub"] = "\"sim-c\"",
            ["aud"] = $"\"{Samples.Issuer}\"",
            ["exp"] = "1790000060",
            ["iat"] = "1790000000",
            ["jti"] = "\"j-1\"",
        };
        if (changed.Claim is not null)
            claims[changed.Claim] = changed.Value;
        var json = "{" + string.Join(',', claims.Where(c => c.Value is not null).Select(c => $"\"{c.Key}\":{c.Value}")) + "}";
        return JwsWriter.Write(Encoding.UTF8.GetBytes(header), Encoding.UTF8.GetBytes(json), by ?? _key);
    }

    private static void AssertFailed<T>(Outcome<T> outcome)
        where T : notnull => Assert.Equal(PeerText, Samples.Refused(RefusalCode.ClientAuthenticationFailed, outcome).Peer);
}
