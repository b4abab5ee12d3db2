using System.CommandLine;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Keyreeve.Engines.Tls;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Cli;

/// <summary>How the command line finds the server and proves that it may.</summary>
internal sealed class AdminConnectionOptions
{
    private readonly Option<string> _data = new("--data") { Description = "the data folder of the server", DefaultValueFactory = _ => "./data", Recursive = true };
    private readonly Option<string?> _server = new("--server") { Description = "URL of listener mtls, as https://host:9448; then --ca, --cert and --key too", Recursive = true };
    private readonly Option<string?> _ca = new("--ca") { Description = "PEM of the CA to trust", Recursive = true };
    private readonly Option<string?> _cert = new("--cert") { Description = "PEM of the operator certificate", Recursive = true };
    private readonly Option<string?> _key = new("--key") { Description = "PEM of its key", Recursive = true };

    /// <summary>The data folder, for commands that need no server.</summary>
    public Option<string> Data => _data;

    public IEnumerable<Option> All => [_data, _server, _ca, _cert, _key];

    /// <summary>Opens nothing yet: the first request does.</summary>
    public AdminServer Open(ParseResult parse)
    {
        if (parse.GetValue(_server) is not { } url)
        {
            if (new[] { _ca, _cert, _key }.FirstOrDefault(o => parse.GetValue(o) is not null) is { } lonely)
                throw AdminFailure.Usage($"{lonely.Name} goes with --server");
            return OfFolder(parse.GetValue(_data)!);
        }
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme != "https" || address.AbsolutePath != "/")
            throw AdminFailure.Usage($"--server {url}: write https://host:port of listener mtls");
        return new AdminServer(address, Required(_ca), Required(_cert), Required(_key), $"is it running, and is {address.Authority} its listener mtls?");

        string Required(Option<string?> option) => parse.GetValue(option) ?? throw AdminFailure.Usage($"--server needs {option.Name} FILE");
    }

    private static AdminServer OfFolder(string data)
    {
        var start = $"start the server: keyreeve serve --data {data}" + (File.Exists(Path.Combine(data, "demo.folder")) ? " --demo" : "");
        if (!Directory.Exists(data))
            throw AdminFailure.Usage($"there is no data folder {data}; give --data DIR, or {start}");
        var folder = DataFolder.Existing(data);
        if (!File.Exists(folder.Listeners))
            throw AdminFailure.Refused($"{folder.Root} has no listeners.json: the server never ran here; {start}");
        IPEndPoint? endPoint;
        try
        {
            var listeners = JsonNode.Parse(File.ReadAllText(folder.Listeners))?["listeners"];
            if (listeners?["mtls"] is null)
                throw AdminFailure.Refused("the server runs without listener mtls, and the admin API lives there; set Listeners:mtls:Address and start it again");
            if (!IPEndPoint.TryParse((string)listeners["mtls"]!, out endPoint))
                throw new JsonException();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw AdminFailure.Refused($"{folder.Listeners} is not readable; {start}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AdminFailure.Usage($"{folder.Listeners}: {e.Message}");
        }
        // "localhost" stands in every server certificate.
        var local = IPAddress.IsLoopback(endPoint.Address) || endPoint.Address.Equals(IPAddress.Any) || endPoint.Address.Equals(IPAddress.IPv6Any);
        return new AdminServer(new Uri($"https://{(local ? "localhost" : new IPEndPoint(endPoint.Address, 0).ToString()[..^2])}:{endPoint.Port}"), folder.CaPem, folder.AdminPem, folder.AdminKey, start);
    }
}

/// <summary>The admin API as the command line speaks it.</summary>
internal sealed class AdminServer : IDisposable
{
    private readonly X509Certificate2 _certificate;
    private readonly HttpClient _http;
    private readonly string _cure;

    public AdminServer(Uri address, string ca, string cert, string key, string cure)
    {
        _cure = cure;
        var roots = new X509Certificate2Collection();
        Read("CA", ca, () => roots.ImportFromPemFile(ca));
        if (roots.Count == 0)
            throw AdminFailure.Usage($"{ca} holds no certificate in PEM");
        X509Certificate2? certificate = null;
        Read("operator certificate or its key", $"{cert}, {key}", () => certificate = X509Certificate2.CreateFromPemFile(cert, key));
        _certificate = certificate!;
        _http = new HttpClient(TlsProfile.CreateHandler(roots, _certificate))
        {
            BaseAddress = new Uri(address, Admin.AdminRoutes.Base + "/"),
            Timeout = TimeSpan.FromSeconds(30),
            MaxResponseContentBufferSize = 64 * 1024 * 1024, // our choice: a page of 1,000 clients with key sets
        };
    }

