using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Keyreeve.Client;
using Keyreeve.Engines.Tls;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Samples;

/// <summary>
/// The group management server as a SKM-C: a token of its own by its certificate, and with it key material of groups. The token is bound to the
/// certificate (RFC 8705), so both are had from the listener that asks for it.
/// </summary>
internal sealed class GroupKeys : IDisposable
{
    private const string ClientId = "group-server";

    private readonly HttpClient _http;
    private readonly string _issuer;

    public GroupKeys(string issuer, string ca, string certificate, string key)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(ca);
        _http = new HttpClient(TlsProfile.CreateHandler(roots, X509Certificate2.CreateFromPemFile(certificate, key)));
        _issuer = issuer;
    }

    /// <summary>What became of a request for a record, in words; the key material is not shown.</summary>
    public async Task<string> FetchAsync(string service, KmIdentity identity, CancellationToken cancel)
    {
        using var metadata = JsonDocument.Parse(await _http.GetStringAsync(new Uri(_issuer + "/.well-known/openid-configuration"), cancel));
        var endpoint = new Uri(metadata.RootElement.GetProperty("mtls_endpoint_aliases").GetProperty("token_endpoint").GetString()!);
        if (await TokenAsync(endpoint, cancel) is not { } token)
            return "no token";
        var skm = new SkmClient(_http, new Uri(endpoint, "/seal/km/v1/requests"), _issuer + "/seal/km", TimeSpan.FromSeconds(5), TimeProvider.System);
        return await skm.SendAsync(skm.NewRequest(service, identity), token, cancel) switch
        {
            SkmAnswer.KeyMaterial material => $"{material.Response.Payload!.Length} characters, not shown",
            SkmAnswer.Refused refused => $"refused: {refused.Code} (HTTP {refused.Status})",
            SkmAnswer.Later later => $"not now: HTTP {later.Status}",
            SkmAnswer.Untrusted untrusted => $"not to be trusted: {untrusted.Failure.Describe()}",
            _ => throw new System.Diagnostics.UnreachableException(),
        };
    }

    public void Dispose() => _http.Dispose();

    private async Task<TokenText?> TokenAsync(Uri endpoint, CancellationToken cancel)
    {
        using var form = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", ClientId), new("scope", "seal:key_management")]);
        using var response = await _http.PostAsync(endpoint, form, cancel);
        if (!response.IsSuccessStatusCode)
            return null;
        using var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync(cancel));
        return new TokenText(answer.RootElement.GetProperty("access_token").GetString()!);
    }
}
