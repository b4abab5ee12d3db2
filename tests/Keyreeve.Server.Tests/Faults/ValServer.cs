using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>The demo's VAL server as it speaks for itself: tokens of its own, and the APIs that take them.</summary>
internal static class ValServer
{
    public const string Id = "val-server";

    /// <summary>The VAL service that it owns.</summary>
    public const string Service = "pump-control";

    /// <summary>A token of its own.</summary>
    public static async Task<string> TokenAsync(Peer peer, string scope)
    {
        var secret = (string)peer.Folder.Demo["clients"]!.AsArray().Single(c => (string)c!["clientId"]! == Id)!["clientSecret"]!;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/token") { Content = new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["scope"] = scope }) };
        request.Headers.Authorization = AuthenticationHeaderValue.Parse(BasicCredentials.Write(Id, secret));
        using var response = await peer.Client.Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return (string)JsonNode.Parse(text)!["access_token"]!;
    }

    /// <summary>One request to an API.</summary>
    public static async Task<ValAnswer> SendAsync(Peer peer, HttpMethod method, string path, string token, JsonObject? body = null, string? etag = null)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new("Bearer", token);
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), null, "application/json");
        if (etag is not null)
            request.Headers.IfMatch.Add(EntityTagHeaderValue.Parse(etag));
        using var response = await peer.Client.Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return new((int)response.StatusCode, text.Length == 0 ? null : JsonNode.Parse(text), response.Headers.ETag?.Tag, response.Headers.Location?.AbsolutePath);
    }
}

/// <summary>What an API answered.</summary>
/// <param name="Status">HTTP.</param>
/// <param name="Body">The document, or null.</param>
/// <param name="ETag">As it stands in the header, or null.</param>
/// <param name="Path">Of Location, or null.</param>
internal sealed record ValAnswer(int Status, JsonNode? Body, string? ETag, string? Path)
{
    /// <summary>This one, which must have a status.</summary>
    public ValAnswer Is(params int[] statuses)
    {
        Assert.True(statuses.Contains(Status), $"{Status}: {Body?.ToJsonString()}");
        return this;
    }
}
