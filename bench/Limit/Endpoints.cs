using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;

namespace Keyreeve.Bench.Limit;

/// <summary>The two endpoints: one signature, or none.</summary>
internal sealed class Endpoints(TimeProvider clock)
{
    // Sizes and members as the server's own answers to the same questions: change them when those change.
    private static readonly byte[] Constant =
        """{"active":true,"iss":"https://localhost:34811","sub":"val-server","aud":"https://val.example/pump-control","exp":1795240673,"iat":1795240073,"jti":"yr6baKwJROlshkvbqX1qzw","client_id":"val-server","scope":"val:pump-control","val_service_ids":["pump-control"],"token_type":"bearer"}"""u8.ToArray();

    private static readonly byte[] Header = """{"alg":"ES256","typ":"at+jwt","kid":"TMebpjT6nepfsbvuMbhQChEjZ98Ij0e05THP8VkEH1k"}"""u8.ToArray();

    private readonly ThreadLocal<ECDsa> _key = new(Open);
    private long _tokens = 1L << 62;

    private static readonly byte[] Pkcs8 = NewKey();

    /// <summary>POST /sign, POST /constant; 404 for the rest.</summary>
    public Task HandleAsync(HttpContext context) => context.Request.Path.Value switch
    {
        "/sign" => SignAsync(context),
        "/constant" => ConstantAsync(context),
        _ => NotFound(context),
    };

    private async Task SignAsync(HttpContext context)
    {
        await ReadAsync(context.Request);
        var token = Sign();
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true }))
        {
            json.WriteStartObject();
            json.WriteString("access_token"u8, token);
            json.WriteString("token_type"u8, "bearer"u8);
            json.WriteNumber("expires_in"u8, 600);
            json.WriteString("scope"u8, "val:fleet-tracking"u8);
            json.WriteEndObject();
        }
        await WriteAsync(context.Response, buffer.WrittenMemory);
    }

    private static async Task ConstantAsync(HttpContext context)
    {
        await ReadAsync(context.Request);
        await WriteAsync(context.Response, Constant);
    }

    /// <summary>Eight claims, as a client_credentials token has; only time and jti differ from one to the next.</summary>
    private byte[] Sign()
    {
        var now = clock.GetUtcNow().ToUnixTimeSeconds();
        Span<byte> jti = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(jti, Interlocked.Increment(ref _tokens));
        var payload = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(payload, new JsonWriterOptions { SkipValidation = true }))
        {
            json.WriteStartObject();
            json.WriteString("iss"u8, "https://localhost:34811"u8);
            json.WriteString("sub"u8, "machine-client"u8);
            json.WriteString("aud"u8, "https://val.example/fleet-tracking"u8);
            json.WriteNumber("exp"u8, now + 600);
            json.WriteNumber("iat"u8, now);
            json.WriteString("jti"u8, Base64Url.EncodeToString(jti));
            json.WriteString("client_id"u8, "machine-client"u8);
            json.WriteString("scope"u8, "val:fleet-tracking"u8);
            json.WriteEndObject();
        }
        var headerLength = Base64Url.GetEncodedLength(Header.Length);
        var inputLength = headerLength + 1 + Base64Url.GetEncodedLength(payload.WrittenCount);
        var token = new byte[inputLength + 1 + Base64Url.GetEncodedLength(64)];
        Base64Url.EncodeToUtf8(Header, token);
        token[headerLength] = (byte)'.';
        Base64Url.EncodeToUtf8(payload.WrittenSpan, token.AsSpan(headerLength + 1));
        token[inputLength] = (byte)'.';
        Span<byte> signature = stackalloc byte[64];
        _key.Value!.SignData(token.AsSpan(0, inputLength), signature, HashAlgorithmName.SHA256);
        Base64Url.EncodeToUtf8(signature, token.AsSpan(inputLength + 1));
        return token;
    }

    private static async Task ReadAsync(HttpRequest request)
    {
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync();
            reader.AdvanceTo(read.IsCompleted ? read.Buffer.End : read.Buffer.Start, read.Buffer.End);
            if (read.IsCompleted)
                return;
        }
    }

    private static async Task WriteAsync(HttpResponse response, ReadOnlyMemory<byte> body)
    {
        response.ContentType = "application/json";
        response.Headers.CacheControl = "no-store";
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body);
    }

    private static Task NotFound(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    private static byte[] NewKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportPkcs8PrivateKey();
    }

    private static ECDsa Open()
    {
        var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(Pkcs8, out _);
        return key;
    }
}
