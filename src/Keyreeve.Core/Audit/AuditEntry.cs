using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;

namespace Keyreeve.Core.Audit;

/// <summary>What became of it.</summary>
public enum AuditOutcome
{
    /// <summary>A credential was issued or a question answered with yes.</summary>
    Granted,

    /// <summary>A refusal.</summary>
    Refused,

    /// <summary>State was changed.</summary>
    Changed,
}

/// <summary>One line of the audit: who asked for what, and what became of it. Never a secret, never a whole token.</summary>
public sealed record AuditEntry
{
    /// <summary>Dotted name of the event, as "token.authorization_code", "km.request", "client.saved".</summary>
    public required string Kind { get; init; }

    /// <summary>What became of it.</summary>
    public required AuditOutcome Outcome { get; init; }

    /// <summary>Unix milliseconds.</summary>
    public required long At { get; init; }

    /// <summary>Who acted: a subject, "operator:THUMBPRINT" or "system".</summary>
    public string? Actor { get; init; }

    /// <summary>The client in whose name.</summary>
    public string? ClientId { get; init; }

    /// <summary>The user or record concerned.</summary>
    public string? Subject { get; init; }

    /// <summary>For the operator: the reason of a refusal, what was changed.</summary>
    public string? Detail { get; init; }

    /// <summary>Address of the peer.</summary>
    public string? Source { get; init; }

    /// <summary>Ties the line to the log and to what the peer was told.</summary>
    public string? CorrelationId { get; init; }

    /// <summary>The octets that are hashed: one JSON object, members always in this order, absent ones left out.</summary>
    public byte[] ToCanonicalJson()
    {
        var buffer = new ArrayBufferWriter<byte>(1024); // a line fits: growing would cost ten times its size
        using (var json = new Utf8JsonWriter(buffer))
            WriteCanonical(json);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The same by a writer with the default options, which many lines share.</summary>
    public void WriteCanonical(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("kind"u8, Kind);
        json.WriteString("outcome"u8, Outcome.ToString());
        json.WriteNumber("at"u8, At);
        Write("actor"u8, Actor);
        Write("clientId"u8, ClientId);
        Write("subject"u8, Subject);
        Write("detail"u8, Detail);
        Write("source"u8, Source);
        Write("correlationId"u8, CorrelationId);
        json.WriteEndObject();

        void Write(ReadOnlySpan<byte> name, string? value)
        {
            if (value is not null)
                json.WriteString(name, value);
        }
    }

    /// <summary>Reads a line back; null for what we never wrote.</summary>
    public static AuditEntry? TryRead(ReadOnlySpan<byte> canonicalJson)
    {
        try
        {
            var reader = new Utf8JsonReader(canonicalJson);
            using var document = JsonDocument.ParseValue(ref reader);
            var root = document.RootElement;
            return new AuditEntry
            {
                Kind = root.GetProperty("kind").GetString() ?? "",
                Outcome = Enum.Parse<AuditOutcome>(root.GetProperty("outcome").GetString() ?? ""),
                At = root.GetProperty("at").GetInt64(),
                Actor = Text("actor"),
                ClientId = Text("clientId"),
                Subject = Text("subject"),
                Detail = Text("detail"),
                Source = Text("source"),
                CorrelationId = Text("correlationId"),
            };

            string? Text(string name) => root.TryGetProperty(name, out var value) ? value.GetString() : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            // Whoever wrote it, it was not the server; that the chain is broken there is said by the walk.
            return null;
        }
    }
}

/// <summary>
/// The hash chain of one node: hash(n) = SHA-256( hash(n-1) || seq as 8 octets, big endian || canonical JSON ). Whoever changes,
/// removes or inserts a line breaks every hash after it.
/// </summary>
public static class AuditChain
{
    /// <summary>The hash before the first line: 32 zero octets.</summary>
    public static byte[] Genesis => new byte[32];

    /// <summary>The hash of line <paramref name="sequence"/> (counted from 1).</summary>
    public static byte[] Next(ReadOnlySpan<byte> previous, long sequence, ReadOnlySpan<byte> canonicalJson)
    {
        var length = previous.Length + sizeof(long) + canonicalJson.Length;
        var rented = ArrayPool<byte>.Shared.Rent(length);
        var hashed = rented.AsSpan(0, length);
        previous.CopyTo(hashed);
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(hashed[previous.Length..], sequence);
        canonicalJson.CopyTo(hashed[(previous.Length + sizeof(long))..]);
        var hash = SHA256.HashData(hashed);
        ArrayPool<byte>.Shared.Return(rented);
        return hash;
    }
}

/// <summary>One stored line with its place in the chain.</summary>
/// <param name="Node">The node that wrote it.</param>
/// <param name="Sequence">From 1, without gaps.</param>
/// <param name="Json">The canonical JSON as it was hashed.</param>
/// <param name="Hash">The chain's hash after this line.</param>
public sealed record AuditLine(string Node, long Sequence, byte[] Json, byte[] Hash);

/// <summary>What one writer of entries knows of its attempts.</summary>
public sealed class AuditAttempts
{
    /// <summary>The end of the chain before the first attempt of unknown outcome; null when there is none.</summary>
    public long? Since { get; set; }
}

/// <summary>The audit as the store keeps it: append-only.</summary>
public interface IAuditStore
{
    /// <summary>Appends entries that have no state change of their own (grants, refusals), in one transaction.</summary>
    Task AppendAsync(IReadOnlyList<AuditEntry> entries, CancellationToken cancel);

    /// <summary>
    /// The same for entries that are tried until they are written: when nobody knows whether an attempt was written (the connection was lost at its commit),
    /// the next one looks, and what is there is not written a second time.
    /// </summary>
    Task AppendOnceAsync(IReadOnlyList<AuditEntry> entries, AuditAttempts attempts, CancellationToken cancel) => AppendAsync(entries, cancel);

    /// <summary>Lines of a node in order, after a sequence number.</summary>
    Task<IReadOnlyList<AuditLine>> ReadAsync(string node, long after, int limit, CancellationToken cancel);

    /// <summary>All nodes that have written, with sequence and hash of their last line.</summary>
    Task<IReadOnlyList<(string Node, long Sequence, byte[] Hash)>> HeadsAsync(CancellationToken cancel);
}
