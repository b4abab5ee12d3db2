using System.Globalization;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Outbox;
using Keyreeve.Core.Snapshots;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>A column whose values are sealed by the KEK.</summary>
/// <param name="Table">Its table.</param>
/// <param name="Column">Its name.</param>
/// <param name="Key">The primary key's columns, in order.</param>
/// <param name="Purpose">What a row's value is sealed for, out of the values (texts and integers) of the key and of <see cref="Beside"/>.</param>
public sealed record SealedColumn(string Table, string Column, IReadOnlyList<string> Key, Func<IReadOnlyList<object>, string> Purpose)
{
    /// <summary>Columns beside the key that the purpose is made of; they do not change while the row is there.</summary>
    public IReadOnlyList<string> Beside { get; init; } = [];

    /// <summary>The schema step that made it: a store of an older schema has no such table.</summary>
    public int Since { get; init; } = 1;

    /// <summary>Which rows are sealed, as a condition; all when it is always true.</summary>
    public string Only { get; init; } = "1 = 1";

    /// <summary>
    /// The snapshot that holds the values as they are sealed, or null. It is told of values that were sealed anew, because nodes would still need
    /// the former KEK for theirs; whoever opens what it loads and keeps that needs none.
    /// </summary>
    public Topic? HeldBy { get; init; }

    /// <summary>
    /// Every one there is: what is not here is lost when the KEK changes. A test holds the list against the schema, so that a new column of octets
    /// either stands here or in <see cref="NotByKek"/>.
    /// </summary>
    public static IReadOnlyList<SealedColumn> All { get; } =
    [
        new("sealed_values", "value", ["name"], key => (string)key[0]),
        new("signing_keys", "sealed_private_key", ["key_id"], key => SigningKeyRow.PurposeOf((string)key[0])),
        new("key_records", "sealed_payload", ["service_id", "identity_kind", "identity_value"], RecordPurpose) { Only = "length(sealed_payload) > 0" },
        new("key_versions", "ciphertext", ["service_id", "identity_kind", "identity_value", "number"], RecordPurpose) { Since = 13, Only = "kek_version = 0" },
        new("seal_roots", "wrapped_root", ["version"], key => SealRoot.PurposeOf(Convert.ToInt64(key[0], CultureInfo.InvariantCulture))) { Since = 13, Only = $"method = {(int)SealMethod.Kek}" },
        new("val_profiles", "sealed_document", ["service_id", "identity_kind", "identity_value"], key => ValProfile.Purpose((string)key[0], IdentityOf(key))) { Since = 12 },
        new("totp_secrets", "sealed_secret", ["subject"], key => TotpSecret.Purpose((string)key[0])) { Since = 6 },
        new("trusted_issuers", "sealed_origin_secret", ["issuer"], key => OriginCheck.PurposeOf((string)key[0])) { Since = 16, Only = "sealed_origin_secret IS NOT NULL", HeldBy = Topic.Issuers },
        new("outbox", "body", ["receiver", "seq"], values => OutboxMessage.PurposeOf((string)values[2])) { Since = 3, Beside = ["message_id"], Only = $"form = {(int)OutboxForm.Sealed}" },
    ];

    /// <summary>Columns of octets that the KEK has nothing to do with, and why.</summary>
    public static IReadOnlyDictionary<string, string> NotByKek { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["authorization_codes.hash"] = "a hash of the code",
        ["refresh_families.current_hash"] = "a hash of the token",
        ["refresh_families.previous_hash"] = "a hash of the token",
        ["refresh_families.sealed_successor"] = "sealed by the refresh token that is presented, not by the KEK; the server alone cannot open it",
        ["key_versions.wrapped_key"] = "wrapped by the VAL service's key",
        ["seal_roots.by_former"] = "sealed by the root before",
        ["service_keks.wrapped_key"] = "wrapped by a root",
        ["used_assertions.jti"] = "a hash of the assertion's name",
        ["login_sessions.hash"] = "a hash of the cookie",
        ["passkeys.credential_id"] = "a name that the authenticator gave; browsers are told it",
        ["passkeys.public_key"] = "a public key",
        ["recovery_codes.hash"] = "a hash of the code",
        ["used_marks.mark"] = "a hash of what was used",
        ["revocation_lists.der"] = "public: a signed list",
        ["audit.json"] = "the line as it was hashed",
        ["audit.hash"] = "the chain",
        ["audit_heads.hash"] = "the chain",
    };

    private static string RecordPurpose(IReadOnlyList<object> key) => KeyRecord.Purpose((string)key[0], IdentityOf(key));

    private static KmIdentity IdentityOf(IReadOnlyList<object> key) => new((KmIdentityKind)Convert.ToInt32(key[1], CultureInfo.InvariantCulture), (string)key[2]);

    /// <summary>As "table.column".</summary>
    public override string ToString() => $"{Table}.{Column}";
}
