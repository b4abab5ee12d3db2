using System.Collections.Concurrent;
using Keyreeve.Testing;
using Microsoft.Playwright;
using Xunit;

namespace Keyreeve.Interop.Web;

/// <summary>
/// A person with a fresh browser profile at the site of a client. Everything the browser complains about, and every host it talks
/// to, is written down; <see cref="AssertNothingOdd"/> holds it against what is allowed.
/// </summary>
public sealed class Visitor : IAsyncDisposable
{
    /// <summary>How long the slowest machine may take for a step. Nothing waits that long when it works.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly InteropWorld _world;
    private readonly IBrowserContext _context;
    private readonly ConcurrentQueue<string> _complaints = new();
    private readonly ConcurrentQueue<string> _pages = new();

    private Visitor(InteropWorld world, IBrowserContext context, IPage page, CallbackSite site, string clientId)
    {
        (_world, _context, Page, Site) = (world, context, page, site);
        Flow = new SealFlow(world.Server, clientId) { RedirectUri = site.RedirectUri };
        Flow.Parameters["redirect_uri"] = site.RedirectUri;
        if (clientId != "seal-client")
            Flow.Parameters["scope"] = "openid val:pump-control";
    }

    public IPage Page { get; }

    public CallbackSite Site { get; }

    /// <summary>The requests of the client that sends the person.</summary>
    public SealFlow Flow { get; }

    /// <summary>A status of ours that this visit is about; everything else from 400 up is a fault.</summary>
    public int? ExpectedStatus { get; set; }

    /// <summary>Paths of our pages that were shown, redirects not counted.</summary>
    public IReadOnlyList<string> Pages => [.. _pages];

    public static async Task<Visitor> ComeAsync(InteropWorld world, string clientId = "seal-client", int width = 1280, int height = 800, bool scripts = true, string locale = "en-US")
    {
        var browser = await world.Chromium.BrowserOrSkipAsync(world.Server);
        var context = await browser.NewContextAsync(new() { ViewportSize = new() { Width = width, Height = height }, JavaScriptEnabled = scripts, Locale = locale });
        context.SetDefaultTimeout((float)Patience.TotalMilliseconds);
        var visitor = new Visitor(world, context, await context.NewPageAsync(), await CallbackSite.StartAsync(), clientId);
        visitor.Watch();
        return visitor;
    }

    /// <summary>
    /// The client sends the person to us. An answer by form_post leaves its page by itself, perhaps before all of it was loaded: there
    /// the first octet is enough.
    /// </summary>
    public Task GoAsync() => Page.GotoAsync(_world.Server.Issuer + Flow.AuthorizeAddress,
        new() { WaitUntil = Flow.Parameters.GetValueOrDefault("response_mode") == "form_post" ? WaitUntilState.Commit : WaitUntilState.Load });

    /// <summary>
    /// The person is back at the client. The site knows before the browser has shown its page; whoever goes on then would cut that page
    /// off, and the browser would complain.
    /// </summary>
    public async Task<Callback> ArriveAsync()
    {
        var callback = await Site.NextAsync();
        // Looked at again and again: a navigation that commits between a look and the waiting for the next one would never come again.
        for (var deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds; !Page.Url.StartsWith(Site.RedirectUri, StringComparison.Ordinal) && Environment.TickCount64 < deadline;)
            await Task.Delay(20);
        Assert.StartsWith(Site.RedirectUri, Page.Url, StringComparison.Ordinal);
        // Asked of the page itself: an event that came just before somebody waited for it would never come again.
        await Page.WaitForFunctionAsync("() => document.readyState === 'complete'");
        return callback;
    }

    /// <summary>Gives the browser an authenticator with resident keys and user verification, or one whose user never answers yes.</summary>
    public async Task PretendAuthenticatorAsync(bool answers = true)
    {
        var devTools = await _context.NewCDPSessionAsync(Page);
        await devTools.SendAsync("WebAuthn.enable", new() { ["enableUI"] = false });
        await devTools.SendAsync("WebAuthn.addVirtualAuthenticator", new()
        {
            ["options"] = new Dictionary<string, object>
            {
                ["protocol"] = "ctap2",
                ["transport"] = "internal",
                ["hasResidentKey"] = true,
                ["hasUserVerification"] = true,
                ["isUserVerified"] = answers,
                ["automaticPresenceSimulation"] = true,
            },
        });
    }

    public async Task SignInAsync(string username, string? password = null)
    {
        await Page.GetByLabel("User name").FillAsync(username);
        await Page.GetByLabel("Password").FillAsync(password ?? PasswordOf(username));
        await Press("Sign in");
    }

    public string PasswordOf(string username) => (string)_world.Server.User(username)["password"]!;

    public Task Press(string button) => Page.GetByRole(AriaRole.Button, new() { Name = button, Exact = true }).ClickAsync();

    /// <summary>Waits until so many of our pages were shown: after a press the old page may still answer for a moment.</summary>
    public async Task SeePagesAsync(int count)
    {
        for (var deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds; _pages.Count < count && Environment.TickCount64 < deadline;)
            await Task.Delay(20);
        await Page.WaitForLoadStateAsync();
        Assert.Equal(count, _pages.Count);
    }

    /// <summary>True when something stands beyond the right edge.</summary>
    public Task<bool> ScrollsSidewaysAsync() => Page.EvaluateAsync<bool>("() => document.documentElement.scrollWidth > document.documentElement.clientWidth");

    /// <summary>No complaint, no foreign host, and a policy on every page.</summary>
    public void AssertNothingOdd() => Assert.Empty(_complaints);

    public async ValueTask DisposeAsync()
    {
        await _context.DisposeAsync();
        await Site.DisposeAsync();
    }

    private void Watch()
    {
        var ours = new Uri(_world.Server.Issuer).Authority;
        string[] allowed = [ours, new Uri(Site.RedirectUri).Authority];
        Page.Console += (_, message) =>
        {
            // The browser repeats a document's status on its console; the status itself is checked below.
            if (message.Type is "error" or "warning" && !(ExpectedStatus is { } status && message.Text.Contains($"status of {status}", StringComparison.Ordinal)))
                _complaints.Enqueue($"console {message.Type}: {message.Text}");
        };
        Page.PageError += (_, error) => _complaints.Enqueue("script error: " + error);
        Page.Dialog += async (_, dialog) =>
        {
            _complaints.Enqueue("dialog: " + dialog.Message);
            await dialog.DismissAsync();
        };
        Page.Request += (_, request) =>
        {
            if (!allowed.Contains(new Uri(request.Url).Authority))
                _complaints.Enqueue("foreign request: " + request.Url);
        };
        Page.RequestFailed += (_, request) =>
        {
            // A page that is left takes its unfinished pictures with it.
            if (request.Failure != "net::ERR_ABORTED" || request.ResourceType == "document")
                _complaints.Enqueue($"failed request: {request.Url} {request.Failure}");
        };
        Page.Response += (_, response) =>
        {
            if (response.Status >= 400 && response.Status != ExpectedStatus)
                _complaints.Enqueue($"status {response.Status}: {response.Url}");
            if (response.Request.ResourceType != "document" || response.Status is >= 300 and < 400 || new Uri(response.Url).Authority != ours)
                return;
            _pages.Enqueue(new Uri(response.Url).AbsolutePath);
            var policy = response.Headers.GetValueOrDefault("content-security-policy") ?? "";
            if (!policy.Contains("default-src 'none'", StringComparison.Ordinal) || !policy.Contains("frame-ancestors 'none'", StringComparison.Ordinal))
                _complaints.Enqueue($"no policy: {response.Url} \"{policy}\"");
        };
    }
}
