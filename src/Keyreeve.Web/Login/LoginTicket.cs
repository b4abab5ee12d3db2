using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using Keyreeve.Wire.Jose;
using Microsoft.AspNetCore.DataProtection;

namespace Keyreeve.Web.Login;

/// <summary>
/// What a browser carries from page to page while a request waits for its user: protected, so that it cannot be changed, and
/// complete, so that the server keeps nothing for people who never come back.
/// </summary>
public sealed record LoginTicket
{
    /// <summary>Where the flow goes on: a local path of ours, with the ticket appended as its query.</summary>
    public required string ResumePath { get; init; }

    /// <summary>The parameters of the waiting request, as it came.</summary>
    public required string Parameters { get; init; }

    /// <summary>When it came, Unix milliseconds: only a login or consent after it satisfies prompt.</summary>
    public required long AskedAt { get; init; }

    /// <summary>Who asks, for the page.</summary>
    public required string ClientName { get; init; }

    /// <summary>Registered host of the redirect URI, for the page.</summary>
    public string? ClientHost { get; init; }

    /// <summary>Where the answer will go: the pages' form-action must allow it.</summary>
    public required string RedirectUri { get; init; }

    /// <summary>Fills the login form.</summary>
    public string? LoginHint { get; init; }

    /// <summary>A fingerprint of what a page showed, and to whom; null before a page that asks for a decision.</summary>
    public string? Shown { get; init; }

    /// <summary>The fingerprint of what the user allowed for this very request; null until then.</summary>
    public string? Allowed { get; init; }
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

    private readonly IDataProtector _protector = protection.CreateProtector("keyreeve.login-ticket.v2");

    /// <summary>The text for the browser.</summary>
    public string Protect(LoginTicket ticket)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            json.WriteStartArray();
            json.WriteStringValue(ticket.ResumePath);
            json.WriteStringValue(ticket.Parameters);
            json.WriteNumberValue(ticket.AskedAt);
            json.WriteStringValue(ticket.ClientName);
            json.WriteStringValue(ticket.ClientHost);
            json.WriteStringValue(ticket.RedirectUri);
            json.WriteStringValue(ticket.LoginHint);
            json.WriteStringValue(ticket.Shown);
            json.WriteStringValue(ticket.Allowed);
            json.WriteEndArray();
        }
        return Base64Url.EncodeToString(_protector.Protect(buffer.WrittenSpan.ToArray()));
    }

    /// <summary>The ticket, or null when it is not ours or too old.</summary>
    public LoginTicket? Read(string? text)
    {
        // One spelling only: the framework's decoder skips white space, and the text goes back into a Location header.
        if (text is null || text.Length is 0 or > MaxLength || !Base64UrlStrict.TryDecode(text, out var sealedOctets))
            return null;
        byte[] octets;
        try
        {
            octets = _protector.Unprotect(sealedOctets);
        }
        catch (CryptographicException)
        {
            return null;
        }
        using var document = JsonDocument.Parse(octets);
        var values = document.RootElement;
        var askedAt = values[2].GetInt64();
        if (clock.GetUtcNow().ToUnixTimeMilliseconds() - askedAt > (long)Life.TotalMilliseconds)
            return null;
        return new LoginTicket
        {
            ResumePath = values[0].GetString()!,
            Parameters = values[1].GetString()!,
            AskedAt = askedAt,
            ClientName = values[3].GetString()!,
            ClientHost = values[4].GetString(),
            RedirectUri = values[5].GetString()!,
            LoginHint = values[6].GetString(),
            Shown = values[7].GetString(),
            Allowed = values[8].GetString(),
        };
    }
}
