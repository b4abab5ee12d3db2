using System.Text;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Seal;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>The decision alone: values in, a refusal or none out.</summary>
[Proves("TS 33.434", "5.3.2")]
public sealed class KmDecisionTests : IDisposable
{
    private const string Issuer = "https://localhost:9443";
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);
    private static readonly SealSettings Settings = new() { SKmsUris = [Issuer + "/seal/km", "https://skm.example/"] };

    private readonly Kek _kek = Kek.FromBytes(new byte[Kek.KeySize]);
    private readonly SigningKey _key;
    private readonly TokenVerifier _verifier;

    public KmDecisionTests()
    {
        _key = SigningKey.Generate(JwsAlgorithm.ES256, 1, Now, Now, _kek).Key;
        var ring = new KeyRing([_key]);
        var clock = new ShiftedTime();
        clock.StandStill(Now);
        _verifier = new TokenVerifier(Issuer, () => ring, () => RevocationList.Empty, clock, TimeSpan.Zero);
    }

    public void Dispose()
    {
        _key.Dispose();
        _kek.Dispose();
    }

    [Fact]
    public async Task A_request_that_is_right_is_not_refused_and_is_asked_for_once()
    {
        var asked = 0;
        Assert.Null(await KmDecision.DecideAsync(Request(), AliceToken(), Settings, () => new(++asked == 1), Now));
        Assert.Equal(1, asked);
    }

    [Theory]
    [InlineData("https://other.example/", 0, RefusalCode.WrongSKmsUri)]
    [InlineData("https://other.example/", 100, RefusalCode.WrongSKmsUri)]
    [InlineData("https://skm.example/", 6, RefusalCode.OutsideTimeWindow)]
    [InlineData("https://skm.example/", -6, RefusalCode.OutsideTimeWindow)]
    public async Task What_is_refused_before_the_replay_check_does_not_reach_the_memory(string uri, int off, RefusalCode code)
    {
        var refusal = await KmDecision.DecideAsync(Request(uri, off: off), AliceToken(), Settings, () => throw new InvalidOperationException("the memory was asked"), Now);
        Assert.Equal(code, refusal?.Code);
    }

    [Fact]
    public async Task A_replay_of_a_foreign_record_is_refused_as_a_replay() =>
        Assert.Equal(RefusalCode.Replayed, (await KmDecision.DecideAsync(Request(value: "bob"), AliceToken(), Settings, () => new(false), Now))?.Code);

    [Fact]
    public async Task All_refusals_say_the_same_to_the_peer()
    {
        var refusals = new[]
        {
            await KmDecision.DecideAsync(Request("https://other.example/"), AliceToken(), Settings, () => new(true), Now),
            await KmDecision.DecideAsync(Request(off: 6), AliceToken(), Settings, () => new(true), Now),
            await KmDecision.DecideAsync(Request(), AliceToken(), Settings, () => new(false), Now),
            await KmDecision.DecideAsync(Request(value: "bob"), AliceToken(), Settings, () => new(true), Now),
        };
        Assert.Equal([RefusalCode.WrongSKmsUri, RefusalCode.OutsideTimeWindow, RefusalCode.Replayed, RefusalCode.NotOwner], refusals.Select(r => r!.Code));
        Assert.Single(refusals.Select(r => (r!.Peer, r.Param)).Distinct());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(30)]
    public async Task The_window_is_the_one_of_the_settings(int seconds)
    {
        var settings = Settings with { Window = TimeSpan.FromSeconds(seconds) };
        foreach (var sign in (int[])[-1, 1])
        {
            Assert.Null(await KmDecision.DecideAsync(Request(off: sign * seconds), AliceToken(), settings, () => new(true), Now));
            Assert.Equal(RefusalCode.OutsideTimeWindow, (await KmDecision.DecideAsync(Request(off: sign * (seconds + 1)), AliceToken(), settings, () => new(true), Now))?.Code);
        }
    }

    public static TheoryData<KmIdentityKind, string, bool> Ownership => new()
    {
        { KmIdentityKind.Service, "", true },
        { KmIdentityKind.User, "alice", true },
        { KmIdentityKind.User, "u-alice", true },
        { KmIdentityKind.User, "Alice", false },
        { KmIdentityKind.User, "bob", false },
        { KmIdentityKind.User, "ue-1", false },
        { KmIdentityKind.Device, "ue-1", true },
        { KmIdentityKind.Device, "UE-1", false },
        { KmIdentityKind.Device, "alice", false },
        { KmIdentityKind.Client, "client", true },
        { KmIdentityKind.Client, "u-alice", false },
        { KmIdentityKind.Client, "other", false },
    };

    [Theory]
    [MemberData(nameof(Ownership))]
    public void A_user_owns_its_own_identities_each_under_its_own_kind(KmIdentityKind kind, string value, bool owns)
    {
        Assert.Equal(owns, Owns(AliceToken(), Request(kind: kind, value: value)));
        Assert.False(Owns(AliceToken(), Request(service: "other", kind: kind, value: value)));
        Assert.False(Owns(AliceToken(), Request(service: "S1", kind: kind, value: value)));
    }

    [Theory]
    [MemberData(nameof(Ownership))]
    public void A_VAL_server_owns_every_identity_of_its_services_and_nothing_of_others(KmIdentityKind kind, string value, bool usersOwn)
    {
        _ = usersOwn;
        Assert.True(Owns(ServerToken(), Request(kind: kind, value: value)));
        Assert.False(Owns(ServerToken(), Request(service: "other", kind: kind, value: value)));
    }

    [Fact]
    public void A_token_without_VAL_claims_owns_nothing()
    {
        foreach (var subject in (string[])["u-alice", "client"])
        {
            var token = Token(subject, null);
            Assert.False(Owns(token, Request(kind: KmIdentityKind.Service, value: "")));
            Assert.False(Owns(token, Request(kind: KmIdentityKind.User, value: subject)));
        }
    }

    [Fact]
    public void An_identity_the_token_does_not_name_is_nobodys()
    {
        var token = Token("u-alice", new ValClaims { ValServiceIds = ["s1"] });
        Assert.False(Owns(token, Request(kind: KmIdentityKind.Device, value: "ue-1")));
        Assert.False(Owns(token, Request(kind: KmIdentityKind.User, value: "alice")));
        Assert.True(Owns(token, Request(kind: KmIdentityKind.User, value: "u-alice")));
    }

    [Theory]
    [InlineData("https://skm.example", true)]
    [InlineData("https://skm.example:443/", true)]
    [InlineData("HTTPS://SKM.EXAMPLE/", true)]
    [InlineData("https://skm.example:444/", false)]
    [InlineData("https://skm.example/x", false)]
    [InlineData("https://skm.example.org/", false)]
    [InlineData("https://skm.example\\", false)]
    [InlineData("https://skm.example/ ", false)]
    [InlineData("https://@skm.example/", false)]
    [InlineData("https://user:x@skm.example/", false)]
    [InlineData("https://skm.example/#", false)]
    [InlineData("https://skm.example/?", false)]
    [InlineData("https://skm.ex\u0430mple/", false)]
    [InlineData("", false)]
    [InlineData("://", false)]
    public void URIs_are_compared_after_syntax_normalisation_only(string asked, bool same) =>
        Assert.Equal(same, KmDecision.SameUri("https://skm.example/", asked));

    [Fact]
    public void Every_refusal_code_has_an_error_code_under_the_status_of_the_table()
    {
        foreach (var code in Enum.GetValues<RefusalCode>())
        {
            var (error, status) = KmErrors.Of(code);
            Assert.Contains(status, error switch
            {
                KmErrorCode.Unspecified => (int[])[429, 500, 503],
                KmErrorCode.NotAvailable => [404],
                KmErrorCode.Rejected => [401],
                KmErrorCode.NotValidated => [400, 403, 406],
                _ => [],
            });
        }
    }

    [Theory]
    [InlineData(RefusalCode.Unavailable, KmErrorCode.Unspecified, 500)]
    [InlineData(RefusalCode.Busy, KmErrorCode.Unspecified, 503)]
    [InlineData(RefusalCode.KeyInformationNotAvailable, KmErrorCode.NotAvailable, 404)]
    [InlineData(RefusalCode.TokenMissing, KmErrorCode.Rejected, 401)]
    [InlineData(RefusalCode.InsufficientScope, KmErrorCode.Rejected, 401)]
    [InlineData(RefusalCode.Malformed, KmErrorCode.NotValidated, 400)]
    [InlineData(RefusalCode.InvalidParameter, KmErrorCode.NotValidated, 400)]
    [InlineData(RefusalCode.TooLarge, KmErrorCode.NotValidated, 400)]
    [InlineData(RefusalCode.SignatureNotAccepted, KmErrorCode.NotValidated, 403)]
    [InlineData(RefusalCode.WrongSKmsUri, KmErrorCode.NotValidated, 403)]
    [InlineData(RefusalCode.OutsideTimeWindow, KmErrorCode.NotValidated, 403)]
    [InlineData(RefusalCode.Replayed, KmErrorCode.NotValidated, 403)]
    [InlineData(RefusalCode.NotOwner, KmErrorCode.NotValidated, 403)]
    [Proves("TS 33.434", "5.3.3")]
    public void The_cases_of_key_management_have_these_codes(RefusalCode refusal, KmErrorCode error, int status) => Assert.Equal((error, status), KmErrors.Of(refusal));

    [Fact]
    public void No_two_keys_of_records_are_sealed_for_the_same_purpose()
    {
        string[] parts = ["", "a", "a/b", "b", "1:a", "a/3/1:b", "/"];
        var purposes = from service in parts
                       from kind in Enum.GetValues<KmIdentityKind>()
                       from value in parts
                       select KeyRecord.Purpose(service, new(kind, value));
        var all = purposes.ToList();
        Assert.Equal(all.Count, all.Distinct(StringComparer.Ordinal).Count());
        Assert.All(all, p => Assert.Equal(p, Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(p))));
    }

    [Theory]
    [InlineData("sip:alice@val.example", "sip:alice@val.example")]
    [InlineData("urn:uuid:00000000-0000-4000-8000-000000000007", "urn:uuid:00000000-0000-4000-8000-000000000007")]
    [InlineData("sip:%C3%A9@val.example", "sip:%C3%A9@val.example")]
    [InlineData("ue 7/é", Issuer + "/users/ue%207%2F%C3%A9")]
    [InlineData("/rooted:path", Issuer + "/users/%2Frooted%3Apath")]
    [InlineData("sip:alice and bob@val.example", Issuer + "/users/sip%3Aalice%20and%20bob%40val.example")]
    [InlineData("sip:é@val.example", Issuer + "/users/sip%3A%C3%A9%40val.example")]
    [InlineData(":", Issuer + "/users/%3A")]
    [InlineData("sip", Issuer + "/users/sip")]
    public void The_UserUri_is_an_absolute_URI_whatever_the_VAL_user_ID_is(string valUserId, string userUri) =>
        Assert.Equal(userUri, RequestKeyMaterial.UserUriOf(Issuer, Token("u-alice", new ValClaims { ValUserId = valUserId })));

    private static KmRequest Request(string uri = Issuer + "/seal/km", string service = "s1", KmIdentityKind kind = KmIdentityKind.User, string value = "alice", int off = 0)
    {
        Assert.True(KmRequest.TryCreate(uri, service, new(kind, value), Now.ToUnixTimeSeconds() + off, "r", out var request, out var error), error?.Reason);
        return request;
    }

    private static bool Owns(VerifiedToken token, KmRequest request) => KmDecision.Owns(token, request.ServiceId, request.Identity);

    private VerifiedToken AliceToken() => Token("u-alice", new ValClaims { ValUserId = "alice", ValUeId = "ue-1", ValServiceIds = ["s1", "s2"] });

    private VerifiedToken ServerToken() => Token("client", new ValClaims { ValServiceIds = ["s1"] });

    private VerifiedToken Token(string subject, ValClaims? val)
    {
        var now = Now.ToUnixTimeSeconds();
        var text = new TokenMinter(Issuer).Mint(new AccessTokenClaims
        {
            Subject = subject,
            ClientId = "client",
            Scope = "seal:key_management",
            Audience = [Issuer + "/seal/km"],
            IssuedAt = now,
            ExpiresAt = now + 60,
            JwtId = "id",
            Val = val,
        }, _key);
        Assert.True(_verifier.Verify(text, Issuer + "/seal/km").Succeeded(out var token, out var refusal), refusal?.Operator);
        return token;
    }
}
