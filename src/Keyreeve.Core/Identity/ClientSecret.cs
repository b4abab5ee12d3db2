using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Core.Identity;

/// <summary>
/// A client secret as we keep it: its SHA-256. A slow hash would protect nothing, because the server makes the secrets itself
/// (256 random bits) and refuses short ones from elsewhere; and it would make every token request as dear as a login.
/// </summary>
public sealed record ClientSecret
{
    /// <summary>Characters a secret brought from elsewhere must have at least. Our choice: 256 bits of base64url.</summary>
    public const int MinLength = 43;

    /// <summary>SHA-256 of the UTF-8 secret, 32 octets.</summary>
    public required byte[] Hash { get; init; }

    /// <summary>Unix seconds when it was made; says which of two is the older one.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>Makes a secret; the text is shown once and never stored.</summary>
    public static (ClientSecret Secret, string Text) Generate(DateTimeOffset now)
    {
        var text = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        return (Of(text, now), text);
    }

    /// <summary>Takes over a secret made elsewhere.</summary>
    public static ClientSecret Of(string text, DateTimeOffset now) =>
        new() { Hash = SHA256.HashData(Encoding.UTF8.GetBytes(text)), CreatedAt = now.ToUnixTimeSeconds() };

    /// <summary>True when one of the live secrets has this hash. Looks at all of them, in fixed time each.</summary>
    public static bool AnyMatches(IReadOnlyList<ClientSecret> live, ReadOnlySpan<byte> presentedHash)
    {
        var matches = false;
        for (var i = 0; i < live.Count; i++)
            matches |= CryptographicOperations.FixedTimeEquals(live[i].Hash, presentedHash);
        return matches;
    }

    /// <inheritdoc />
    public override string ToString() => $"ClientSecret made at {CreatedAt}";
}
