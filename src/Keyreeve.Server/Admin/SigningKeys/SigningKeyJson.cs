using System.Text.Json.Nodes;
using Keyreeve.Core.Keys;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Server.Admin.SigningKeys;

/// <summary>A signing key as the admin API writes it: its name and its times, nothing of the key.</summary>
internal static class SigningKeyJson
{
    public static readonly AdminSchema Schema = new("SigningKey",
        new AdminField("kid", FieldKind.Text, "RFC 7638 thumbprint.", ReadOnly: true),
        new AdminField("algorithm", FieldKind.Text, "JWS algorithm.", ReadOnly: true),
        new AdminField("state", FieldKind.Text, "next, current, retired (verifies only), expired or revoked.", ReadOnly: true),
        new AdminField("createdAt", FieldKind.Time, "Published since.", ReadOnly: true),
        new AdminField("activatesAt", FieldKind.Time, "Signs from then on.", ReadOnly: true),
        new AdminField("expiresAt", FieldKind.Time, "Leaves the JWKS then; null while current or next.", ReadOnly: true));

    public static JsonObject Write(SigningKeyRow key, KeyRing ring, DateTimeOffset now) => new()
    {
        ["kid"] = key.KeyId,
        ["algorithm"] = key.Algorithm.Name(),
        ["state"] = StateOf(key, ring, now),
        ["createdAt"] = Times.OfSeconds(key.CreatedAt),
        ["activatesAt"] = Times.OfSeconds(key.ActivatesAt),
        ["expiresAt"] = Times.OrNull(key.ExpiresAt),
    };

    private static string StateOf(SigningKeyRow key, KeyRing ring, DateTimeOffset now)
    {
        var seconds = now.ToUnixTimeSeconds();
        return key.Revoked ? "revoked"
            : key.ExpiresAt != 0 && key.ExpiresAt <= seconds ? "expired"
            : key.ActivatesAt > seconds ? "next"
            : ring.Current(key.Algorithm, now)?.KeyId == key.KeyId ? "current"
            : "retired";
    }
}
