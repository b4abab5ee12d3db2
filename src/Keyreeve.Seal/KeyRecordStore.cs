using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>A key management record: its key is the tagged union of TS 33.434 5.3.2. The key material is in its versions.</summary>
[Spec("TS 33.434", "5.3.2")]
public sealed record KeyRecord
{
    /// <summary>VAL service ID.</summary>
    public required string ServiceId { get; init; }

    /// <summary>The identity beside it.</summary>
    public required KmIdentity Identity { get; init; }

    /// <summary>Unix seconds of the last change.</summary>
    public required long UpdatedAt { get; init; }

    /// <summary>Number of the newest version that was ever made.</summary>
    public long Latest { get; init; }

    /// <summary>Unix seconds of its removal, or 0. A removed record is given to nobody and can be restored until it is shredded.</summary>
    public long RemovedAt { get; init; }

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }

    /// <summary>The record's name, in the audit and in what its versions are sealed for: lengths first, so that no two keys write alike.</summary>
    public static string Purpose(string serviceId, KmIdentity identity) =>
        string.Create(CultureInfo.InvariantCulture, $"key_records/{serviceId.Length}:{serviceId}/{(int)identity.Kind}/{identity.Value.Length}:{identity.Value}");
}

/// <summary>
/// One version of a record's key material, as it lies in the store: the payload sealed by a key of its own, and that key wrapped by the VAL
/// service's. Both for this record, number, activation and expiry, so that no row opens in another's place or at another time.
/// </summary>
public sealed record KeyVersion
{
    /// <summary>From 1, within the record.</summary>
    public required long Number { get; init; }

    /// <summary>Unix seconds from which it is given out; of those with one time the highest number is. 0 for what was never to wait.</summary>
    public required long ActivatesAt { get; init; }

    /// <summary>Unix seconds from which it is not any more, or 0.</summary>
    public long ExpiresAt { get; init; }

    /// <summary>Unix seconds.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>Which key of the service wraps; 0 for one of the release before, whose payload the server's KEK seals for <see cref="KeyRecord.Purpose"/>.</summary>
    public required long KekVersion { get; init; }

    /// <summary>The data key, wrapped; empty for <see cref="KekVersion"/> 0.</summary>
    public required byte[] WrappedKey { get; init; }

    /// <summary>The payload, sealed.</summary>
    public required byte[] Ciphertext { get; init; }

    /// <summary>True when it is given out at a time.</summary>
    public bool IsActive(long now) => ActivatesAt <= now && (ExpiresAt == 0 || now < ExpiresAt);

    /// <summary>What the data key is wrapped for.</summary>
    public static string KeyPurposeOf(string record, long number) => string.Create(CultureInfo.InvariantCulture, $"data key/{record}/{number}");

    /// <summary>Octets that either of the two has at most in UTF-8.</summary>
    internal static int MaxPurpose(string record) => Encoding.UTF8.GetMaxByteCount(record.Length) + 3 * 21 + 9;

    /// <summary>Writes what the payload is sealed for, in UTF-8.</summary>
    internal static ReadOnlySpan<byte> WritePurpose(Span<byte> to, string record, long number, long activatesAt, long expiresAt) =>
        Utf8.TryWrite(to, CultureInfo.InvariantCulture, $"{record}/{number}/{activatesAt}/{expiresAt}", out var length) ? to[..length] : throw new ArgumentException("too short", nameof(to));

    /// <summary>Writes <see cref="KeyPurposeOf"/> in UTF-8.</summary>
    internal static ReadOnlySpan<byte> WriteKeyPurpose(Span<byte> to, string record, long number) =>
        Utf8.TryWrite(to, CultureInfo.InvariantCulture, $"data key/{record}/{number}", out var length) ? to[..length] : throw new ArgumentException("too short", nameof(to));
}

/// <summary>What a key request finds: the record, its active version if it has one, and the wrapped key of the service.</summary>
/// <param name="Version">The newest version that is active now, or null.</param>
/// <param name="Kek">The key of the service that wraps it, or null when there is none any more.</param>
public sealed record FoundKey(KeyVersion? Version, ServiceKek? Kek);

