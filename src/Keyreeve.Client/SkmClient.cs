using System.Buffers;
using System.Buffers.Text;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Client;

/// <summary>What became of a SEAL KM Request.</summary>
public abstract record SkmAnswer
{
    private SkmAnswer()
    {
    }

    /// <summary>The key material, in a response that answers our request.</summary>
    /// <param name="Response">With payload; it does not print it.</param>
    public sealed record KeyMaterial(KmResponse Response) : SkmAnswer;

    /// <summary>The SKM-S refused by a code of table 5.3.3-2, under the status that belongs to it.</summary>
    /// <param name="Code">01 to 04.</param>
    /// <param name="Status">HTTP status.</param>
    /// <param name="Response">Without payload.</param>
    public sealed record Refused(KmErrorCode Code, int Status, KmResponse Response) : SkmAnswer
    {
        /// <summary>How long to wait before the next request (429, 503), when the server says; to be bounded by whoever waits.</summary>
        public TimeSpan? After { get; init; }
    }

    /// <summary>
    /// The server, or something before it, has no time or no store: ask again later, with a new request. Nobody vouches for who said so, so it says
    /// nothing about the key material.
    /// </summary>
    /// <param name="Status">429 or 5xx.</param>
    /// <param name="After">How long to wait, when the server says; to be bounded by whoever waits.</param>
    public sealed record Later(int Status, TimeSpan? After) : SkmAnswer;

    /// <summary>Not an answer to our request; nothing in it is used.</summary>
    /// <param name="Failure">What was expected and what came.</param>
    public sealed record Untrusted(BadAnswer Failure) : SkmAnswer;
}

