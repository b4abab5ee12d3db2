using System.Net;
using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Server.Hosting;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>A primary VAL system that answers badly, slowly or not at all, when it is asked about a token of its: nothing but a clear yes is one.</summary>
[Proves("TS 33.434", "5.4")]
public sealed class OriginCheckAttackTests : IAsyncLifetime
{
    private readonly ScriptedPeer _primary = new(tls: false);
    private readonly Partner _partner = new("https://sim.partner.example");
    private OpenIdServer _server = null!;

    private DateTimeOffset Now => _server.Server.Time.GetUtcNow();

    public async ValueTask InitializeAsync()
    {
        _server = await OpenIdServer.StartAsync("Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "Outbound:AllowHttp=true");
        await _server.AddClientAsync(new()
        {
            ClientId = "gate",
            Name = "gate",
            Profile = ClientProfile.OpenId,
            Grants = [GrantType.TokenExchange, GrantType.JwtBearer],
            Scopes = ScopeList.Of(["val:pump-control"]),
        });
        await TrustAsync(_partner, _primary);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _primary.DisposeAsync();
    }

    [Theory]
    [InlineData("{\"active\":true}")]
    [InlineData("{\"active\":true,\"sub\":\"carol\",\"scope\":\"x\"}")]
    [Proves("RFC 7662", "2")]
    public async Task A_clear_yes_passes_and_the_question_is_a_well_formed_one(string body)
    {
        _primary.Always("200 OK", "Content-Type: application/json\r\n", body);
        var token = Token();
        ExchangeWorld.Granted(await ExchangeAsync(token));
        var asked = await _primary.NextAsync();
        Assert.Equal(("POST", "/introspect", "application/x-www-form-urlencoded"), (asked.Method, asked.Path, asked.Headers["Content-Type"]));
        Assert.Equal($"token={token}&token_type_hint=access_token", asked.Text);
        Assert.Equal(BasicCredentials.Write("serving:system", "se cret%"), asked.Headers["Authorization"]);
        // Asked each time: a yes is not remembered.
        ExchangeWorld.Granted(await ExchangeAsync(token));
        Assert.Equal(2, _primary.Accepted);
    }

    [Theory]
    [InlineData("{\"active\":false}")]
    [InlineData("{\"active\":false,\"sub\":\"carol\"}")]
    [InlineData("{\"active\":true,\"sub\":\"mallory\"}")]
    public async Task A_no_refuses_the_token(string body)
    {
        _primary.Always("200 OK", "Content-Type: application/json\r\n", body);
        (await ExchangeAsync(Token())).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await AssertAsync(Token())).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
    }

    [Theory]
    [InlineData("200 OK", "")]
    [InlineData("200 OK", "{}")]
    [InlineData("200 OK", "true")]
    [InlineData("200 OK", "{\"active\":\"true\"}")]
    [InlineData("200 OK", "{\"active\":1}")]
    [InlineData("200 OK", "{\"active\":null}")]
    [InlineData("200 OK", "{\"Active\":true}")]
    [InlineData("200 OK", "{\"active\":true,\"active\":false}")]
    [InlineData("200 OK", "{\"active\":true} {}")]
    [InlineData("200 OK", "<html>active</html>")]
    [InlineData("201 Created", "{\"active\":true}")]
    [InlineData("401 Unauthorized", "{\"active\":true}")]
    [InlineData("500 Internal Server Error", "{\"active\":true}")]
    [InlineData("302 Found", "{\"active\":true}")]
    public async Task Whatever_is_no_introspection_response_is_not_taken_for_one(string status, string body)
    {
        _primary.Always(status, status.StartsWith('3') ? $"Location: {_primary.Address("/yes")}\r\n" : "", body);
        InterconnectionTests.AssertLater(await ExchangeAsync(Token()));
        Assert.Equal(1, _primary.Accepted);
    }

    [Theory]
    [InlineData("hangs up")]
    [InlineData("never answers")]
    [InlineData("never ends")]
    public async Task A_primary_that_does_not_answer_lets_nobody_in(string how)
    {
        _primary.Script = how switch
        {
            "hangs up" => (_, _, _) => Task.CompletedTask,
            "never answers" => (_, _, cancel) => Task.Delay(Timeout.Infinite, cancel),
            _ => NeverEndAsync,
        };
        InterconnectionTests.AssertLater(await ExchangeAsync(Token()));
        // An assertion that nobody vouched for was not used up.
        var assertion = Token();
        InterconnectionTests.AssertLater(await AssertAsync(assertion));
        _primary.Always("200 OK", "", "{\"active\":true}");
        ExchangeWorld.Granted(await AssertAsync(assertion));
    }