/// <summary>What a change begins with.</summary>
/// <param name="Record">The record, also a removed one; null when there is none.</param>
/// <param name="Versions">Its versions, by number.</param>
public sealed record StoredKeys(KeyRecord? Record, IReadOnlyList<KeyVersion> Versions)
{
    /// <summary>Nothing is there.</summary>
    public static StoredKeys None { get; } = new(null, []);
}

/// <summary>A version to be written.</summary>
/// <param name="Record">Its record; <see cref="KeyRecord.Version"/> is the row version that was read, 0 when there was none.</param>
/// <param name="Version">The version; one with a number that is there is replaced.</param>
/// <param name="Dropped">Numbers of versions that make room.</param>
public sealed record KeySave(KeyRecord Record, KeyVersion Version, IReadOnlyList<long> Dropped);

/// <summary>A version on its way to another key of its service.</summary>
/// <param name="ServiceId">VAL service ID.</param>
/// <param name="Identity">The identity beside it.</param>
/// <param name="Version">As it was read.</param>
public sealed record StoredVersion(string ServiceId, KmIdentity Identity, KeyVersion Version);

/// <summary>Key management records as the store keeps them. Matches are exact and ordinal; there is no fallback to a more general record.</summary>
public interface IKeyRecordStore
{
    /// <summary>Why a key cannot be stored, or null.</summary>
    Refusal? WhyNot(string serviceId, KmIdentity identity);

    /// <summary>What is given out now (Unix seconds); null when there is no record or it was removed. One look-up: the hot path.</summary>
    Task<FoundKey?> FindActiveAsync(string serviceId, KmIdentity identity, long now, CancellationToken cancel);

    /// <summary>Records with their versions, in the order asked.</summary>
    Task<IReadOnlyList<StoredKeys>> ReadAsync(IReadOnlyList<(string ServiceId, KmIdentity Identity)> keys, CancellationToken cancel);

    /// <summary>Records in the order of (service, kind, identity), after the given one.</summary>
    Task<IReadOnlyList<KeyRecord>> ListAsync(string? serviceId, (string ServiceId, KmIdentity Identity)? after, int limit, bool removed, CancellationToken cancel);

    /// <summary>How many records a service has, removed ones too; at most so many are counted.</summary>
    Task<long> CountAsync(string serviceId, long atMost, CancellationToken cancel);

    /// <summary>
    /// Writes versions in one transaction. A record that was changed since it was read, or whose service's key is not the one that was used, is left
    /// out: null in its place. When anything was written so is the line, which <paramref name="entryOf"/> makes out of how many were.
    /// </summary>
    /// <exception cref="ArgumentException">A key is not well-formed Unicode; nothing was written.</exception>
    Task<IReadOnlyList<KeyRecord?>> SaveAsync(IReadOnlyList<KeySave> saves, Func<int, AuditEntry> entryOf, CancellationToken cancel);

    /// <summary>Removes a record; it can be restored until it is shredded. False when there is none, or its row version is another one.</summary>
    Task<bool> RemoveAsync(string serviceId, KmIdentity identity, long? expectedVersion, long now, AuditEntry entry, CancellationToken cancel);

    /// <summary>Takes the removal back; null when there is no removed record.</summary>
    Task<KeyRecord?> RestoreAsync(string serviceId, KmIdentity identity, long now, AuditEntry entry, CancellationToken cancel);

    /// <summary>Deletes a removed record with everything, before its time.</summary>
    Task<bool> ShredAsync(string serviceId, KmIdentity identity, AuditEntry entry, CancellationToken cancel);

    /// <summary>Versions of a service that are wrapped by a former key of it, in the order of their keys, after a given one.</summary>
    Task<IReadOnlyList<StoredVersion>> BelowAsync(string serviceId, long kekVersion, StoredVersion? after, int limit, CancellationToken cancel);

    /// <summary>How many there are.</summary>
    Task<long> CountBelowAsync(string serviceId, long kekVersion, CancellationToken cancel);

    /// <summary>Services that have versions of the release before.</summary>
    Task<IReadOnlyList<string>> ServicesOfLegacyAsync(int limit, CancellationToken cancel);

    /// <summary>Puts versions in the place of those that were read, where these still stand; returns how many.</summary>
    Task<int> RewrapAsync(IReadOnlyList<(StoredVersion Before, KeyVersion After)> changes, CancellationToken cancel);
}
