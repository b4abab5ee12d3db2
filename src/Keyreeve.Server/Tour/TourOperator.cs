using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Tour;

/// <summary>An operator of one system: the admin API, by the operator's certificate.</summary>
internal sealed class TourOperator : IDisposable
{
    private readonly TourHttp _http;
    private readonly string _base;

    internal TourOperator(TourStage stage, X509Certificate2Collection roots)
    {
        _http = new TourHttp(roots, X509Certificate2.CreateFromPemFile(stage.AdminPem, stage.AdminKey));
        _base = stage.Operators.GetLeftPart(UriPartial.Authority) + "/admin/v1/";
    }

    /// <summary>Asks for a change; null when it was made.</summary>
    internal async Task<TourStop?> DoAsync(HttpMethod method, string path, JsonObject? json, CancellationToken cancel)
    {
        var answer = await _http.SendAsync(method, _base + path, null, json, null, cancel);
        return answer.Status is >= 200 and < 300 ? null : Stop($"{method} {path}", answer);
    }

    /// <summary>Makes something for which the server makes a secret, and gives that.</summary>
    internal async Task<(TourStop? Stop, string Secret)> MakeAsync(string path, JsonObject json, string secretMember, CancellationToken cancel)
    {
        var answer = await _http.SendAsync(HttpMethod.Post, _base + path, null, json, null, cancel);
        return answer.Status == 201 && answer.Text(secretMember) is { } secret ? (null, secret) : (Stop("POST " + path, answer), "");
    }

    /// <summary>Reads, changes and writes back; null when it was changed.</summary>
    internal async Task<TourStop?> ChangeAsync(string path, Action<JsonObject> change, CancellationToken cancel)
    {
        var before = await _http.SendAsync(HttpMethod.Get, _base + path, null, null, null, cancel);
        if (before.Status != 200 || before.Body is not JsonObject json)
            return Stop("GET " + path, before);
        change(json);
        var after = await _http.SendAsync(HttpMethod.Put, _base + path, null, json, before.ETag, cancel);
        return after.Status == 200 ? null : Stop("PUT " + path, after);
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private static TourStop Stop(string what, TourAnswer answer) => new($"the operator's {what} done", answer.Describe());
}
