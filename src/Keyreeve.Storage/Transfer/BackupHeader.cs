using System.Text.Json;
using System.Text.Json.Serialization;

namespace Keyreeve.Storage;

/// <summary>The second line of a backup, in the clear: what it is, and what a restore needs. Who changes it is found by the seal.</summary>
public sealed record BackupHeader
{
    /// <summary>The format this program writes and reads.</summary>
    public const int CurrentFormat = 1;

    /// <summary>Octets of the line at most. Our choice: it names tables and steps, not rows.</summary>
    public const int MaxLength = 64 * 1024;

    private static readonly JsonSerializerOptions Strict = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        MaxDepth = 8,
    };

    /// <summary>The format.</summary>
    public required int Format { get; init; }

    /// <summary>The version of the program that wrote it.</summary>
    public required string Program { get; init; }

    /// <summary>The engine it came from; it goes into any.</summary>
    public required string Engine { get; init; }

    /// <summary>The node whose settings the command read.</summary>
    public required string Node { get; init; }

    /// <summary>Unix seconds: the state is of this moment.</summary>
    public required long At { get; init; }

    /// <summary>From a folder made with --demo.</summary>
    public required bool Demo { get; init; }

    /// <summary>Names of the schema's steps, from the first.</summary>
    public required IReadOnlyList<string> Schema { get; init; }

    /// <summary>IDs of the KEKs that sealed what is in it.</summary>
    public required IReadOnlyList<string> Keks { get; init; }

    /// <summary>Rows of each table, in the order in which they come.</summary>
    public required IReadOnlyDictionary<string, long> Rows { get; init; }

    /// <summary>One line.</summary>
    public byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, Strict);

    /// <exception cref="TransferRefusedException">Not a header this program reads.</exception>
    public static BackupHeader Read(ReadOnlySpan<byte> line)
    {
        BackupHeader? header;
        try
        {
            // The format is looked at first: a newer one may have other members.
            using var any = JsonDocument.Parse(line.ToArray());
            if (any.RootElement.TryGetProperty("format", out var format) && format.TryGetInt32(out var number) && number > CurrentFormat)
                throw new TransferRefusedException($"the backup has format {number}, this program reads format {CurrentFormat}: use the newer program");
            header = JsonSerializer.Deserialize<BackupHeader>(line, Strict);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            header = null;
        }
        return header is { Format: CurrentFormat } ? header : throw new TransferRefusedException("the backup's header is not readable: the file is torn, was changed, or is no backup");
    }
}
