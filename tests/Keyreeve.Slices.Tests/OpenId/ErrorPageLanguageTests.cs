using System.Net;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Error pages that people meet are in the language of the page around them.</summary>
public sealed class ErrorPageLanguageTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    [Theory]
    [InlineData("/authorize?client_id=nobody", "Die Anwendung ist hier nicht bekannt.", "The application is not known here.")]
    [InlineData("/authorize?client_id=seal-client&redirect_uri=https://other.example/", "Die Rücksprungadresse ist für diese Anwendung nicht registriert.", "The address to return to is not registered for this application.")]
    [InlineData("/authorize", "Client_id fehlt", "Client_id is missing")]
    [InlineData("/authorize?client_id=a&client_id=b", "Client_id wurde mehr als einmal gesendet", "Client_id was sent more than once")]
    [InlineData("/authorize?client_id=seal-client&request_uri=urn:ietf:params:oauth:request_uri:x", "Diese Anmeldung ist abgelaufen oder wurde schon verwendet.", "This sign-in has expired or was used before.")]
    [InlineData("/authorize/resume?ticket=x", "Diese Anmeldung ist abgelaufen.", "This sign-in has expired.")]
    [InlineData("/consent?ticket=x", "Diese Anmeldung ist abgelaufen.", "This sign-in has expired.")]
    public async Task An_error_page_says_why_in_the_language_of_the_browser(string address, string german, string english)
    {
        foreach (var (language, text) in ((string, string)[])[("de", german), ("en", english)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address) { Headers = { { "Accept-Language", language } } };
            using var answer = await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            var page = WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
            Assert.Contains($"<html lang=\"{language}\">", page, StringComparison.Ordinal);
            Assert.Contains(text, page, StringComparison.Ordinal);
        }
    }
}
