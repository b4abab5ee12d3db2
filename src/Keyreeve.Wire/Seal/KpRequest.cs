using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Wire.Seal;

/// <summary>What a SEAL KP Request asks for.</summary>
public enum KpOperation
{
    /// <summary>Key material for a record, which is made when there is none.</summary>
    Set,

    /// <summary>The record's removal; it can be taken back for a time.</summary>
    Remove,

    /// <summary>The removal taken back.</summary>
    Recover,
}

/// <summary>
/// The SEAL KP Request message: a VAL server provisions key material. Clause 5.8 of Release 18 names no coding; ours is that of the SEAL KM Request with
/// (docs/spec/choices.md)
/// <code>
///   "operation": "set" | "remove" | "recover",    "set" when it is missing
///   "payload": "...",                             with "set", and only then
///   "activatesAt": 1790000000,                    optional, with "set": integer seconds UTC
///   "expiresAt": 1790000000                       optional, with "set"
/// </code>
/// A member that is not known is refused: an "expiresAt" with a typing error would be a key that never ends.
/// </summary>
[Spec("TS 33.434", "5.8")]
public sealed class KpRequest
{
    /// <summary>Octets of a request. Our choice: a SEAL KM Request with key material.</summary>
    public const int MaxLength = KmRequest.MaxLength + KeyMaterial.MaxLength;

    private static readonly string[] Members =
        ["version", "sKmsUri", "serviceId", "clientId", "deviceId", "userId", "dateTime", "requestId", "operation", "payload", "activatesAt", "expiresAt"];

    private KpRequest(KmRequest asked, KpOperation operation, KeyMaterial? material) => (Asked, Operation, Material) = (asked, operation, material);

    /// <summary>What it shares with a SEAL KM Request: which record, where and when.</summary>
    public KmRequest Asked { get; }

    /// <summary>What is to be done.</summary>
    public KpOperation Operation { get; }

    /// <summary>The key material, exactly for <see cref="KpOperation.Set"/>.</summary>
    public KeyMaterial? Material { get; }

    /// <summary>Makes a request that <see cref="TryRead(ReadOnlyMemory{byte}, out KpRequest?, out KmRequestError?)"/> will take; never throws.</summary>
    public static bool TryCreate(KmRequest asked, KpOperation operation, KeyMaterial? material, [NotNullWhen(true)] out KpRequest? request, [NotNullWhen(false)] out KmRequestError? error)
    {
        request = null;
        error = (material is not null) != (operation == KpOperation.Set) ? new("payload", "is present exactly with set")
            : material is null ? null
            : material.Payload.Length is 0 or > KeyMaterial.MaxPayload || !System.Text.Unicode.Utf8.IsValid(material.Payload) ? new("payload", $"has 1 to {KeyMaterial.MaxPayload} octets of UTF-8")
            : material.ActivatesAt is < 0 or > KeyMaterial.MaxTime ? new("activatesAt", "is a number of seconds since 1970-01-01T00:00:00Z")
            : material.ExpiresAt is < 0 or > KeyMaterial.MaxTime ? new("expiresAt", "is a number of seconds since 1970-01-01T00:00:00Z")
            : material.ExpiresAt == 0 ? null
            : KeyMaterial.WhyNotInOrder(material.ActivatesAt, material.ExpiresAt);
        if (error is not null)
            return false;
        request = new(asked, operation, material);
        return true;
    }

    /// <summary>Reads a request; never throws.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out KpRequest? request, [NotNullWhen(false)] out KmRequestError? error)
    {
        request = null;
        if (!StrictJson.TryParseObject(json, MaxLength, out var document, out var refused))
        {
            error = new(null, refused == JoseError.TooLarge ? $"the request is longer than {MaxLength / 1024} KiB" : "the body is not one JSON object with distinct members");
            return false;
        }
        using (document)
            return TryRead(document.RootElement, out request, out error);
    }

    /// <summary>Writes the message.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        Asked.WriteMembers(json);
        json.WriteString("operation"u8, TextOf(Operation));
        if (Material is { } material)
        {
            json.WriteString("payload"u8, material.Payload);
            if (material.ActivatesAt is { } from)
                json.WriteNumber("activatesAt"u8, from);
            if (material.ExpiresAt != 0)
                json.WriteNumber("expiresAt"u8, material.ExpiresAt);
        }
        json.WriteEndObject();
    }

    /// <summary>Never the payload.</summary>
    public override string ToString() => $"KpRequest {{ {Operation} }}";

    private static bool TryRead(JsonElement root, [NotNullWhen(true)] out KpRequest? request, [NotNullWhen(false)] out KmRequestError? error)
    {
        request = null;
        if ((error = KeyMaterial.WhyUnknown(root, Members)) is not null || !KmRequest.TryRead(root, out var asked, out error) || !TryOperation(root, out var operation, out error))
            return false;
        if (operation != KpOperation.Set)
        {
            // Material that goes nowhere is a mistake nobody would notice.
            foreach (var member in KeyMaterial.Members)
                if (root.TryGetProperty(member, out _))
                {
                    error = new(member, $"is not present with {TextOf(operation)}");
                    return false;
                }
            request = new(asked, operation, null);
            return true;
        }
        if (!TrySeconds(root, "activatesAt", out var activates, out error) || !TrySeconds(root, "expiresAt", out var expires, out error)
            || (error = KeyMaterial.WhyNotInOrder(activates, expires)) is not null || !KeyMaterial.TryPayload(root, out var payload, out error))
            return false;
        request = new(asked, operation, new(payload, activates, expires ?? 0));
        return true;
    }

    private static bool TryOperation(JsonElement root, out KpOperation operation, [NotNullWhen(false)] out KmRequestError? error)
    {
        (operation, error) = (KpOperation.Set, null);
        if (!root.TryGetProperty("operation", out var element))
            return true;
        StrictJson.TryGetText(element, out var text);
        foreach (var known in Enum.GetValues<KpOperation>())
            if (TextOf(known) == text)
            {
                operation = known;
                return true;
            }
        error = new("operation", "is set, remove or recover");
        return false;
    }

    private static bool TrySeconds(JsonElement root, string name, out long? seconds, [NotNullWhen(false)] out KmRequestError? error)
    {
        (seconds, error) = (null, null);
        if (!root.TryGetProperty(name, out var element))
            return true;
        if (element.ValueKind == JsonValueKind.Number && element.TryGetInt64(out var read) && read is > 0 and <= KeyMaterial.MaxTime && !element.GetRawText().AsSpan().ContainsAny("eE."))
        {
            seconds = read;
            return true;
        }
        error = new(name, "is a number of seconds since 1970-01-01T00:00:00Z, an integer");
        return false;
    }

    /// <summary>As the message writes it.</summary>
    public static string TextOf(KpOperation operation) => operation switch
    {
        KpOperation.Set => "set",
        KpOperation.Remove => "remove",
        KpOperation.Recover => "recover",
    };
}
