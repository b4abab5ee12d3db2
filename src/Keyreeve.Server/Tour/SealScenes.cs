using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Client;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Tour;

/// <summary>The scenes of <see cref="SealTour"/>, in the order of the clauses. Each gives null, or why the tour cannot go on.</summary>
internal sealed class SealScenes(
    DemoCast cast, string issuer, TourTunnel tunnel, X509Certificate2Collection roots, TourOperator operators, TourPrinter print, TourSpoil spoil, TimeProvider clock)
{
    private const string KeyManagement = "seal:key_management";

    private static readonly TimeSpan Leeway = TimeSpan.FromSeconds(5);

    private readonly SealSignIn _signIn = new(cast, roots, print, spoil);

    internal async Task<TourStop?> PlayAsync(CancellationToken cancel)
    {
        print.Figure("5.2.4", "Authentication framework");
        print.Step("5.2.4", 1, "VAL UE establishes a secure tunnel with the SIM-S");
        var sim = await DiscoverAsync(cast.SimC, cancel);
        if (!sim.Succeeded(out var simC, out var failure))
            return StopOf("OpenID provider metadata of " + issuer, failure);
        print.Facts(tunnel.Facts);
        print.Held("the certificate chains to the pinned CA and carries the server's name");
        print.Held($"the SIM-S names itself {issuer}, byte for byte");

        var (stop, tokens) = await _signIn.PlayAsync(simC, cancel);
        if (tokens is null)
            return stop;
        return await AuthorizeAsync(tokens, simC, cancel)
            ?? await ManageKeysAsync(tokens, cancel)
            ?? await PlayValServerAsync(tokens, simC, cancel);
    }

    private async Task<TourStop?> PlayValServerAsync(TokenSet tokens, SimClient simC, CancellationToken cancel)
    {
        using var http = new TourHttp(roots);
        var valServer = new ValServerScenes(cast, issuer, tunnel, http, print, spoil, clock);
        if ((await valServer.ManageKeysAsync(cancel) ?? await valServer.ProvisionKeysAsync(cancel)) is { } stop)
            return stop;
        if (!cast.SimC.Refreshes)
        {
            print.Note($"Annex A.5 and provisioning are not played: {cast.SimC.ClientId} is not registered for refresh_token.");
            return null;
        }
        (stop, var renewed) = await RefreshAsync(tokens, simC, cancel);
        return renewed is null ? stop : await valServer.ProvisionAsync(renewed, simC, operators, cancel);
    }

    private async Task<TourStop?> AuthorizeAsync(TokenSet tokens, SimClient simC, CancellationToken cancel)
    {
        print.Figure("5.2.5", "Authorization framework");
        print.Step("5.2.5", 0, "VAL UE presents the access token, the VAL server validates it");
        if (spoil == TourSpoil.RevokedToken && await simC.RevokeAsync(tokens.AccessToken, cancel) is { } unrevoked)
            return StopOf("the revocation that this spoilt tour begins with", unrevoked);
        if (!(await DiscoverAsync(cast.ValServer, cancel)).Succeeded(out var valServer, out var failure))
            return StopOf("OpenID provider metadata for the VAL server", failure);
        var scope = "val:" + cast.User.ServiceId;
        if (!tokens.Scope.Contains(scope))
            return new($"scope {scope} granted", tokens.Scope.Text);
        if (cast.ValServer.Audience is not { } audience)
            return new("an audience of the VAL server in demo.json", "none");
        var verifier = new AccessTokenVerifier(tunnel.Http, new() { Issuer = issuer, Audience = audience, Leeway = Leeway }, clock);
        var verdict = await verifier.VerifyAsync(tokens.AccessToken.Reveal(), null, cancel);
        if (verdict is not AccessTokenVerdict.Valid { Token: var token })
            return new("an access token that the VAL server can validate", verdict is AccessTokenVerdict.Refused refused ? refused.Why : "none");
        if (!token.Scope.Contains(scope))
            return new($"an access token with scope {scope}", token.Scope.Text);
        print.Held("signature, typ at+jwt, iss, aud, exp, scope " + scope);
        var asked = await valServer.IntrospectAsync(tokens.AccessToken, cancel);
        if (!asked.Succeeded(out var answer, out failure))
            return StopOf("an introspection response", failure);
        if (!answer.Active)
            return new("active: true from introspection", "active: false");
        if (answer.ClientId is not null && answer.ClientId != token.ClientId || answer.Subject is not null && answer.Subject != token.Claims.Subject)
            return new("the same client and subject from introspection", "others");
        print.Held($"introspection by {cast.ValServer.ClientId}: active");

        print.Figure("5.2.6", "VAL service authorization");
        print.Step("5.2.6", 0, "the VAL client is granted use of the requested VAL service");
        if (!token.Claims.GetStrings("val_service_ids").Contains(cast.User.ServiceId))
            return new($"val_service_ids with {cast.User.ServiceId}", string.Join(", ", token.Claims.GetStrings("val_service_ids")));
        print.Held($"positive acknowledgement: {token.Claims.GetString("val_user_id")} may use {cast.User.ServiceId}");
        return null;
    }

    private async Task<TourStop?> ManageKeysAsync(TokenSet tokens, CancellationToken cancel)
    {
        print.Figure("5.3.1", "SEAL key management procedure");
        print.Step("5.3.1", 1, "SKM-C establishes a secure connection to the SKM-S");
        print.Facts(tunnel.Facts.Take(2));
        var skm = new SkmClient(tunnel.Http, new Uri(issuer + "/seal/km/v1/requests"), cast.SKmsUri, Leeway, clock);

        print.Step("5.3.1", 2, "SKM-C sends a SEAL KM Request");
        if (!tokens.Scope.Contains(KeyManagement))
            return new("a token scoped for key management", tokens.Scope.Text);
        var request = skm.NewRequest(cast.User.ServiceId, new(KmIdentityKind.User, cast.User.ValUserId));
        print.Facts(Describe(request));
        var answer = await skm.SendAsync(request, tokens.AccessToken, cancel);

        print.Step("5.3.1", 3, "SKM-S authorizes the request and sends a SEAL KM Response");
        if (answer is not SkmAnswer.KeyMaterial { Response: var response })
            return new("a SEAL KM Response with a payload", Describe(answer));
        print.Facts(
            ("userUri", response.UserUri!), ("sKmsUri", response.SKmsUri), ("serviceId", response.ServiceId!), ("sKmsId", response.SKmsId ?? "(none)"),
            ("userId", response.Identity!.Value.Value), ("dateTime", print.Time(response.DateTime)), ("payload", string.Create(CultureInfo.InvariantCulture, $"{response.Payload!.Length} characters of key material (not shown)")));
        if (response.Payload != cast.User.Payload)
            return new("the payload that demo.json names for this record", "another");
        print.Held("serviceId and identity echoed, dateTime fresh, payload as provisioned and no errorCode");

        print.Note("Two requests that must be refused:");
        var foreign = skm.NewRequest(cast.Other.ServiceId, new(KmIdentityKind.User, cast.Other.ValUserId));
        return await RefusedAsync(skm, foreign, tokens.AccessToken, KmErrorCode.NotValidated, 403, $"the record of {cast.Other.ValUserId}", cancel)
            ?? await RefusedAsync(skm, request, tokens.AccessToken, KmErrorCode.NotValidated, 403, "the same request once more (replay)", cancel);
    }

    private async Task<(TourStop? Stop, TokenSet? Renewed)> RefreshAsync(TokenSet tokens, SimClient simC, CancellationToken cancel)
    {
        print.Figure("A.5", "Refreshing an access token");
        print.Step("A.5", 0, "SIM-C uses the refresh token");
        if (tokens.RefreshToken is null)
            return (new("a refresh token", "none"), null);
        if (!(await simC.RefreshAsync(tokens, null, cancel)).Succeeded(out var renewed, out var failure))
            return (StopOf("an access token response", failure), null);
        if (renewed.AccessToken.Equals(tokens.AccessToken))
            return (new("a new access token", "the old one"), null);
        print.Token("access token", renewed.AccessToken);
        print.Held("a new access token without a new login");

        print.Figure("A.8", "Token revocation");
        print.Step("A.8", 0, "the old access token is revoked, and refused everywhere");
        if (await simC.RevokeAsync(tokens.AccessToken, cancel) is { } unrevoked)
            return (StopOf("HTTP 200 from the revocation endpoint", unrevoked), null);
        if (!(await DiscoverAsync(cast.ValServer, cancel)).Succeeded(out var valServer, out failure))
            return (StopOf("OpenID provider metadata for the VAL server", failure), null);
        if (!(await valServer.IntrospectAsync(tokens.AccessToken, cancel)).Succeeded(out var answer, out failure))
            return (StopOf("an introspection response", failure), null);
        if (answer.Active)
            return (new("active: false from introspection of a revoked token", "active: true"), null);
        print.Held("introspection: not active");
        var skm = new SkmClient(tunnel.Http, new Uri(issuer + "/seal/km/v1/requests"), cast.SKmsUri, Leeway, clock);
        var request = skm.NewRequest(cast.User.ServiceId, new(KmIdentityKind.User, cast.User.ValUserId));
        return await RefusedAsync(skm, request, tokens.AccessToken, KmErrorCode.Rejected, 401, "a KM request with the revoked token", cancel) is { } accepted ? (accepted, null) : (null, renewed);
    }

    private async Task<TourStop?> RefusedAsync(
        SkmClient skm, KmRequest request, TokenText token, KmErrorCode code, int status, string what, CancellationToken cancel)
    {
        var answer = await skm.SendAsync(request, token, cancel);
        var expected = string.Create(CultureInfo.InvariantCulture, $"errorCode {(int)code:X2} under HTTP {status}");
        if (answer is not SkmAnswer.Refused refused || refused.Code != code || refused.Status != status)
            return new($"{expected} for {what}", Describe(answer));
        print.Held($"{what}: refused, {expected}");
        return null;
    }

    private Task<ClientResult<SimClient>> DiscoverAsync(DemoCast.Party party, CancellationToken cancel) => SimClient.DiscoverAsync(
        tunnel.Http,
        new SimClientOptions
        {
            Issuer = issuer,
            ClientId = party.ClientId,
            Credential = ClientCredential.OfSecret(party.Secret),
            RedirectUri = party.RedirectUri,
            Leeway = Leeway,
        },
        clock,
        cancel);

    private IEnumerable<(string, string)> Describe(KmRequest request) =>
    [
        ("version", KmRequest.CurrentVersion), ("sKmsUri", request.SKmsUri), ("serviceId", request.ServiceId),
        ("userId", request.Identity.Value), ("dateTime", print.Time(request.DateTime)), ("requestId", request.RequestId),
    ];

    private static string Describe(SkmAnswer answer) => answer switch
    {
        SkmAnswer.KeyMaterial => "key material",
        SkmAnswer.Refused refused => string.Create(CultureInfo.InvariantCulture, $"errorCode {(int)refused.Code:X2} under HTTP {refused.Status}"),
        SkmAnswer.Later later => string.Create(CultureInfo.InvariantCulture, $"HTTP {later.Status}, and no SEAL KM Response"),
        SkmAnswer.Untrusted untrusted => untrusted.Failure.Found + ", where " + untrusted.Failure.Expected + " is due",
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>The tour's expectation with the client's finding.</summary>
    internal static TourStop StopOf(string expected, ClientFailure failure) => failure is BadAnswer bad
        ? new(expected == bad.Expected ? expected : $"{expected} ({bad.Expected})", bad.Found)
        : new(expected, failure.Describe());
}
