using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Interop.Peers;
using Keyreeve.Interop.Web;
using Keyreeve.Server.Hosting;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Keyreeve.Interop;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>One server, one browser and one installed npm package for all tests of this project.</summary>
public sealed class InteropWorld : IAsyncLifetime
{
    public TestServer Server { get; private set; } = null!;

    public OpenIdClientPackage OpenIdClient { get; } = new();

    public Chromium Chromium { get; } = new();

    /// <summary>The web server where clients keep their logos; the server fetches them there.</summary>
    public ScriptedPeer Logos { get; } = new();

    public async ValueTask InitializeAsync()
    {
        var anchors = Path.GetTempFileName();
        await File.WriteAllTextAsync(anchors, Logos.Certificate.ExportCertificatePem());
        Server = await TestServer.StartAsync("Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "Outbound:TrustAnchors=" + anchors);
        File.Delete(anchors);
    }

    public async ValueTask DisposeAsync()
    {
        await Chromium.DisposeAsync();
        await Server.DisposeAsync();
        await Logos.DisposeAsync();
    }

    /// <summary>Registers a client like one of the demo's, changed; returns it with a secret that is known here alone.</summary>
    public async Task<(Client Client, string Secret)> RegisterLikeAsync(string model, string clientId, Func<Client, Client> change, string? secret = null)
    {
        var parts = Server.Server.Application.Services.GetRequiredService<ServerParts>();
        var directory = parts.Stores.Directory;
        var now = parts.Clock.GetUtcNow();
        secret ??= Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        var client = change((await directory.FindClientAsync(model, CancellationToken.None))! with { ClientId = clientId, Secrets = [ClientSecret.Of(secret, now)], Version = 0 });
        var entry = new AuditEntry { Kind = "client.saved", Outcome = AuditOutcome.Changed, At = now.ToUnixTimeMilliseconds(), Actor = "system", Subject = clientId };
        var saved = await directory.SaveClientAsync(client, create: true, null, entry, CancellationToken.None);
        Assert.True(saved.Succeeded(out var row, out var refusal), refusal?.Operator);
        await parts.State.RefreshAsync(CancellationToken.None);
        return (row, secret);
    }

    /// <summary>Adds a user of the test's own; returns name and password.</summary>
    public async Task<(string Name, string Password)> AddUserAsync()
    {
        var parts = Server.Server.Application.Services.GetRequiredService<ServerParts>();
        using var scope = Server.Server.Application.Services.CreateScope();
        var hasher = scope.ServiceProvider.GetRequiredService<Microsoft.AspNetCore.Identity.IPasswordHasher<Keyreeve.Web.Login.Account>>();
        var (name, password) = ("user-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6)), "password of a test");
        var user = new User { Subject = User.NewSubject(), Username = name, SecurityStamp = "1", ValUserId = $"sip:{name}@val.example", ValServiceIds = ["pump-control"] };
        user = user with { PasswordHash = hasher.HashPassword(new(user), password) };
        var entry = new AuditEntry { Kind = "user.saved", Outcome = AuditOutcome.Changed, At = parts.Clock.GetUtcNow().ToUnixTimeMilliseconds(), Actor = "system", Subject = user.Subject };
        Assert.True((await parts.Stores.Directory.SaveUserAsync(user, create: true, null, entry, CancellationToken.None)).Succeeded(out _, out var refusal), refusal?.Operator);
        return (name, password);
    }

    /// <summary>What an authenticator app with a secret shows, some steps away from now.</summary>
    public string CodeOf(byte[] secret, int away = 0) => Keyreeve.Core.Login.Totp.Code(secret, Keyreeve.Core.Login.Totp.StepOf(Server.Time.GetUtcNow()) + away);

    /// <summary>A JWK as the peer printed it, as a key set of ours.</summary>
    public static JsonWebKeySet KeySetOf(JsonNode jwk)
    {
        var text = new JsonObject { ["keys"] = new JsonArray(jwk.DeepClone()) }.ToJsonString();
        Assert.True(JsonWebKeySet.TryRead(Encoding.UTF8.GetBytes(text), out var set, out var error), error.ToString());
        return set;
    }
}

/// <summary>Binds the tests of this project to the one world; they run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class SharedWorld : ICollectionFixture<InteropWorld>
{
    public const string Name = "interop";
}
