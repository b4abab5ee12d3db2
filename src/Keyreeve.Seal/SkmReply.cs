using System.Buffers;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>Sends a response message of the SKM-S; nobody on the way keeps it.</summary>
internal static class SkmReply
{
    public static async Task WriteAsync(HttpContext context, SkmResponse message, int status, TimeSpan? retryAfter)
    {
        var response = context.Response;
        response.StatusCode = status;
        BearerToken.NameScheme(response);
        RetryLater.Apply(response, retryAfter);
        response.ContentType = "application/json";
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        if (message.ErrorCode is not null)
            response.Headers["X-Request-Id"] = context.TraceIdentifier;
        var buffer = new ArrayBufferWriter<byte>(512);
        message.Write(buffer);
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory);
        // It may hold key material.
        buffer.Clear();
    }
}
