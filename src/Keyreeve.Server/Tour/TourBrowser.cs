using System.Net;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Client;
using Keyreeve.Engines.Tls;

namespace Keyreeve.Server.Tour;

/// <summary>Where the browser stands.</summary>
internal abstract record BrowserPlace
{
    /// <summary>A page of the server.</summary>
    internal sealed record Page(Uri Address, int Status, string Html) : BrowserPlace;

    /// <summary>Sent to the client's redirect URI, which is not fetched.</summary>
    internal sealed record Arrived(string Callback) : BrowserPlace;

    /// <summary>Somewhere it must not go.</summary>
    internal sealed record Lost(string Why) : BrowserPlace;
}

/// <summary>
/// A user's browser in little: a cookie jar of its own, forms filled in, redirects followed by hand on the one server it was
/// sent to and nowhere else.
/// </summary>
internal sealed class TourBrowser : IDisposable
{
    private const int MaxRedirects = 12; // our choice: sign-in, consent and back need four
    private const int MaxPage = 512 * 1024; // our choice, in characters

    private readonly HttpClient _http;
    private readonly Uri _home;
    private readonly string _redirectUri;

    internal TourBrowser(X509Certificate2Collection roots, Uri home, string redirectUri)
    {
        var handler = TlsProfile.CreateHandler(roots);
        handler.UseCookies = true;
        handler.CookieContainer = new CookieContainer();
        _http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(30), MaxResponseContentBufferSize = MaxPage };
        (_home, _redirectUri) = (home, redirectUri);
    }

    /// <summary>Opens an address.</summary>
    internal Task<BrowserPlace> OpenAsync(Uri address, CancellationToken cancel) => GoAsync(HttpMethod.Get, address, null, cancel);

    /// <summary>Sends a filled form.</summary>
    internal Task<BrowserPlace> SubmitAsync(BrowserPlace.Page page, HtmlForm form, IReadOnlyList<KeyValuePair<string, string>> entries, CancellationToken cancel) =>
        form.Method != "post"
            ? Task.FromResult<BrowserPlace>(new BrowserPlace.Lost("the form is not sent by POST: what was typed would stand in the address"))
            : GoAsync(HttpMethod.Post, form.Action.Length == 0 ? page.Address : new Uri(page.Address, form.Action), entries, cancel);

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private async Task<BrowserPlace> GoAsync(HttpMethod method, Uri address, IReadOnlyList<KeyValuePair<string, string>>? form, CancellationToken cancel)
    {
        for (var hops = 0; hops < MaxRedirects; hops++)
        {
            if (!IsHome(address))
                return new BrowserPlace.Lost("sent to another server: " + Printable.Of(address.GetLeftPart(UriPartial.Authority), 120));
            using var request = new HttpRequestMessage(method, address);
            request.Headers.TryAddWithoutValidation("Accept", "text/html");
            if (form is not null)
            {
                request.Content = new FormUrlEncodedContent(form);
                request.Headers.TryAddWithoutValidation("Origin", _home.GetLeftPart(UriPartial.Authority));
            }
            using var response = await _http.SendAsync(request, cancel);
            var status = (int)response.StatusCode;
            if (status is < 300 or > 399)
                return new BrowserPlace.Page(address, status, await response.Content.ReadAsStringAsync(cancel));
            if (status is not (302 or 303) || !response.Headers.TryGetValues("Location", out var locations) || locations.First() is not { Length: > 0 } location)
                return new BrowserPlace.Lost($"HTTP {status} instead of 302 or 303 with a Location");
            // Compared as text before anything parses it: this is the address the client would be called with.
            if (location.StartsWith(_redirectUri, StringComparison.Ordinal) && (location.Length == _redirectUri.Length || location[_redirectUri.Length] is '?' or '&' or '#'))
                return new BrowserPlace.Arrived(location);
            if (!Uri.TryCreate(address, location, out var next))
                return new BrowserPlace.Lost("a Location that is no address");
            (method, address, form) = (HttpMethod.Get, next, null);
        }
        return new BrowserPlace.Lost($"more than {MaxRedirects} redirects");
    }

    private bool IsHome(Uri address) =>
        address.Scheme == _home.Scheme && string.Equals(address.Host, _home.Host, StringComparison.OrdinalIgnoreCase) && address.Port == _home.Port;
}