    /// <summary>Whom it speaks to.</summary>
    public string Authority => _http.BaseAddress!.Authority;

    /// <summary>GET; the document with its ETag.</summary>
    public Task<AdminReply> GetAsync(string path) => SendAsync(HttpMethod.Get, path, null, null, null);

    /// <summary>Every item of a list, page by page.</summary>
    public async Task<JsonArray> ListAsync(string path)
    {
        var items = new JsonArray();
        string? next = null;
        do
        {
            var separator = path.Contains('?', StringComparison.Ordinal) ? '&' : '?';
            var page = (await GetAsync($"{path}{separator}limit=1000{(next is null ? "" : "&after=" + Uri.EscapeDataString(next))}")).Document;
            foreach (var item in page["items"]!.AsArray())
                items.Add(item!.DeepClone());
            next = (string?)page["next"];
        }
        while (next is not null);
        return items;
    }

    /// <summary>Sends a change. <paramref name="flags"/> translate a member's name into the flag that set it.</summary>
    public Task<AdminReply> SendAsync(HttpMethod method, string path, JsonNode? body, string? etag, IReadOnlyDictionary<string, string>? flags) =>
        SendOrExplainAsync(method, path, body is null ? null : new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"), etag, flags);

    /// <summary>Sends lines of JSON.</summary>
    public async Task<JsonObject> SendLinesAsync(string path, ReadOnlyMemory<byte> lines)
    {
        var content = new ReadOnlyMemoryContent(lines);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/x-ndjson");
        return (await SendOrExplainAsync(HttpMethod.Post, path, content, null, null)).Document;
    }

    /// <summary>GET of a body of any length, written as it comes.</summary>
    public async Task CopyAsync(string path, Stream output, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        try
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
            if (!response.IsSuccessStatusCode)
                throw AdminFailure.Refused(Explain(response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(cancel)) as JsonObject ?? [], null));
            await response.Content.CopyToAsync(output, cancel);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
        {
            throw AdminFailure.Refused($"{_http.BaseAddress!.Authority}: {e.Message}; {_cure}");
        }
        catch (TaskCanceledException)
        {
            throw AdminFailure.Refused($"{_http.BaseAddress!.Authority} did not answer within 30 s, or the command was ended");
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _certificate.Dispose();
    }

    private async Task<AdminReply> SendOrExplainAsync(HttpMethod method, string path, HttpContent? content, string? etag, IReadOnlyDictionary<string, string>? flags)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        if (etag is not null)
            request.Headers.IfMatch.Add(EntityTagHeaderValue.Parse(etag));
        try
        {
            using var response = await _http.SendAsync(request);
            var text = await response.Content.ReadAsStringAsync();
            var document = text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject();
            return response.IsSuccessStatusCode
                ? new AdminReply(document, response.Headers.ETag?.Tag)
                : throw AdminFailure.Refused(Explain(response.StatusCode, document, flags));
        }
        catch (HttpRequestException e)
        {
            var why = e.HttpRequestError switch
            {
                HttpRequestError.ConnectionError => $"no server answers at {_http.BaseAddress!.Authority}",
                HttpRequestError.SecureConnectionError => $"{_http.BaseAddress!.Authority} does not prove that it is this server (another CA?)",
                _ => $"{_http.BaseAddress!.Authority}: {e.Message}",
            };
            throw AdminFailure.Refused($"{why}; {_cure}");
        }
        catch (TaskCanceledException)
        {
            throw AdminFailure.Refused($"{_http.BaseAddress!.Authority} did not answer within 30 s");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw AdminFailure.Refused($"{_http.BaseAddress!.Authority} answered with something that is no admin API: {_cure}");
        }
    }

    private static string Explain(HttpStatusCode status, JsonObject problem, IReadOnlyDictionary<string, string>? flags)
    {
        var detail = (string?)problem["detail"] ?? status.ToString();
        if (status == HttpStatusCode.Unauthorized)
            return detail + ": this certificate is not registered, has expired, or is not an operator's";
        var param = (string?)problem["invalidParams"]?[0]?["param"];
        return param is not null && flags is not null && flags.TryGetValue(param, out var flag) ? $"{flag}: {detail}" : detail;
    }

    private static void Read(string what, string file, Action read)
    {
        try
        {
            read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw AdminFailure.Usage($"the {what} cannot be read ({file}): {e.Message}");
        }
    }
}

/// <summary>What the server answered.</summary>
internal sealed record AdminReply(JsonObject Document, string? ETag);
