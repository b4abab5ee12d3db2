using System.Text.Json.Nodes;
using Keyreeve.Core.Events;
using Keyreeve.Core.Outbox;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Events;

public sealed class SecurityEventTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_767_225_600);

    [Theory]
    [InlineData(RevocationKind.JwtId, "jti", SecurityEvent.TokenRevoked)]
    [InlineData(RevocationKind.Subject, "sub", SecurityEvent.TokensRevoked)]
    [InlineData(RevocationKind.Client, "client_id", SecurityEvent.TokensRevoked)]
    [InlineData(RevocationKind.Grant, "grant_id", SecurityEvent.TokensRevoked)]
    [Proves("RFC 8417", "2.2")]
    [Proves("RFC 9493", "3.2")]
    public void A_revocation_names_the_claim_to_compare_and_its_subject(RevocationKind kind, string claim, string type)
    {
        var set = Read(new Revocation(kind, "a\"b", 1_767_225_599, 0));
        Assert.Equal(["iss", "aud", "iat", "jti", "sub_id", "events"], set.Select(m => m.Key));
        Assert.Equal(("https://i.example", "https://rs.example", Now.ToUnixTimeSeconds(), "m1"), ((string)set["iss"]!, (string)set["aud"]!, (long)set["iat"]!, (string)set["jti"]!));
        var (name, payload) = Assert.Single(set["events"]!.AsObject());
        Assert.Equal(type, name);
        Assert.Equal("a\"b", (string)payload![claim]!);
        Assert.Equal(Now.ToUnixTimeSeconds(), (long)payload["event_timestamp"]!);
        Assert.Equal(kind == RevocationKind.JwtId ? null : 1_767_225_599L, (long?)payload["issued_until"]);
        var subject = set["sub_id"]!.AsObject();
        if (kind == RevocationKind.Subject)
            Assert.Equal(("iss_sub", "https://i.example", "a\"b"), ((string)subject["format"]!, (string)subject["iss"]!, (string)subject["sub"]!));
        else
            Assert.Equal(("opaque", "a\"b"), ((string)subject["format"]!, (string)subject["id"]!));
    }

    [Fact]
    public void A_revocation_without_end_says_no_moment() =>
        Assert.False(Read(new Revocation(RevocationKind.Grant, "g", long.MaxValue, 0))["events"]![SecurityEvent.TokensRevoked]!.AsObject().ContainsKey("issued_until"));

    [Fact]
    public void Each_receiver_gets_a_message_of_its_own()
    {
        var events = new RevocationEvents("https://i.example", [new("one", "https://one.example/", "aud-1"), new("two", "https://two.example/", "aud-2")]);
        var messages = events.Of(new Revocation(RevocationKind.JwtId, "t", long.MaxValue, 0), Now).ToList();
        Assert.Equal([("events:one", "https://one.example/", "aud-1"), ("events:two", "https://two.example/", "aud-2")],
            messages.Select(m => (m.Receiver, m.Url, (string)JsonNode.Parse(m.Body)!["aud"]!)));
        Assert.All(messages, m => Assert.Equal((m.Id, OutboxForm.Claims, SecurityEvent.MediaType), ((string)JsonNode.Parse(m.Body)!["jti"]!, m.Form, m.ContentType)));
        Assert.NotEqual(messages[0].Id, messages[1].Id);
        Assert.Empty(RevocationEvents.None.Of(new Revocation(RevocationKind.JwtId, "t", long.MaxValue, 0), Now));
    }

    private static JsonObject Read(Revocation revocation) => JsonNode.Parse(SecurityEvent.Claims("https://i.example", "https://rs.example", "m1", revocation, Now))!.AsObject();
}
