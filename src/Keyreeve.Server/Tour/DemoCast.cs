using System.Text.Json;
using Keyreeve.Client;

namespace Keyreeve.Server.Tour;

/// <summary>Who plays: picked from <c>demo.json</c>.</summary>
internal sealed record DemoCast
{
    /// <summary>One user with a key record of their own.</summary>
    internal sealed record Person(string UserName, string Password, string ValUserId, string ServiceId, string Payload);

    /// <summary>A client that authenticates by its secret.</summary>
    internal sealed record Party(string ClientId, TokenText Credential, string RedirectUri, string Scopes, bool Refreshes, string? Audience)
    {
        /// <summary>For the library.</summary>
        internal ClientSecretText Secret => new(Credential.Reveal());
    }

    /// <summary>Who signs in.</summary>
    public required Person User { get; init; }

    /// <summary>Somebody else, whose key record is not to be had.</summary>
    public required Person Other { get; init; }

    /// <summary>The SIM-C.</summary>
    public required Party SimC { get; init; }

    /// <summary>The VAL server, which asks the SIM-S about tokens.</summary>
    public required Party ValServer { get; init; }

    /// <summary>The SKM-S as it names itself.</summary>
    public required string SKmsUri { get; init; }

    /// <summary>Reads the file; the failure names the member that is missing.</summary>
    internal static DemoCast? Read(string path, out TourStop? stop)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            stop = null;
            return Read(document.RootElement);
        }
        catch (Exception broken) when (broken is JsonException or IOException or KeyNotFoundException or InvalidOperationException or UnauthorizedAccessException)
        {
            // Our own file on our own disk: its exception says best what to mend, and no peer sees it.
            stop = new("a demo.json as the contract describes it", broken.Message);
            return null;
        }
    }

    private static DemoCast Read(JsonElement root)
    {
        var people = new List<Person>();
        foreach (var user in root.GetProperty("users").EnumerateArray())
        {
            var valUserId = Text(user, "valUserId");
            foreach (var record in root.GetProperty("keyRecords").EnumerateArray())
            {
                if (TextOrNull(record, "userId") != valUserId)
                    continue;
                people.Add(new(Text(user, "username"), Text(user, "password"), valUserId, Text(record, "serviceId"), Text(record, "payload")));
                break;
            }
        }
        if (people.Count < 2)
            throw new KeyNotFoundException("demo.json has no two users with a key record each");
        var clients = root.GetProperty("clients").EnumerateArray().ToArray();
        return new DemoCast
        {
            User = people[0],
            Other = people[1],
            SimC = PartyOf(clients, "no client of profile seal with authorization_code and a secret",
                client => TextOrNull(client, "profile") == "seal" && Has(client, "authorization_code")),
            ValServer = PartyOf(clients, "no client with client_credentials and a secret", client => Has(client, "client_credentials")),
            SKmsUri = Text(root, "skmsUri"),
        };
    }

    private static Party PartyOf(JsonElement[] clients, string missing, Func<JsonElement, bool> fits)
    {
        foreach (var client in clients)
        {
            if (!fits(client) || TextOrNull(client, "clientSecret") is not { } secret)
                continue;
            var redirect = client.TryGetProperty("redirectUris", out var uris) && uris.GetArrayLength() > 0 ? uris[0].GetString() : null;
            return new(Text(client, "clientId"), new TokenText(secret), redirect ?? "", TextOrNull(client, "scopes") ?? "",
                Has(client, "refresh_token"), TextOrNull(client, "audience"));
        }
        throw new KeyNotFoundException("demo.json has " + missing);
    }

    private static bool Has(JsonElement client, string grant) =>
        client.TryGetProperty("grants", out var grants) && grants.EnumerateArray().Any(g => g.ValueEquals(grant));

    private static string Text(JsonElement element, string name) =>
        TextOrNull(element, name) ?? throw new KeyNotFoundException($"demo.json lacks {name}");

    private static string? TextOrNull(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text : null;
}