/// <summary>
/// A SKM-C (TS 33.434 clause 5.3): asks a SKM-S for key material and believes only an answer to its own question.
/// </summary>
[Spec("TS 33.434", "5.3.1")]
public sealed class SkmClient
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly HttpClient _http;
    private readonly Uri _endpoint;
    private readonly string _sKmsUri;
    private readonly TimeSpan _window;
    private readonly TimeProvider _clock;

    /// <summary>A client of one SKM-S.</summary>
    /// <param name="http">Made by the caller with pinned roots (<c>TlsProfile.CreateHandler</c>); it follows no redirect.</param>
    /// <param name="endpoint"><c>.../seal/km/v1/requests</c>, https.</param>
    /// <param name="sKmsUri">The SKM-S as it names itself; compared byte for byte in every response.</param>
    /// <param name="window">How far the response's Date/Time may be from now, 1 to 30 s ("e.g. 5 seconds").</param>
    /// <param name="clock">The time.</param>
    /// <exception cref="ArgumentException">The endpoint is not https, or the window out of range.</exception>
    public SkmClient(HttpClient http, Uri endpoint, string sKmsUri, TimeSpan window, TimeProvider clock)
    {
        if (endpoint.Scheme != Uri.UriSchemeHttps)
            throw new ArgumentException("The SKM-S is reached by https alone (TS 33.434 5.1.1.4).", nameof(endpoint));
        if (window < TimeSpan.FromSeconds(1) || window > TimeSpan.FromSeconds(30))
            throw new ArgumentException("The window is 1 to 30 seconds.", nameof(window));
        (_http, _endpoint, _sKmsUri, _window, _clock) = (http, endpoint, sKmsUri, window, clock);
    }

    /// <summary>Signs every request (detached JWS over its body, RFC 7797), as a client does that is registered so; null signs none. It stays the caller's to dispose.</summary>
    /// <exception cref="ArgumentException">It signs with a shared secret, which the SKM-S does not take.</exception>
    [Spec("TS 33.434", "5.3.2")]
    public IJwsSigner? RequestSigner
    {
        get;
        init => field = value is { Algorithm: JwsAlgorithm.HS256 } ? throw new ArgumentException("Requests are signed with a key pair.", nameof(value)) : value;
    }

    /// <summary>
    /// Opens the key material of a client whose registration has it encrypted; then nothing else is believed to be key material. Null takes it as
    /// it comes. It stays the caller's to dispose.
    /// </summary>
    [Spec("TS 33.434", "5.1.1.4")]
    public JweKey? PayloadKey { get; init; }

    /// <summary>A request for the record of a service, or of one identity beside it, dated now and with a fresh requestId.</summary>
    /// <exception cref="ArgumentException">A text is empty, too long, or has control characters.</exception>
    public KmRequest NewRequest(string serviceId, KmIdentity identity) =>
        KmRequest.TryCreate(_sKmsUri, serviceId, identity, _clock.GetUtcNow().ToUnixTimeSeconds(),
            Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16)), out var request, out var error)
            ? request
            : throw new ArgumentException($"{error.Param} {error.Reason}", nameof(serviceId));

    /// <summary>Sends a request "with each and every" an access token, and reads the answer.</summary>
    public async Task<SkmAnswer> SendAsync(KmRequest request, TokenText accessToken, CancellationToken cancel)
    {
        var body = new ArrayBufferWriter<byte>(512);
        request.Write(body);
        using var message = new HttpRequestMessage(HttpMethod.Post, _endpoint) { Content = new ByteArrayContent(body.WrittenMemory.ToArray()) };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", accessToken.Reveal());
        if (RequestSigner is not null)
            message.Headers.Add(KmRequest.SignatureHeader, DetachedJws.Write(body.WrittenSpan, RequestSigner));
        var answer = await AnswerBody.SendAsync(_http, message, KmResponse.MaxLength, cancel);
        // A failure outside the message itself comes as a problem document or as a proxy's page.
        if (answer.Octets is null || !string.Equals(answer.MediaType, "application/json", StringComparison.OrdinalIgnoreCase)
            || !KmResponse.TryRead(answer.Octets, out var response, out _))
            return answer.Status is 429 or >= 500 and <= 599 ? new SkmAnswer.Later(answer.Status, answer.RetryAfter) : Untrusted("a SEAL KM Response", answer.Described);
        return Decide(request, response, answer);
    }

    /// <summary>Measures a response by its request.</summary>
    private SkmAnswer Decide(KmRequest request, KmResponse response, AnswerBody answer)
    {
        var status = answer.Status;
        var succeeded = response.ErrorCode is null;
        if (!string.Equals(response.SKmsUri, request.SKmsUri, StringComparison.Ordinal))
            return Untrusted("the sKmsUri asked", "another");
        // "If this field is present in the ... Request ... shall be present in the ... Response message and shall be the same value."
        // A refusal may come before the request was read (a bad token): then it names nothing, but never something else.
        if ((succeeded || response.ServiceId is not null)
            && (!string.Equals(response.ServiceId, request.ServiceId, StringComparison.Ordinal) || response.Identity != request.Identity))
            return Untrusted("the serviceId and identity asked", "others");
        var skew = response.DateTime - _clock.GetUtcNow().ToUnixTimeSeconds();
        if (Math.Abs(skew) > (long)_window.TotalSeconds)
            return Untrusted($"a dateTime within {_window.TotalSeconds:0} s", $"one that is {skew} s off: an old answer, or this machine's clock is wrong");
        if (response.ErrorCode is { } code)
            return FitsStatus(code, status) ? new SkmAnswer.Refused(code, status, response) { After = answer.RetryAfter } : Untrusted("the status of table 5.3.3-2", $"errorCode {(int)code:X2} under HTTP {status}");
        if (status != 200)
            return Untrusted("HTTP 200 with a payload", $"HTTP {status}");
        if (response.UserUri is null)
            return Untrusted("userUri", "none");
        return PayloadKey is null ? new SkmAnswer.KeyMaterial(response)
            : Open(response.Payload!, PayloadKey) is { } payload ? new SkmAnswer.KeyMaterial(response with { Payload = payload })
            : Untrusted("a payload that is encrypted for this client", "another");
    }

    /// <summary>Only the one form that a SKM-S writes: an encrypted token for the same key is no key material.</summary>
    private static string? Open(string payload, JweKey key)
    {
        if (!JweCompact.TryRead(payload, KmResponse.MaxLength, out var jwe, out _)
            || jwe.Header is not { Typ: KmResponse.EncryptedPayloadType, KeyManagement: JweKeyManagement.EcdhEsA256Kw, Content: JweContent.A256Gcm }
            || !jwe.TryDecrypt(key, out var octets))
            return null;
        try
        {
            return StrictUtf8.GetString(octets);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(octets);
        }
    }

    /// <summary>Table 5.3.3-2; 503 and 429 stand beside 01 when it may be asked again.</summary>
    [Spec("TS 33.434", "5.3.3")]
    private static bool FitsStatus(KmErrorCode code, int status) => code switch
    {
        KmErrorCode.Unspecified => status is 500 or 503 or 429,
        KmErrorCode.NotAvailable => status == 404,
        KmErrorCode.Rejected => status == 401,
        KmErrorCode.NotValidated => status is 400 or 403,
    };

    private static SkmAnswer.Untrusted Untrusted(string expected, string found) => new(new BadAnswer(expected, found));
}