    private static async Task NeverEndAsync(PeerRequest request, Stream stream, CancellationToken cancel)
    {
        await ScriptedPeer.AnswerAsync(stream, "200 OK", "", "{\"active\":true}", cancel, more: 10);
        await Task.Delay(Timeout.Infinite, cancel);
    }

    [Fact]
    public async Task A_partner_that_hangs_holds_up_its_own_users_and_no_others()
    {
        var (slow, hanging) = (new Partner("https://slow.example"), new ScriptedPeer(tls: false) { Script = (_, _, cancel) => Task.Delay(Timeout.Infinite, cancel) });
        await using var _ = hanging;
        await TrustAsync(slow, hanging);
        _primary.Always("200 OK", "", "{\"active\":true}");
        var waiting = Enumerable.Range(0, 8).Select(_ => ExchangeAsync(slow.Sign(slow.Claims(_server.Issuer, Now)))).ToList();
        await hanging.NextAsync();
        ExchangeWorld.Granted(await ExchangeAsync(Token()));
        Assert.All(await Task.WhenAll(waiting), InterconnectionTests.AssertLater);
    }

    [Fact]
    public async Task The_primary_is_asked_about_its_own_tokens_alone()
    {
        _primary.Always("200 OK", "", "{\"active\":true}");
        var forged = Token()[..^8] + "AAAAAAAA";
        (await ExchangeAsync(forged)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await ExchangeAsync(_partner.Sign(_partner.Claims("https://elsewhere.example", Now)))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await _server.PostAsync("/token", _server.Server.Basic("machine-client"), Form(Token()))).AssertError(HttpStatusCode.BadRequest, "unauthorized_client");
        Assert.Equal(0, _primary.Accepted);
    }

    [Fact]
    public async Task The_primary_is_asked_on_after_the_KEK_that_sealed_the_secret_has_been_retired()
    {
        _primary.Always("200 OK", "", "{\"active\":true}");
        ExchangeWorld.Granted(await ExchangeAsync(Token()));
        var (keeper, old) = (_server.Service<KekKeeper>(), _server.Service<Kek>().Id);
        Assert.True((await keeper.RotateAsync(null, alone: true, Entry("kek.rotated"))).Succeeded(out _, out var refusal), refusal?.Operator);
        await _server.Server.WaitForAsync(async () => (await keeper.CountAsync(CancellationToken.None)).All(c => c.KekId != old));
        _server.Server.Time.Advance(TimeSpan.FromSeconds(31));
        Assert.True((await keeper.RetireAsync(old, Entry("kek.retired"))).Succeeded(out _, out refusal), refusal?.Operator);
        // What this node does twice a second: it rereads what it is told of, and nothing else.
        await _server.Service<Core.Snapshots.SnapshotState>().RefreshAsync(CancellationToken.None);
        ExchangeWorld.Granted(await ExchangeAsync(Token()));
    }

    private static Core.Audit.AuditEntry Entry(string kind) => new() { Kind = kind, Outcome = Core.Audit.AuditOutcome.Changed, At = 1 };

    private async Task TrustAsync(Partner partner, ScriptedPeer asked)
    {
        var origin = new OriginCheck(asked.Address("/introspect"), "serving:system", _server.Service<Kek>().Seal(OriginCheck.PurposeOf(partner.Issuer), Encoding.UTF8.GetBytes("se cret%")));
        Assert.True((await _server.Service<IDirectory>().SaveIssuerAsync(partner.Registration(["gate"]) with { Origin = origin }, create: true, null,
            Entry("issuer.saved"), CancellationToken.None)).Succeeded(out _, out _));
        await _server.Service<Core.Snapshots.SnapshotState>().RefreshAsync(CancellationToken.None);
    }

    private string Token() => _partner.Sign(_partner.Claims(_server.Issuer, Now));

    private Task<Answer> ExchangeAsync(string token) => _server.PostAsync("/token", _server.Server.Basic("gate"), Form(token));

    private Task<Answer> AssertAsync(string assertion) => _server.PostAsync("/token", _server.Server.Basic("gate"), ("grant_type", ExchangeWorld.Bearer), ("assertion", assertion));

    private static (string, string)[] Form(string token) => [("grant_type", ExchangeWorld.Exchange), ("subject_token", token), ("subject_token_type", ExchangeWorld.Jwt)];
}
