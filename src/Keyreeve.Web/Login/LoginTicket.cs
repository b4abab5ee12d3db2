using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using Keyreeve.Web.Pages;
using Keyreeve.Wire.Jose;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login;

/// <summary>
/// What a browser carries from page to page while a request waits for its user: protected, so that it cannot be changed, bound to
/// this browser, and complete, so that the server keeps nothing for people who never come back.
/// </summary>
public sealed record LoginTicket
{
    /// <summary>Where the flow goes on: a local path of ours.</summary>
    public required string ResumePath { get; init; }

    /// <summary>The parameters of the waiting request, as it came; empty where the path says it all.</summary>
    public required string Parameters { get; init; }

    /// <summary>When it came, Unix milliseconds: only a login or consent after it satisfies prompt.</summary>
    public required long AskedAt { get; init; }

    /// <summary>Who asks, for the page.</summary>
    public required string ClientName { get; init; }

    /// <summary>Registered host of the redirect URI, for the page.</summary>
    public string? ClientHost { get; init; }

    /// <summary>Where the answer will go: the pages' form-action must allow it. Empty when it stays here.</summary>
    public required string RedirectUri { get; init; }

    /// <summary>Fills the login form.</summary>
    public string? LoginHint { get; init; }

    /// <summary>A fingerprint of what a page showed, and to whom; null before a page that asks for a decision.</summary>
    public string? Shown { get; init; }

    /// <summary>The fingerprint of what the user was shown and allowed for this very request; null until then.</summary>
    public string? Allowed { get; init; }

    /// <summary>The scopes that the user left ticked, separated by spaces; null when nothing was unticked.</summary>
    public string? Ticked { get; init; }

    /// <summary>The authentication class that is demanded, or null.</summary>
    public string? Acr { get; init; }

    /// <summary>The user signs in from the start, even with a session: prompt=login, max_age, a sensitive page.</summary>
    public bool Anew { get; init; }

    /// <summary>The language that the request asked for, or null.</summary>
    public string? Language { get; init; }

    /// <summary>A login that is half done, or null.</summary>
    public PendingLogin? Pending { get; init; }

    /// <summary>Where the browser goes when the login is done.</summary>
    public string ResumeAddress(string text) => Parameters.Length == 0 ? ResumePath : ResumePath + "?ticket=" + text;
}

/// <summary>A user who has shown some factors and must show more. Part of a ticket, so bound to its browser and request.</summary>
/// <param name="Id">Used up when the login is finished.</param>
/// <param name="Subject">Who.</param>
/// <param name="SecurityStamp">The stamp then: a change of credentials ends what is half done.</param>
/// <param name="Methods">The methods shown, in order, separated by spaces.</param>
/// <param name="At">Unix milliseconds.</param>
/// <param name="SessionId">The session that is to be raised; null when a new one is to begin.</param>
public sealed record PendingLogin(string Id, string Subject, string SecurityStamp, string Methods, long At, string? SessionId)
{
    /// <summary>How long a half-done login waits. Our choice.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromMinutes(10);
}

/// <summary>Protects tickets with the server's data-protection keys.</summary>
public sealed class LoginTickets(IDataProtectionProvider protection, TimeProvider clock)
{
    /// <summary>How long a person may take. Our choice.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromMinutes(30);

    /// <summary>Characters of a protected ticket at most: the parameters are bounded, this only spares the work on junk.</summary>
    private const int MaxLength = 24 * 1024;

    // The ticket is encrypted, never part of a page: the relaxed encoder keeps '&' and '+' of a query one character long.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly IDataProtector _protector = protection.CreateProtector("keyreeve.login-ticket.v3");

    /// <summary>The text for this browser.</summary>
    public string Protect(HttpContext context, LoginTicket ticket) => Protect(ticket, BrowserBinding.Ensure(context));

    /// <summary>
    /// The text for a browser that cannot show its cookie at this moment: a request posted from another site comes without cookies.
    /// Only <see cref="ReadUnbound"/> takes it, and only as a request that begins there.
    /// </summary>
    public string ProtectUnbound(LoginTicket ticket) => Protect(ticket, null);

    /// <summary>The ticket, or null when it is not ours, too old, or another browser's. The rest of the request speaks its language.</summary>
    public LoginTicket? Read(HttpContext context, string? text)
    {
        if (Open(text) is not ({ } ticket, { } browser) || !BrowserBinding.Holds(context, browser))
            return null;
        PageLanguage.Use(ticket.Language);
        return ticket;
    }

    /// <summary>The ticket of a request that was posted from another site, or null.</summary>
    public LoginTicket? ReadUnbound(string? text) => Open(text) is ({ } ticket, null) ? ticket : null;

    private string Protect(LoginTicket ticket, string? browser)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            json.WriteStartArray();
            json.WriteStringValue(browser);
            json.WriteStringValue(ticket.ResumePath);
            json.WriteStringValue(ticket.Parameters);
            json.WriteNumberValue(ticket.AskedAt);
            json.WriteStringValue(ticket.ClientName);
            json.WriteStringValue(ticket.ClientHost);
            json.WriteStringValue(ticket.RedirectUri);
            json.WriteStringValue(ticket.LoginHint);
            json.WriteStringValue(ticket.Shown);
            json.WriteStringValue(ticket.Allowed);
            json.WriteStringValue(ticket.Ticked);
            json.WriteStringValue(ticket.Acr);
            json.WriteBooleanValue(ticket.Anew);
            json.WriteStringValue(ticket.Language);
            if (ticket.Pending is { } pending)
            {
                json.WriteStringValue(pending.Id);
                json.WriteStringValue(pending.Subject);
                json.WriteStringValue(pending.SecurityStamp);
                json.WriteStringValue(pending.Methods);
                json.WriteNumberValue(pending.At);
                json.WriteStringValue(pending.SessionId);
            }
            json.WriteEndArray();
        }
        return Base64Url.EncodeToString(_protector.Protect(buffer.WrittenSpan.ToArray()));
    }

    private (LoginTicket? Ticket, string? Browser) Open(string? text)
    {
        // One spelling only: the framework's decoder skips white space, and the text goes back into a Location header.
        if (text is null || text.Length is 0 or > MaxLength || !Base64UrlStrict.TryDecode(text, out var sealedOctets))
            return default;
        byte[] octets;
        try
        {
            octets = _protector.Unprotect(sealedOctets);
        }
        catch (CryptographicException)
        {
            return default;
        }
        using var document = JsonDocument.Parse(octets);
        var values = document.RootElement;
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        var askedAt = values[3].GetInt64();
        if (now - askedAt > (long)Life.TotalMilliseconds)
            return default;
        var ticket = new LoginTicket
        {
            ResumePath = values[1].GetString()!,
            Parameters = values[2].GetString()!,
            AskedAt = askedAt,
            ClientName = values[4].GetString()!,
            ClientHost = values[5].GetString(),
            RedirectUri = values[6].GetString()!,
            LoginHint = values[7].GetString(),
            Shown = values[8].GetString(),
            Allowed = values[9].GetString(),
            Ticked = values[10].GetString(),
            Acr = values[11].GetString(),
            Anew = values[12].GetBoolean(),
            Language = values[13].GetString(),
            // A half-done login that waited too long is none: the page begins again.
            Pending = values.GetArrayLength() > 14 && now - values[18].GetInt64() <= (long)PendingLogin.Life.TotalMilliseconds
                ? new(values[14].GetString()!, values[15].GetString()!, values[16].GetString()!, values[17].GetString()!, values[18].GetInt64(), values[19].GetString())
                : null,
        };
        return (ticket, values[0].GetString());
    }
}
