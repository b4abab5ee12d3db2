using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;

namespace Keyreeve.Slices.Tests.Admin;

/// <summary>The operator of a server that one test has for itself.</summary>
public sealed class AdminFixtureOf(TestServer server)
{
    private readonly HttpClient _http = server.NewClient("mtls", X509Certificate2.CreateFromPemFile(server.Folder.AdminPem, server.Folder.AdminKey));

    public Task<HttpResponseMessage> GetAsync(string path) => _http.GetAsync("/admin/v1" + path);

    public Task<HttpResponseMessage> PostAsync(string path) => _http.PostAsync("/admin/v1" + path, null);

    public Task<HttpResponseMessage> PostAsync(string path, string json) => _http.PostAsync("/admin/v1" + path, new StringContent(json, Encoding.UTF8, "application/json"));

    public Task<HttpResponseMessage> DeleteAsync(string path) => _http.DeleteAsync("/admin/v1" + path);

    /// <summary>Of each version of a key record: whether it is the one that is given out.</summary>
    public async Task<bool[]> ActiveAsync(string path)
    {
        var text = await (await GetAsync(path + "/versions")).Content.ReadAsStringAsync();
        return [.. JsonNode.Parse(text)!["items"]!.AsArray().Select(v => (bool)v!["active"]!)];
    }

    public Task<HttpResponseMessage> PutAsync(string path, string json, string etag)
    {
        var request = new HttpRequestMessage(HttpMethod.Put, "/admin/v1" + path) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        request.Headers.IfMatch.Add(EntityTagHeaderValue.Parse(etag));
        return _http.SendAsync(request);
    }
}
