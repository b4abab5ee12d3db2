using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Login;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.DataProtection;

namespace Keyreeve.OpenId;

/// <summary>An authorization request that a client pushed, out of its reference.</summary>
/// <param name="Parameters">Its parameters, client_id included, without the client's credentials.</param>
/// <param name="Mark">What is used up by its answer.</param>
/// <param name="ExpiresAt">Until when a browser may come with it, Unix milliseconds.</param>
public sealed record PushedRequest(ParameterList Parameters, byte[] Mark, long ExpiresAt);

/// <summary>
/// Pushed requests between their push and their answer. The reference is the request itself, sealed under keys that all nodes share:
/// nothing waits on the server, so that no client can fill it, and only what was answered is written down, until no ticket can be left of it.
/// </summary>
[Spec("RFC 9126", "2.2")]
public sealed class PushedRequests(IDataProtectionProvider protection, ICredentialStore marks, TimeProvider clock)
{
    /// <summary>What a reference begins with.</summary>
    public const string Prefix = "urn:ietf:params:oauth:request_uri:";

    /// <summary>Characters of the encoded parameters at most. Our choice: sealed and in a query they are half as long again, and still fit (OAuthLimits.MaxQuery).</summary>
    public const int MaxParameters = 8 * 1024;

    /// <summary>"how long the request_uri is valid": FAPI 2.0 asks for less than 600 s, 90 s is long enough to open a browser. Our choice.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromSeconds(90);

    // 256 random bits name the request; the seal keeps the rest from being guessed or made.
    private const int NameSize = 32;

    private readonly IDataProtector _protector = protection.CreateProtector("keyreeve.pushed-request.v1");

    /// <summary>The reference of a request that was checked.</summary>
    public string Seal(string clientId, string parameters)
    {
        var until = (clock.GetUtcNow() + Life).ToUnixTimeMilliseconds();
        var octets = JsonSerializer.SerializeToUtf8Bytes<object[]>([clientId, until, Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(NameSize)), parameters], Plain);
        return Prefix + Base64Url.EncodeToString(_protector.Protect(octets));
    }

    /// <summary>
    /// The request of a reference, for the client that pushed it and a browser that came in time (<paramref name="arrivedAt"/>, Unix milliseconds).
    /// "the request_uri MUST be bound to the client that posted the authorization request". One that was answered is refused.
    /// </summary>
    public async Task<Outcome<PushedRequest>> OpenAsync(string reference, string clientId, long arrivedAt, CancellationToken cancel)
    {
        if (Open(reference) is not { } opened || !string.Equals(opened.ClientId, clientId, StringComparison.Ordinal))
            return Refuse("the reference is not one of ours for this client");
        if (arrivedAt >= opened.Request.ExpiresAt)
            return Refuse("the reference has expired");
        return await marks.WasUsedAsync(opened.Request.Mark, cancel) ? Refuse("the request was answered before") : opened.Request;
    }

    /// <summary>True for the first answer to a request, on all nodes; a browser that only looks, or comes again before, uses nothing up.</summary>
    [Spec("RFC 9126", "4")]
    public Task<bool> AnswerAsync(PushedRequest request, CancellationToken cancel) =>
        marks.UseOnceAsync(request.Mark, request.ExpiresAt + (long)LoginTickets.Life.TotalMilliseconds, cancel);

    /// <summary>For a request that was answered a moment before.</summary>
    public static Refusal AnsweredBefore => Refuse("the request was answered before");

    private (string ClientId, PushedRequest Request)? Open(string reference)
    {
        // One spelling only, as with login tickets.
        if (reference.Length > OAuthLimits.MaxQuery || !Base64UrlStrict.TryDecode(reference.AsSpan(Prefix.Length), out var sealedOctets) || sealedOctets.Length == 0)
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
        return ParameterList.TryRead(Encoding.UTF8.GetBytes(values[3].GetString()!), out var parameters, out _)
            ? (values[0].GetString()!, new(parameters, SHA256.HashData(Encoding.UTF8.GetBytes("pushed " + values[2].GetString())), values[1].GetInt64()))
            : null;
    }

    // The person sees it; what exactly is wrong is for the operator.
    private static Refusal Refuse(string why) =>
        new(RefusalCode.InvalidParameter, "this sign-in has expired or was used before; please start again in the application", "request_uri: " + why) { Param = "request_uri" };

    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
