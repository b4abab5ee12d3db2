using System.Text;
using System.Text.Json;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Outbox;
using Keyreeve.Core.Snapshots;
using Keyreeve.Engines.Outbound;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Server.Outbox;

/// <summary>One attempt to deliver one message.</summary>
public sealed class DeliverMessage(OutboundHttp http, SnapshotState state, Kek kek, TimeProvider clock)
{
    /// <summary>RFC 8935 section 2.4. Those about keys and rights are not here: they are mended on either side, and then the message is wanted.</summary>
    private static readonly string[] FinalErrors = ["invalid_request", "invalid_issuer", "invalid_audience"];

    /// <summary>Sends it; throws only when cancelled.</summary>
    [Spec("RFC 8935", "2.1")]
    public async Task<DeliveryAttempt> RunAsync(OutboxMessage message, CancellationToken cancel)
    {
        if (Open(message, out var why) is not { } body)
            return new(null, why, null, null);
        var (answer, failure) = await http.PostAsync(message.Url, message.ContentType, body,
            [new("Accept", "application/json"), new("Idempotency-Key", message.Id)], cancel);
        return answer is null
            ? new(null, failure?.ToString(), null, null)
            : new(answer.Status, null, answer.RetryAfter, answer.Status == 400 ? FinalErrorIn(answer) : null);
    }

    /// <summary>The octets to send, or why there are none now.</summary>
    private byte[]? Open(OutboxMessage message, out string? why)
    {
        why = null;
        switch (message.Form)
        {
            case OutboxForm.Plain:
                return message.Body;
            case OutboxForm.Sealed:
                if (kek.TryOpen(OutboxMessage.PurposeOf(message.Id), message.Body, out var opened))
                    return opened;
                why = "SealedByAnotherKek";
                return null;
            case OutboxForm.Claims:
                if (state.Keys.Current(JwsAlgorithm.ES256, clock.GetUtcNow()) is { } key)
                    return Encoding.ASCII.GetBytes(JwsWriter.Write(JwsWriter.Header(key, message.ContentType.Split('/')[^1]), message.Body, key));
                why = "NoSigningKey";
                return null;
            default:
                why = "UnknownForm";
                return null;
        }
    }

    /// <summary>What a refusing receiver says, when it is one of the words that we know; its description is not repeated anywhere.</summary>
    [Spec("RFC 8935", "2.4")]
    private static string? FinalErrorIn(OutboundAnswer answer)
    {
        if (answer.MediaType != "application/json")
            return null;
        try
        {
            using var json = JsonDocument.Parse(answer.Body, new JsonDocumentOptions { MaxDepth = 8 });
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("err", out var error) && error.ValueKind == JsonValueKind.String
                ? Array.Find(FinalErrors, known => error.ValueEquals(known))
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
