using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>
/// A record of a VAL service as a segment of a path: base64url of "service", or of "client ID", "device ID" or "user ID". So no VAL user ID stands in a
/// path for everybody to read (TS 33.434 4.1-e), and no two records are written alike.
/// </summary>
public static class KeyRecordName
{
    private const int MaxLength = 512;

    /// <summary>The segment.</summary>
    public static string Of(KmIdentity identity) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes(identity.Kind == KmIdentityKind.Service ? Word(identity.Kind) : $"{Word(identity.Kind)} {identity.Value}"));

    /// <summary>The identity that a segment names; only in the one way in which we write it.</summary>
    public static bool TryRead(string name, [NotNullWhen(true)] out KmIdentity? identity)
    {
        identity = null;
        if (name.Length is 0 or > MaxLength || !Base64Url.IsValid(name))
            return false;
        var octets = Base64Url.DecodeFromChars(name);
        if (!System.Text.Unicode.Utf8.IsValid(octets))
            return false;
        var parts = Encoding.UTF8.GetString(octets).Split(' ', 2);
        foreach (var kind in Enum.GetValues<KmIdentityKind>())
            if (Word(kind) == parts[0])
                identity = kind == KmIdentityKind.Service ? (parts.Length == 1 ? KmIdentity.ServiceOnly : null)
                    : parts.Length == 2 && KmRequest.IsIdentity(parts[1]) ? new KmIdentity(kind, parts[1])
                    : null;
        if (identity is { } read && Of(read) != name)
            identity = null;
        return identity is not null;
    }

    private static string Word(KmIdentityKind kind) => kind switch
    {
        KmIdentityKind.Service => "service",
        KmIdentityKind.Client => "client",
        KmIdentityKind.Device => "device",
        KmIdentityKind.User => "user",
    };
}
