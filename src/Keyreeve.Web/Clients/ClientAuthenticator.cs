using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Telemetry;
using Keyreeve.Web.Http;
using Keyreeve.Web.Limits;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Clients;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>Finds and checks the client of a request to the token, introspection and revocation endpoints.</summary>
public sealed class ClientAuthenticator(
    SnapshotState state, ServerIdentity server, AssertionMemory assertions, RemoteKeys remoteKeys, Func<ClientTrust> trust, RequestLimits limits, TimeProvider clock)
{
    /// <summary>The authenticated client, within its rate. Reads the cache; writes nothing but a used assertion.</summary>
    public async ValueTask<Outcome<AuthenticatedClient>> AuthenticateAsync(HttpRequest request, ParameterList form)
    {
        using var span = Spans.Start(Spans.AuthenticateClient);
        var header = request.Headers.Authorization;
        if (header.Count > 1)
            return Refusal.Of(RefusalCode.Malformed, "more than one Authorization header was sent");
        if (!PresentedCredential.Read(header.Count == 0 ? null : header[0], form).Succeeded(out var presented, out var refusal))
            return refusal;
        // Before the client is looked up: who has to wait learns nothing of whether it exists.
        var context = request.HttpContext;
        if (limits.EnterAs(context, presented.ClientId) is { } wait)
            return wait;
        // Looked at before the client is known, for the same reason.
        if (ConnectionCertificate.Of(context) is { } shown)
            presented = presented.With(shown, presented.Method == ClientAuthMethod.None ? trust().Check(shown, clock.GetUtcNow()) : null);
        var client = await state.FindClientAsync(presented.ClientId, context.RequestAborted);
        if (client is { KeysUri: not null, Disabled: false })
            client = await WithRemoteKeysAsync(client, presented, context.RequestAborted);
        var outcome = await ClientAuthentication.DecideAsync(presented, client, server.Issuer, server.Issuer + "/token", assertions.FirstUseAsync, clock.GetUtcNow());
        if (!outcome.Succeeded(out var authenticated, out refusal))
        {
            limits.Failed(context, presented.ClientId);
            return refusal;
        }
        return limits.Take(context, presented.ClientId, authenticated.Method == ClientAuthMethod.None) is { } tooMany ? tooMany : authenticated;
    }

    /// <summary>Only for a proof that needs them: nobody makes the server fetch by naming a client.</summary>
    private async ValueTask<Client> WithRemoteKeysAsync(Client client, PresentedCredential presented, CancellationToken cancel)
    {
        if (presented is { Method: ClientAuthMethod.PrivateKeyJwt, Assertion.Header.Kid: var kid } && client.AuthMethods.Contains(ClientAuthMethod.PrivateKeyJwt))
            return client with { Keys = await remoteKeys.FindAsync(client, set => RemoteKeys.Names(set, kid), cancel) };
        if (presented is { Method: ClientAuthMethod.None, Certificate: { } shown } && client.CertificateMethod == ClientAuthMethod.SelfSignedTls)
            return client with { Keys = await remoteKeys.FindAsync(client, shown.IsIn, cancel) };
        return client;
    }
}

/// <summary>What the server calls itself: fixed by configuration, never taken from a request.</summary>
/// <param name="Issuer">https URL without trailing slash.</param>
/// <param name="MtlsBase">Base URL of the mtls listener, or null when it is off.</param>
public sealed record ServerIdentity(string Issuer, string? MtlsBase);
