using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

/// <summary>One server for the tests of a class; each test makes its own users and clients.</summary>
public sealed class AdminFixture : IAsyncLifetime
{
    public TestServer Server { get; private set; } = null!;

    public X509Certificate2 OperatorCertificate { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Server = await TestServer.StartAsync();
        OperatorCertificate = X509Certificate2.CreateFromPemFile(Server.Folder.AdminPem, Server.Folder.AdminKey);
        Http = Server.NewClient("mtls", OperatorCertificate);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        OperatorCertificate.Dispose();
        await Server.DisposeAsync();
    }

    public Task<Answer> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public Task<Answer> PostAsync(string path, string? json = null) => SendAsync(HttpMethod.Post, path, json);

    public Task<Answer> PutAsync(string path, string json, string? etag) => SendAsync(HttpMethod.Put, path, json, etag);

    public Task<Answer> DeleteAsync(string path, string? etag = null) => SendAsync(HttpMethod.Delete, path, null, etag);

    public async Task<Answer> SendAsync(HttpMethod method, string path, string? json = null, string? etag = null)
    {
        using var request = new HttpRequestMessage(method, "/admin/v1" + path);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        if (etag is not null)
            request.Headers.IfMatch.Add(EntityTagHeaderValue.Parse(etag));
        using var response = await Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return new(response.StatusCode, text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject(), response.Headers.ETag?.Tag, text);
    }

    /// <summary>A new user with a password; returns the subject.</summary>
    public async Task<string> AddUserAsync(string username)
    {
        var made = await PostAsync("/users", $$"""{"username":"{{username}}","password":"correct horse","valUserId":"sip:{{username}}@val.example","valServiceIds":["pump-control"]}""");
        Assert.Equal(HttpStatusCode.Created, made.Status);
        return (string)made.Body["subject"]!;
    }

    /// <summary>Everything the audit holds, as text.</summary>
    public async Task<string> AuditAsync()
    {
        var audit = Server.Server.Application.Services.GetService(typeof(Keyreeve.Core.Audit.IAuditStore)) as Keyreeve.Core.Audit.IAuditStore;
        var text = new StringBuilder();
        foreach (var (node, _, _) in await audit!.HeadsAsync(CancellationToken.None))
            foreach (var line in await audit.ReadAsync(node, 0, 100_000, CancellationToken.None))
                text.AppendLine(Encoding.UTF8.GetString(line.Json));
        return text.ToString();
    }
}

/// <summary>An answer of the admin API.</summary>
public sealed record Answer(HttpStatusCode Status, JsonObject Body, string? ETag, string Text)
{
    public string? Cause => (string?)Body["cause"];

    public string? Param => (string?)Body["invalidParams"]?[0]?["param"];

    public string Detail => (string)Body["detail"]!;
}
