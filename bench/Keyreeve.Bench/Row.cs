using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Keyreeve.Bench;

/// <summary>One line of the table: what is asked of us, what of the limit, and the part of the limit that we promise.</summary>
/// <param name="Name">As printed.</param>
/// <param name="LimitPath">The limit's endpoint for the same question.</param>
/// <param name="Budget">CPU per request of the limit / ours, at least (docs/architecture.md, time budgets).</param>
/// <param name="Expected">Stands in every right answer.</param>
/// <param name="AskAsync">The question; made anew for each round, because tokens end.</param>
internal sealed record Row(string Name, string LimitPath, double Budget, string Expected, Func<Demo, Task<Question>> AskAsync)
{
    /// <summary>All rows, in the order of the architecture's budgets.</summary>
    public static IReadOnlyList<Row> All { get; } =
    [
        new("client_credentials, ES256", "/sign", 0.6, "\"access_token\"", demo =>
            Task.FromResult(new Question("/token", Question.Form, demo.Basic("machine-client"), "grant_type=client_credentials&scope=val%3Afleet-tracking"))),
        new("introspection, cached token", "/constant", 0.5, "\"active\":true", async demo =>
            new Question("/introspect", Question.Form, demo.Basic("val-server"), "token=" + await demo.TokenAsync("val-server", "val:pump-control"))),
        new("KM request", "/constant", 0.4, "\"payload\"", async demo =>
            new Question("/seal/km/v1/requests", "application/json", "Bearer " + await demo.TokenAsync("val-server", "seal:key_management"),
                $$"""{"version":"1.0.0","sKmsUri":"{{demo.SKmsUri}}","serviceId":"pump-control","userId":"sip:alice@val.example","dateTime":%TIME%,"requestId":"%ID%"}""")),
    ];
}

/// <summary>The demo world of the server under test.</summary>
internal sealed class Demo(MeasuredProcess server)
{
    private readonly JsonElement _json = JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(Path.Combine(server.Folder, "demo.json")));

    /// <summary>Where KM requests are for.</summary>
    public string SKmsUri => _json.GetProperty("skmsUri").GetString()!;

    /// <summary>The Authorization header of a client.</summary>
    public string Basic(string clientId)
    {
        var client = _json.GetProperty("clients").EnumerateArray().First(c => c.GetProperty("clientId").GetString() == clientId);
        return "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{clientId}:{client.GetProperty("clientSecret").GetString()}")));
    }

    /// <summary>A new access token in the client's own name.</summary>
    public async Task<string> TokenAsync(string clientId, string scope)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/token")
        {
            Content = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("scope", scope)]),
        };
        request.Headers.TryAddWithoutValidation("Authorization", Basic(clientId));
        using var response = await server.Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode)
            throw new BenchException($"no token for {clientId}: {text}");
        return JsonSerializer.Deserialize<JsonElement>(text).GetProperty("access_token").GetString()!;
    }
}
