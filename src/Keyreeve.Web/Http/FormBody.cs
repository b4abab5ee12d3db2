using System.Buffers;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Keyreeve.Web.Http;

/// <summary>
/// Reads bodies with a limit and forms strictly. The framework's form reader would also take multipart, and would join repeated
/// parameters so that nobody sees the repetition.
/// </summary>
[Spec("TS 33.434", "4.2")]
public static class FormBody
{
    /// <summary>The parameters of a form body, or of nothing when the body is empty.</summary>
    public static async ValueTask<Outcome<ParameterList>> ReadFormAsync(HttpRequest request)
    {
        // Of a charset nothing is asked: libraries write ISO-8859-1 there and percent-encoded ASCII into the body.
        if (!IsMediaType(request.ContentType, "application/x-www-form-urlencoded"))
            return Refusal.Of(RefusalCode.UnsupportedMediaType, "the body is application/x-www-form-urlencoded");
        if (WhyNotCoded(request) is { } coded)
            return coded;
        var body = await ReadAsync(request, OAuthLimits.MaxBody);
        if (!body.Succeeded(out var octets, out var refusal))
            return refusal;
        var read = ParameterList.TryRead(octets.Span, out var list, out var error);
        octets.Clear();
        return read ? list! : Of(error);
    }

    /// <summary>The parameters of the query.</summary>
    public static Outcome<ParameterList> ReadQuery(HttpRequest request)
    {
        var query = request.QueryString.Value;
        if (string.IsNullOrEmpty(query))
            return ParameterList.Empty;
        if (query.Length > OAuthLimits.MaxQuery)
            return Of(ParameterError.TooLarge);
        return ParameterList.TryRead(System.Text.Encoding.UTF8.GetBytes(query[1..]), out var list, out var error) ? list : Of(error);
    }

    /// <summary>The whole body, at most <paramref name="limit"/> octets; the reading itself is bounded, not only the result.</summary>
    public static async ValueTask<Outcome<Body>> ReadAsync(HttpRequest request, int limit)
    {
        if (request.ContentLength > limit)
            return Refusal.Of(RefusalCode.TooLarge, $"the body is longer than {limit} octets");
        var reader = request.BodyReader;
        while (true)
        {
            var result = await reader.ReadAsync(request.HttpContext.RequestAborted);
            if (result.Buffer.Length > limit)
            {
                reader.AdvanceTo(result.Buffer.End);
                return Refusal.Of(RefusalCode.TooLarge, $"the body is longer than {limit} octets");
            }
            if (result.IsCompleted)
            {
                var body = new Body(result.Buffer.ToArray());
                reader.AdvanceTo(result.Buffer.End);
                return body;
            }
            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    /// <summary>
    /// Why a body of JSON is not read, or null: it is of another media type, in another charset than UTF-8 ("JSON text exchanged between systems ... MUST be
    /// encoded using UTF-8"), or compressed. What a header says is not read over: the octets would mean something else than the sender thinks.
    /// </summary>
    [Spec("RFC 9110", "15.5.16")]
    public static Refusal? WhyNotJson(HttpRequest request, string mediaType = "application/json")
    {
        if (string.Equals(request.ContentType, mediaType, StringComparison.OrdinalIgnoreCase))
            return WhyNotCoded(request);
        if (!IsMediaType(request.ContentType, mediaType))
            return Refusal.Of(RefusalCode.UnsupportedMediaType, $"the body is {mediaType}");
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || type.Charset.HasValue && !HeaderUtilities.RemoveQuotes(type.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            return Refusal.Of(RefusalCode.UnsupportedMediaType, $"the body is {mediaType} in UTF-8, and in no other charset");
        return WhyNotCoded(request);
    }

    private static Refusal? WhyNotCoded(HttpRequest request)
    {
        if (request.Headers.ContentEncoding.Count == 0 || request.Headers.ContentEncoding is [var one] && string.Equals(one, "identity", StringComparison.OrdinalIgnoreCase))
            return null;
        // "the Accept-Encoding response header field ought to be used to indicate what (if any) content codings would have been accepted"
        request.HttpContext.Response.Headers.AcceptEncoding = "identity";
        return Refusal.Of(RefusalCode.UnsupportedMediaType, "the body is sent as it is: Content-Encoding is not read");
    }

    /// <summary>True for the media type, with or without parameters such as charset.</summary>
    public static bool IsMediaType(string? contentType, string mediaType)
    {
        if (contentType is null)
            return false;
        var end = contentType.IndexOf(';', StringComparison.Ordinal);
        return (end < 0 ? contentType.AsSpan() : contentType.AsSpan(0, end)).Trim(' ').Equals(mediaType, StringComparison.OrdinalIgnoreCase);
    }

    private static Refusal Of(ParameterError error) => error switch
    {
        ParameterError.TooLarge => Refusal.Of(RefusalCode.TooLarge, "too many or too long parameters"),
        ParameterError.BadEncoding => Refusal.Of(RefusalCode.Malformed, "the parameters are not percent-encoded UTF-8"),
        ParameterError.ControlCharacter => Refusal.Of(RefusalCode.Malformed, "a parameter contains a control character"),
        ParameterError.None => throw new InvalidOperationException("no error to refuse for"),
    };

    /// <summary>A body that was read; cleared when it held credentials.</summary>
    public sealed class Body(byte[] octets)
    {
        /// <summary>The octets.</summary>
        public ReadOnlySpan<byte> Span => octets;

        /// <summary>The octets.</summary>
        public ReadOnlyMemory<byte> Memory => octets;

        /// <summary>Overwrites them.</summary>
        public void Clear() => Array.Clear(octets);
    }
}
