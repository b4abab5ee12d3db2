using System.Text;
using System.Text.Json;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Keyreeve.Tests.Client;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;
using Fuzz = Keyreeve.Tests.Wire.OAuth.Samples;

namespace Keyreeve.Tests.Core.Grants;

using Client = Keyreeve.Core.Identity.Client;

public sealed class ExchangeTokenTests : IDisposable
{
    private const string Type = "urn:ietf:params:oauth:token-type:access_token";

    private readonly Kek _kek = Samples.NewKek();
    private readonly SigningKey _key;
    private readonly SetClock _clock = new(Samples.Now);
    private RevocationList _revocations = RevocationList.Empty;

    public ExchangeTokenTests() => _key = Samples.NewKey(_kek);

    private static Client Server => Samples.Client with { ClientId = "rs", Audience = "https://a.example" };

    private static AccessTokenClaims Claims => new()
    {
        Subject = Samples.User.Subject,
        ClientId = Samples.ClientId,
        Scope = "openid val:a val:b",
        Audience = ["https://a.example"],
        IssuedAt = Samples.Now.ToUnixTimeSeconds(),
        ExpiresAt = Samples.Now.ToUnixTimeSeconds() + 60,
        JwtId = "j-1",
        GrantId = "g-1",
        Authentication = Samples.Login,
        Val = new ValClaims { ValUserId = "val-grace", ValServiceIds = ["a", "b"], ValUeId = "ue-1" },
    };

    public void Dispose()
    {
        _key.Dispose();
        _kek.Dispose();
    }

    [Theory]
    [InlineData("", "openid val:a")] // val:b is not the user's
    [InlineData("scope=val:a", "val:a")]
    [InlineData("scope=openid+val:a&audience=https://a.example", "val:a")]
    [InlineData("audience=https://a.example&resource=https://sim.example/userinfo", "openid val:a")]
    [Proves("RFC 8693", "2.1")]
    public void The_scope_is_what_token_client_user_and_target_have_in_common(string form, string granted) =>
        Assert.Equal(granted, Samples.Granted(Decide(form)).Scope.Text);

    [Theory]
    [InlineData("scope=seal:key_management", RefusalCode.ScopeNotAllowed)]
    [InlineData("scope=profile", RefusalCode.ScopeNotAllowed)]
    [InlineData("scope=val:b", RefusalCode.ScopeNotAllowed)]
    [InlineData("audience=https://b.example&scope=val:a", RefusalCode.InvalidTarget)]
    [InlineData("audience=https://c.example", RefusalCode.InvalidTarget)]
    public void Everything_else_is_refused(string form, RefusalCode code) => Samples.Refused(code, Decide(form));

    [Fact]
    public void Operator_scopes_are_nobodys_by_exchange() =>
        Samples.Refused(RefusalCode.ScopeNotAllowed, Decide("scope=keyreeve.admin", Claims with { Scope = "keyreeve.admin val:a" }));

    [Fact]
    [Proves("RFC 8693", "1.1")]
    public void Who_acts_is_named_unless_the_registration_says_otherwise()
    {
        Assert.Equal(new ActorChain("rs", null, null), Samples.Granted(Decide("")).Actor);
        Assert.Null(Samples.Granted(Decide("", client: Server with { MayImpersonate = true })).Actor);
        // Those who acted before stay named, whoever impersonates now.
        var acted = Claims with { Actor = new ActorChain("front", null, null) };
        Assert.Equal(new ActorChain("rs", null, acted.Actor), Samples.Granted(Decide("", acted)).Actor);
        Assert.Equal(acted.Actor, Samples.Granted(Decide("", acted, Server with { MayImpersonate = true })).Actor);
        // The same actor is not named twice.
        Assert.Equal(1, Samples.Granted(Decide("", Claims with { Actor = new ActorChain("rs", null, null) })).Actor!.Depth);
        var deep = new ActorChain("1", null, new ActorChain("2", null, new ActorChain("3", null, new ActorChain("4", null, null))));
        Samples.Refused(RefusalCode.SubjectTokenNotAccepted, Decide("", Claims with { Actor = deep }));
        // Of that name, but somebody else's.
        Assert.Equal(2, Samples.Granted(Decide("", Claims with { Actor = new ActorChain("rs", "https://partner.example", null) })).Actor!.Depth);
    }

    [Fact]
    [Proves("RFC 8693", "4.4")]
    public void May_act_lets_one_act_and_is_handed_on()
    {
        Samples.Refused(RefusalCode.SubjectTokenNotAccepted, Decide("", Claims with { MayAct = new MayAct("other", null) }));
        Samples.Refused(RefusalCode.SubjectTokenNotAccepted, Decide("", Claims with { MayAct = new MayAct("rs", "https://partner.example") }));
        Samples.Refused(RefusalCode.SubjectTokenNotAccepted, Decide("", Claims with { MayAct = new MayAct("other", null) }, Server with { MayImpersonate = true }));
        Samples.Granted(Decide("", Claims with { MayAct = new MayAct("rs", Samples.Issuer) }));
    }

