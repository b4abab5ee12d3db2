namespace Keyreeve.Core.Keys;

/// <summary>What a root key is sealed by.</summary>
public enum SealMethod
{
    /// <summary>The server's own KEK: it opens by itself. The default until an operator chooses another one.</summary>
    Kek = 1,

    /// <summary>A key in a file or in the environment.</summary>
    KeyFile = 2,

    /// <summary>A passphrase.</summary>
    Passphrase = 3,

    /// <summary>Shares of a key: so many custodians as the threshold says.</summary>
    Shares = 4,

    /// <summary>The next root: a former one that is still needed while keys are wrapped anew.</summary>
    NextRoot = 5,
}

/// <summary>What must be known, and is no secret, to open a seal.</summary>
public sealed record SealParameters
{
    /// <summary>Passphrase: iterations of PBKDF2-HMAC-SHA-512.</summary>
    public int Iterations { get; init; }

    /// <summary>Passphrase: salt, base64url.</summary>
    public string? Salt { get; init; }

    /// <summary>Shares: how many there are.</summary>
    public int Shares { get; init; }

    /// <summary>Shares: how many open.</summary>
    public int Threshold { get; init; }

    /// <summary>Shares: name of the set, in every share's text.</summary>
    public string? Set { get; init; }
}

/// <summary>A root key as the store keeps it: the key that wraps the VAL services' keys, itself sealed.</summary>
public sealed record SealRoot
{
    /// <summary>From 1; the highest wraps what is new.</summary>
    public required long Version { get; init; }

    /// <summary>What it is sealed by.</summary>
    public required SealMethod Method { get; init; }

    /// <summary>The sealed octets.</summary>
    public required byte[] Wrapped { get; init; }

    /// <summary>
    /// The same octets sealed by the root before, so that nodes that have that one open follow a rotation; empty when no other node uses the database,
    /// and from when the root before was retired.
    /// </summary>
    public byte[] ByFormer { get; init; } = [];

    /// <summary>What is needed beside the secret.</summary>
    public SealParameters Parameters { get; init; } = new();

    /// <summary>Unix seconds.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>What the octets are sealed for.</summary>
    public static string PurposeOf(long version) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"seal_roots/{version}");

    /// <summary>What they are sealed for by the root before.</summary>
    public static string FollowingPurposeOf(long version) => PurposeOf(version) + "/by the former";
}

/// <summary>
/// The border to whatever seals the root: a key file, a passphrase, shares, the server's KEK; a security module is another one. It is asked
/// once when a node opens and once when a root is made.
/// </summary>
public interface IRootKeySource : IDisposable
{
    /// <summary>Which method it is.</summary>
    SealMethod Method { get; }

    /// <summary>Opens a root; null when it does not open. The caller disposes it.</summary>
    PinnedSecret? Open(SealRoot root);

    /// <summary>Seals a new root.</summary>
    byte[] Seal(long version, ReadOnlySpan<byte> root);
}

/// <summary>A root sealed by one key, wherever that came from; the key is this one's and destroyed with it.</summary>
public sealed class KeyRootSource(SealMethod method, SealingKey key) : IRootKeySource
{
    /// <inheritdoc />
    public SealMethod Method => method;

    /// <inheritdoc />
    public PinnedSecret? Open(SealRoot root)
    {
        var octets = new PinnedSecret(SealingKey.KeySize);
        if (key.TryOpenTo(SealRoot.PurposeOf(root.Version), root.Wrapped, octets.Span))
            return octets;
        octets.Dispose();
        return null;
    }

    /// <inheritdoc />
    public byte[] Seal(long version, ReadOnlySpan<byte> root) => key.Seal(SealRoot.PurposeOf(version), root);

    /// <inheritdoc />
    public void Dispose() => key.Dispose();
}

/// <summary>A root sealed by the server's own KEK; a rotation of the KEK seals it anew with everything else.</summary>
public sealed class KekRootSource(Kek kek) : IRootKeySource
{
    /// <inheritdoc />
    public SealMethod Method => SealMethod.Kek;

    /// <inheritdoc />
    public PinnedSecret? Open(SealRoot root)
    {
        if (!kek.TryOpen(SealRoot.PurposeOf(root.Version), root.Wrapped, out var octets))
            return null;
        var secret = octets.Length == SealingKey.KeySize ? new PinnedSecret(octets) : null;
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(octets);
        return secret;
    }

    /// <inheritdoc />
    public byte[] Seal(long version, ReadOnlySpan<byte> root) => kek.Seal(SealRoot.PurposeOf(version), root);

    /// <inheritdoc />
    public void Dispose()
    {
        // The KEK is the server's.
    }
}
