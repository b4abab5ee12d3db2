using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Telemetry;
using Keyreeve.Web.Limits;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Clients;

/// <summary>Finds and checks the client of a request to the token, introspection and revocation endpoints.</summary>
public sealed class ClientAuthenticator(SnapshotState state, ServerIdentity server, AssertionMemory assertions, RequestLimits limits, TimeProvider clock)
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
        var client = await state.FindClientAsync(presented.ClientId, context.RequestAborted);
        var outcome = await ClientAuthentication.DecideAsync(presented, client, server.Issuer, server.Issuer + "/token", assertions.FirstUseAsync, clock.GetUtcNow());
        if (!outcome.Succeeded(out var authenticated, out refusal))
        {
            limits.Failed(context, presented.ClientId);
            return refusal;
        }
        return limits.Take(context, presented.ClientId, authenticated.Method == ClientAuthMethod.None) is { } tooMany ? tooMany : authenticated;
    }
}

/// <summary>What the server calls itself: fixed by configuration, never taken from a request.</summary>
/// <param name="Issuer">https URL without trailing slash.</param>
/// <param name="MtlsBase">Base URL of the mtls listener, or null when it is off.</param>
public sealed record ServerIdentity(string Issuer, string? MtlsBase);