    [Fact]
    public void Time_user_and_class_are_looked_at_as_they_are_today()
    {
        Samples.Refused(RefusalCode.SubjectTokenNotAccepted, Decide("", user: Samples.User with { Disabled = true }));
        Samples.Refused(RefusalCode.SubjectTokenNotAccepted, Decide("", now: Samples.Now.AddSeconds(60)));
        Samples.Refused(RefusalCode.UnmetAuthentication, Decide("", client: Server with { MinimumAcr = "phr" }));
        Samples.Granted(Decide("", client: Server with { MinimumAcr = "3gpp:acr:password" }));
        var val = Samples.Granted(Decide("")).Val!;
        Assert.Equal(("val-grace", "ue-1", "a"), (val.ValUserId, val.ValUeId, Assert.Single(val.ValServiceIds)));
        Assert.Null(Samples.Granted(Decide("", Claims with { Val = null })).Val);
    }

    [Fact]
    public void What_was_made_of_a_revoked_token_is_revoked()
    {
        var token = Mint(Claims with { JwtId = "j-3", DerivedFrom = [new TokenAncestor("j-1", "front"), new TokenAncestor("j-2", "rs")] });
        Samples.Granted(Verify(token));
        foreach (var (kind, value) in new[] { (RevocationKind.JwtId, "j-1"), (RevocationKind.JwtId, "j-2"), (RevocationKind.Client, "front") })
        {
            _revocations = new RevocationList([new Revocation(kind, value, long.MaxValue, long.MaxValue)]);
            Samples.Refused(RefusalCode.TokenRevoked, Verify(token));
        }
        _revocations = new RevocationList([new Revocation(RevocationKind.JwtId, "j-4", long.MaxValue, long.MaxValue), new Revocation(RevocationKind.Subject, "front", long.MaxValue, long.MaxValue)]);
        Samples.Granted(Verify(token));
    }

    [Fact]
    public void No_claim_makes_a_reader_of_chains_throw()
    {
        Fuzz.Check(Fuzz.Anything, text =>
        {
            foreach (var json in (string[])[JsonSerializer.Serialize(text), $"{{\"sub\":{JsonSerializer.Serialize(text)}}}", $"[{{\"jti\":{JsonSerializer.Serialize(text)},\"client_id\":1}}]", $"{{\"sub\":\"a\",\"act\":{{\"sub\":{JsonSerializer.Serialize(text)}}}}}"])
                if (JwtClaims.TryRead(Encoding.UTF8.GetBytes($"{{\"act\":{json},\"may_act\":{json},\"derived_from\":{json}}}"), out var claims, out _))
                {
                    _ = ActorChain.TryRead(claims, null, out _);
                    _ = MayAct.TryRead(claims, out _);
                    _ = TokenAncestor.Read(claims);
                }
            return true;
        });
        var nested = string.Concat(Enumerable.Repeat("{\"sub\":\"a\",\"act\":", ActorChain.MaxDepth)) + "{\"sub\":\"a\"}" + new string('}', ActorChain.MaxDepth);
        Assert.True(JwtClaims.TryRead(Encoding.UTF8.GetBytes($"{{\"act\":{nested}}}"), out var deep, out _));
        Assert.False(ActorChain.TryRead(deep, null, out _));
    }

    private Outcome<ExchangeToken.Decision> Decide(string form, AccessTokenClaims? claims = null, Client? client = null, User? user = null, DateTimeOffset? now = null)
    {
        Assert.True(ExchangeToken.Request.Read(Samples.Form($"subject_token=t&subject_token_type={Type}&{form}")).Succeeded(out var asked, out var refusal), refusal?.Peer);
        var caller = Samples.Authenticated(client ?? Server);
        var subject = Samples.Granted(SubjectToken.Of(Samples.Granted(Verify(Mint(claims ?? Claims))), caller));
        return ExchangeToken.Decide(asked, caller, subject, new TokenHolder(user ?? Samples.User, null, null), null, Samples.Catalogue, Samples.Issuer, now ?? Samples.Now);
    }

    private Outcome<VerifiedToken> Verify(string token) =>
        new TokenVerifier(Samples.Issuer, () => new KeyRing([_key]), () => _revocations, _clock, TimeSpan.Zero).Verify(token, null);

    private string Mint(AccessTokenClaims claims) => new TokenMinter(Samples.Issuer).Mint(claims, _key);
}
