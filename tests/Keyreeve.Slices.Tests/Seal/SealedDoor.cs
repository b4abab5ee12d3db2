using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Slices.Tests.Admin;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>A server for one test, on a folder that outlives it: its operator, and both doors to key material.</summary>
public sealed class SealedDoor : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("keyreeve-test-").FullName;
    private HttpClient _operator = null!;
    private int _restarts;

    public KmDoor Door { get; private set; } = null!;

    public TestServer Server => Door.Server;

    public static async Task<SealedDoor> StartAsync(params string[] settings)
    {
        var made = new SealedDoor();
        await made.OpenAsync(settings);
        return made;
    }

    /// <summary>Stops the server and starts another one on its folder; ten seconds after the one before, no request can be one that it accepted.</summary>
    public async Task RestartAsync(params string[] settings)
    {
        await Door.DisposeAsync();
        await OpenAsync(settings);
        Server.Time.Advance(TimeSpan.FromSeconds(10 * ++_restarts));
    }

    public string File(string name) => Path.Combine(_folder, name);

    public async Task<Answer> SendAsync(HttpMethod method, string path, JsonObject? body = null)
    {
        using var request = new HttpRequestMessage(method, "/admin/v1" + path);
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await _operator.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return new(response.StatusCode, text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject(), null, text);
    }

    public Task<Answer> PostAsync(string path, JsonObject? body = null) => SendAsync(HttpMethod.Post, "/seal" + path, body);

    public async Task<Answer> DoneAsync(string path, JsonObject? body = null)
    {
        var answer = await PostAsync(path, body);
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Text);
        return answer;
    }

    public async Task<JsonObject> StatusAsync() => (await SendAsync(HttpMethod.Get, "/seal")).Body;

    /// <summary>Nothing is left to be wrapped anew, and former roots and keys are gone.</summary>
    public Task WrappedAsync() => Server.WaitForAsync(async () => await StatusAsync() is var s && (string)s["rewrap"]!["state"]! == "idle"
        && (long)s["serviceKeys"]!["left"]! == 0 && s["rotating"]!.AsArray().Count == 0 && s["roots"]!.AsArray().Count == 1);

    /// <summary>Alice's own record, as the demo made it.</summary>
    public async Task IsGrantedAsync() => (await Door.AskAsync(Door.Request(), Door.AliceToken)).Granted(Door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));

    public async Task<(HttpStatusCode Status, JsonObject Body)> RetrieveAsync(string query)
    {
        using var client = Server.NewClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/ss-kir/v1/key-records?" + query) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", Door.ValServerToken) } };
        using var response = await client.SendAsync(request);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!.AsObject());
    }

    public async Task<(HttpStatusCode Status, string Text)> ReadyAsync()
    {
        using var client = Server.NewClient("health");
        using var response = await client.GetAsync("/readyz");
        return (response.StatusCode, (await response.Content.ReadAsStringAsync()).Trim());
    }

    public async ValueTask DisposeAsync()
    {
        _operator.Dispose();
        await Door.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task OpenAsync(string[] settings)
    {
        Door = await KmDoor.OfAsync(await TestServer.StartAsync(Path.Combine(_folder, "data"), keep: true, settings));
        _operator = Server.NewClient("mtls", X509Certificate2.CreateFromPemFile(Server.Folder.AdminPem, Server.Folder.AdminKey));
    }
}
