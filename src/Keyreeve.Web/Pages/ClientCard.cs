using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Snapshots;
using Keyreeve.Web.Clients;
using Keyreeve.Web.Login;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Web.Pages;

/// <summary>What a client says of itself beyond its name. All of it is the client's own claim.</summary>
/// <param name="Description">A sentence, or null.</param>
/// <param name="LogoPath">Its logo on this server, or null.</param>
/// <param name="Links">Label and https address of its pages.</param>
[Spec("TS 33.434", "A.3")]
public sealed record ClientCard(string? Description, string? LogoPath, IReadOnlyList<(string Label, string Address)> Links)
{
    /// <summary>Says nothing.</summary>
    public static ClientCard None { get; } = new(null, null, []);

    /// <summary>The card of a client, in the language of the page.</summary>
    public static ClientCard Of(HttpContext context, Client client) => new(
        client.Description,
        context.RequestServices.GetService<ClientLogos>()?.PathOf(client.Pages.Logo),
        // Registration took only https; a row that holds something else makes no link.
        [.. new[] { (PageText.Website, client.Pages.Website), (PageText.PrivacyPolicy, client.Pages.Policy), (PageText.TermsOfService, client.Pages.Terms) }
            .Where(link => link.Item2?.StartsWith("https://", StringComparison.Ordinal) == true).Select(link => (link.Item1, link.Item2!))]);

    /// <summary>The card of the client whose request waits in a ticket; nothing for a page of our own.</summary>
    public static async Task<ClientCard> OfAsync(HttpContext context, LoginTicket ticket) =>
        ParameterList.TryRead(Encoding.UTF8.GetBytes(ticket.Parameters), out var asked, out _) && asked.TrySingle("client_id", out var clientId) && clientId is not null
        && await context.RequestServices.GetRequiredService<SnapshotState>().FindClientAsync(clientId, context.RequestAborted) is { } client
            ? Of(context, client)
            : None;
}
