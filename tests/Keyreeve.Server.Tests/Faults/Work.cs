using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Keyreeve.Engines.Tls;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// One peer of the server under fire. It writes down what was acknowledged to it and which one request it had under way; after the
/// restart it says whether the server still knows.
/// </summary>
internal abstract class Work
{
    /// <summary>What its requests are called where the moment of the kill is chosen.</summary>
    public abstract string Kind { get; }

    /// <summary>By the audit's name of each thing that it changes: how many lines of changes it must have.</summary>
    public virtual IReadOnlyDictionary<string, int> ExpectedLines => new Dictionary<string, int>();

    /// <summary>Steps that the server answered.</summary>
    public int Acknowledged { get; private set; }

    /// <summary>Once in each life of the server, before it is under fire.</summary>
    public abstract Task PrepareAsync(Peer peer);

    /// <summary>One request after the other, until the server is gone; <paramref name="sent"/> is called as each begins.</summary>
    public abstract Task StepAsync(Peer peer, Action sent);

    /// <summary>After a restart: nothing acknowledged is lost, nothing used works twice. Fails the test otherwise.</summary>
    public abstract Task CheckAsync(Peer peer);

    /// <summary>Steps until something fails after the kill; before it nothing may.</summary>
    public async Task RunAsync(Peer peer, KillMoment moment, Func<bool> killed)
    {
        try
        {
            while (!killed())
            {
                await StepAsync(peer, () => moment.Sent(Kind));
                Acknowledged++;
            }
        }
        catch (Exception) when (killed())
        {
            // The server, or its database, died under the request; what became of that one is asked afterwards.
        }
    }
}

/// <summary>Connections to one life of a server: the surfaces of clients, and the admin API with the operator's certificate.</summary>
internal sealed class Peer : IDisposable
{
    private readonly HttpClient _admin;
    private readonly X509Certificate2 _certificate;

    public Peer(TempFolder folder)
    {
        Folder = folder;
        Client = new ProgramClient(folder);
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(folder.File("ca.pem"));
        _certificate = X509Certificate2.CreateFromPemFile(folder.File("admin.pem"), folder.File("admin.key"));
        var port = ((string)folder.Listeners["listeners"]!["mtls"]!).Split(':')[^1];
        _admin = new HttpClient(TlsProfile.CreateHandler(roots, _certificate)) { BaseAddress = new Uri("https://localhost:" + port), Timeout = TimeSpan.FromSeconds(60) };
    }

    public TempFolder Folder { get; }

    public ProgramClient Client { get; }

    /// <summary>One admin request: status, document, ETag.</summary>
    public async Task<(int Status, JsonObject Body, string? ETag)> AdminAsync(HttpMethod method, string path, JsonObject? body = null, string? etag = null)
    {
        using var response = await AnswerAdminAsync(method, path, body, etag);
        var text = await response.Content.ReadAsStringAsync();
        return ((int)response.StatusCode, text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject(), response.Headers.ETag?.Tag);
    }

    /// <summary>The whole answer.</summary>
    public async Task<HttpResponseMessage> AnswerAdminAsync(HttpMethod method, string path, JsonObject? body = null, string? etag = null)
    {
        using var request = new HttpRequestMessage(method, path.StartsWith("/admin/", StringComparison.Ordinal) ? path : "/admin/v1" + path);
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), null, "application/json");
        if (etag is not null)
            request.Headers.IfMatch.Add(EntityTagHeaderValue.Parse(etag));
        return await _admin.SendAsync(request);
    }

    public void Dispose()
    {
        Client.Dispose();
        _admin.Dispose();
        _certificate.Dispose();
    }
}
