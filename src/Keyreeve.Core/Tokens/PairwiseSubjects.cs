using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// What a user is called in one sector (OpenID Connect Core 8.1): the 128 random bits of the subject as one block of AES-256, under a key
/// that is derived of a secret of ours and the sector. So there is no table: every subject has exactly one name in each sector, no two
/// share one, and without the secret names of two sectors cannot be told to be the same user's.
/// </summary>
/// <remarks>
/// The names begin with p- and not with u-, so that none is ever the subject of somebody. Tokens that have one say the sector in the claim
/// <c>sector</c>, under our signature: whoever checks a token finds its user without knowing how the client is registered today.
/// </remarks>
[Spec("OpenID Connect Core 1.0", "8.1")]
[Spec("TS 33.434", "4.1")]
public sealed class PairwiseSubjects : IDisposable
{
    /// <summary>Octets of the secret.</summary>
    public const int SecretLength = 32;

    private const string SecretName = "pairwise-subjects";
    private const string Prefix = "p-";
    private const int SubjectLength = 24;
    private const int Block = 16; // octets

    private readonly byte[] _secret;

    /// <summary>With a secret of <see cref="SecretLength"/> octets, which is copied.</summary>
    public PairwiseSubjects(ReadOnlySpan<byte> secret) =>
        _secret = secret.Length == SecretLength ? secret.ToArray() : throw new ArgumentException($"the secret has {SecretLength} octets", nameof(secret));

    /// <summary>With the secret of the store, which is made when there is none.</summary>
    public static async Task<PairwiseSubjects> OpenAsync(ISealedStore store, Kek kek, TimeProvider clock, CancellationToken cancel)
    {
        var stored = await store.FindAsync(SecretName, cancel) ?? await store.AddIfAbsentAsync(SecretName, kek.Seal(SecretName, RandomNumberGenerator.GetBytes(SecretLength)), new AuditEntry
        {
            Kind = "pairwise_subjects.started",
            Outcome = AuditOutcome.Changed,
            At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
            Actor = "system",
            Detail = "the secret of pairwise subjects was made",
        }, cancel);
        if (!kek.TryOpen(SecretName, stored, out var secret))
            throw new InvalidOperationException("the secret of pairwise subjects does not open: " + kek.WhyNot(stored));
        var subjects = new PairwiseSubjects(secret);
        CryptographicOperations.ZeroMemory(secret);
        return subjects;
    }

    /// <summary>True for strings that only names of users in a sector may have.</summary>
    public static bool IsName(string text) => text.Length == SubjectLength && text.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>A user's name in a sector.</summary>
    /// <exception cref="ArgumentException">It is no subject that <see cref="User.NewSubject"/> makes.</exception>
    public string NameOf(string sector, string subject)
    {
        Span<byte> bits = stackalloc byte[Block];
        if (!User.IsSubject(subject) || !TryRead(subject, bits))
            throw new ArgumentException("this is no user's subject", nameof(subject));
        using var aes = CipherOf(sector);
        aes.EncryptEcb(bits, bits, PaddingMode.None);
        return Prefix + Base64Url.EncodeToString(bits);
    }

    /// <summary>The subject behind a name; null when it is no name in any sector. A name of another sector gives the subject of nobody.</summary>
    public string? SubjectOf(string sector, string name)
    {
        Span<byte> bits = stackalloc byte[Block];
        if (!IsName(name) || !TryRead(name, bits))
            return null;
        using var aes = CipherOf(sector);
        aes.DecryptEcb(bits, bits, PaddingMode.None);
        return "u-" + Base64Url.EncodeToString(bits);
    }

    /// <summary>Whom a token of ours is about, out of <c>sub</c> and <c>sector</c>; null when the two are no name of anybody.</summary>
    public static string? OwnerOf(JwtClaims claims, PairwiseSubjects? pairwise) =>
        !claims.TryGetRaw("sector", out _) ? claims.Subject
        : pairwise is not null && claims.GetString("sector") is { } sector && claims.Subject is { } name ? pairwise.SubjectOf(sector, name)
        : null;

    /// <inheritdoc />
    public void Dispose() => CryptographicOperations.ZeroMemory(_secret);

    /// <summary>22 characters that are 128 bits in their one spelling, or a subject would be written in four ways.</summary>
    private static bool TryRead(string text, Span<byte> bits)
    {
        if (!Base64UrlStrict.TryDecode(text.AsSpan(Prefix.Length), out var octets) || octets.Length != Block)
            return false;
        octets.CopyTo(bits);
        return true;
    }

    private Aes CipherOf(string sector)
    {
        Span<byte> key = stackalloc byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _secret, key, salt: [], info: Encoding.UTF8.GetBytes("keyreeve pairwise subject " + sector));
        var aes = Aes.Create();
        aes.SetKey(key);
        CryptographicOperations.ZeroMemory(key);
        return aes;
    }
}
