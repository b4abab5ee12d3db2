using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Engines.Tls;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Server.Tour;

/// <summary>An answer, read to its end.</summary>
internal sealed record TourAnswer(int Status, JsonNode? Body, string? Location, string? ETag)
{
    /// <summary>A member of the object that the body is, as text; or null.</summary>
    internal string? Text(string member) => Body is JsonObject json && json[member] is JsonValue value ? value.ToString() : null;

    /// <summary>The error in words, for the last line.</summary>
    internal string Describe() => string.Create(CultureInfo.InvariantCulture, $"HTTP {Status} {Text("error") ?? Text("cause") ?? Text("detail") ?? ""}").TrimEnd();
}

/// <summary>Requests whose answers are JSON, of parties for which there is no library: VAL servers, and operators by their certificate.</summary>
internal sealed class TourHttp : IDisposable
{
    private const int MaxAnswer = 512 * 1024; // our choice, in octets

    private readonly HttpClient _http;

    internal TourHttp(X509Certificate2Collection roots, X509Certificate2? certificate = null) =>
        _http = new HttpClient(TlsProfile.CreateHandler(roots, certificate)) { Timeout = TimeSpan.FromSeconds(30), MaxResponseContentBufferSize = MaxAnswer };

    /// <summary>A form, as a client that authenticates by its secret.</summary>
    internal Task<TourAnswer> PostFormAsync(string address, DemoCast.Party party, IEnumerable<KeyValuePair<string, string>> form, CancellationToken cancel) =>
        SendAsync(HttpMethod.Post, address, BasicCredentials.Write(party.ClientId, party.Credential.Reveal()), new FormUrlEncodedContent(form), null, cancel);

    /// <summary>JSON, or nothing, with a bearer token or (of an operator) none.</summary>
    internal Task<TourAnswer> SendAsync(HttpMethod method, string address, string? token, JsonNode? json, string? ifMatch, CancellationToken cancel) => SendAsync(
        method, address, token is null ? null : "Bearer " + token, json is null ? null : new StringContent(json.ToJsonString(), Encoding.UTF8, "application/json"), ifMatch, cancel);

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private async Task<TourAnswer> SendAsync(HttpMethod method, string address, string? authorization, HttpContent? content, string? ifMatch, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, address) { Content = content };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        if (ifMatch is not null)
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        using var response = await _http.SendAsync(request, cancel);
        var text = await response.Content.ReadAsStringAsync(cancel);
        var isJson = response.Content.Headers.ContentType?.MediaType is "application/json" or "application/problem+json";
        return new((int)response.StatusCode, isJson && text.Length > 0 ? JsonNode.Parse(text) : null, response.Headers.Location?.OriginalString, response.Headers.ETag?.ToString());
    }
}
