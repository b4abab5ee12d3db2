using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Core.Certificates;

/// <summary>A certificate that one of our own authorities has issued, as it is registered. Times are Unix seconds.</summary>
public sealed record IssuedCertificate
{
    /// <summary>Serial number, lower-case hexadecimal; unique among all authorities (120 random bits).</summary>
    public required string Serial { get; init; }

    /// <summary>The authority.</summary>
    public required CaRole Authority { get; init; }

    /// <summary>Whose: a client, or null for another's (an operator's, a peer's without registration).</summary>
    public string? ClientId { get; init; }

    /// <summary>Its common name.</summary>
    public required string Name { get; init; }

    /// <summary>SHA-256 of its DER form, lower-case hexadecimal.</summary>
    public required string Thumbprint { get; init; }

    /// <summary>The certificate itself, PEM. Public.</summary>
    public required string Pem { get; init; }

    /// <summary>notBefore.</summary>
    public required long NotBefore { get; init; }

    /// <summary>notAfter.</summary>
    public required long NotAfter { get; init; }

    /// <summary>When it was issued.</summary>
    public required long IssuedAt { get; init; }

    /// <summary>The serial number of the one that was issued in its place, or null.</summary>
    public string? ReplacedBy { get; init; }

    /// <summary>When it was revoked, or null.</summary>
    public long? RevokedAt { get; init; }

    /// <summary>Why; null when it was not.</summary>
    public X509RevocationReason? Reason { get; init; }

    /// <summary>The record of a certificate just issued.</summary>
    public static IssuedCertificate Of(X509Certificate2 certificate, CaRole authority, string? clientId, DateTimeOffset now) => new()
    {
        Serial = certificate.SerialNumber.ToLowerInvariant(),
        Authority = authority,
        ClientId = clientId,
        Name = certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false),
        Thumbprint = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(certificate.RawDataMemory.Span)),
        Pem = certificate.ExportCertificatePem() + "\n",
        NotBefore = new DateTimeOffset(certificate.NotBefore.ToUniversalTime()).ToUnixTimeSeconds(),
        NotAfter = new DateTimeOffset(certificate.NotAfter.ToUniversalTime()).ToUnixTimeSeconds(),
        IssuedAt = now.ToUnixTimeSeconds(),
    };

    /// <summary>True when a client that has this name registered can have authenticated by it: of an authority for clients, with the name in its subjectAltName.</summary>
    public bool CouldBe(RegisteredName name)
    {
        if (Authority is not (CaRole.ValMc or CaRole.Capif))
            return false;
        using var certificate = X509Certificate2.CreateFromPem(Pem);
        var names = CertificateNames.Read(certificate);
        return name.Kind switch
        {
            CertificateNameKind.SanUri => names.Uris.Contains(name.Value, StringComparer.Ordinal),
            CertificateNameKind.SanDns => names.DnsNames.Contains(name.Value, StringComparer.OrdinalIgnoreCase),
            CertificateNameKind.SubjectDn or CertificateNameKind.SanIp or CertificateNameKind.SanEmail => false,
        };
    }
}

/// <summary>A list of revoked certificates as it was last made.</summary>
/// <param name="Authority">Whose.</param>
/// <param name="Number">cRLNumber.</param>
/// <param name="Der">The list, DER.</param>
/// <param name="MadeAt">thisUpdate, Unix seconds.</param>
/// <param name="NextUpdate">nextUpdate, Unix seconds.</param>
public sealed record RevocationListRow(CaRole Authority, long Number, byte[] Der, long MadeAt, long NextUpdate);

/// <summary>What our own authorities have revoked at one moment; immutable, swapped whole.</summary>
/// <param name="serials">Revoked serial numbers, lower-case hexadecimal, with their authority.</param>
/// <param name="lists">The lists that say so to others.</param>
public sealed class RevokedCertificates(IReadOnlySet<(CaRole Authority, string Serial)> serials, IReadOnlyDictionary<CaRole, RevocationListRow> lists)
{
    /// <summary>Nothing is revoked, and no list was made.</summary>
    public static RevokedCertificates None { get; } = new(new HashSet<(CaRole, string)>(), new Dictionary<CaRole, RevocationListRow>());

    /// <summary>How many.</summary>
    public int Count => serials.Count;

    /// <summary>True when the authority has revoked the certificate of this serial number (either case).</summary>
    public bool Names(CaRole authority, string serial) => serials.Count > 0 && serials.Contains((authority, serial.ToLowerInvariant()));

    /// <summary>The list of an authority, or null before the first was made.</summary>
    public RevocationListRow? ListOf(CaRole authority) => lists.GetValueOrDefault(authority);
}

/// <summary>The registry of issued certificates. Every change carries its audit entry, in one transaction with it.</summary>
public interface IIssuedCertificateStore
{
    /// <summary>The certificate of a serial number, or null.</summary>
    Task<IssuedCertificate?> FindAsync(string serial, CancellationToken cancel);

    /// <summary>Certificates in the order of their serial number, after the cursor; of one client alone when it is given.</summary>
    Task<IReadOnlyList<IssuedCertificate>> ListAsync(string? clientId, string? after, int limit, CancellationToken cancel);

    /// <summary>Those that were issued for names and for no client, are not revoked and end after a moment (Unix seconds), in the same order.</summary>
    Task<IReadOnlyList<IssuedCertificate>> ListOfNobodyAsync(long endsAfter, string? after, int limit, CancellationToken cancel);

    /// <summary>Those neither revoked nor replaced whose notAfter lies between two times (Unix seconds), the next to end first.</summary>
    Task<IReadOnlyList<IssuedCertificate>> EndingAsync(long from, long until, int limit, CancellationToken cancel);

    /// <summary>
    /// Registers a certificate. <paramref name="replaces"/> is the serial number of the one it is issued in place of: it must be there, and
    /// neither revoked nor replaced already, else Conflict.
    /// </summary>
    Task<Outcome<IssuedCertificate>> AddAsync(IssuedCertificate certificate, string? replaces, AuditEntry entry, CancellationToken cancel);

    /// <summary>
    /// Revokes, and makes the authority's new list in the same write; every node knows within a second. A certificate revoked already is a
    /// Conflict, one that is not there NotFound.
    /// </summary>
    /// <param name="serial">Which.</param>
    /// <param name="reason">Why.</param>
    /// <param name="at">When.</param>
    /// <param name="build">Makes the list; it may be called more than once.</param>
    /// <param name="entry">The audit entry.</param>
    /// <param name="cancel">Ends the wait before the write begins.</param>
    Task<Outcome<IssuedCertificate>> RevokeAsync(string serial, X509RevocationReason reason, DateTimeOffset at, BuildRevocationList build, AuditEntry entry, CancellationToken cancel);

    /// <summary>Makes the list of an authority anew if the one that is there was made before <paramref name="madeBefore"/> or there is none. True when it was made.</summary>
    Task<bool> RenewListAsync(CaRole authority, DateTimeOffset madeBefore, DateTimeOffset now, BuildRevocationList build, AuditEntry entry, CancellationToken cancel);

    /// <summary>What is revoked and has not ended at <paramref name="now"/>, with the lists.</summary>
    Task<RevokedCertificates> LoadRevokedAsync(DateTimeOffset now, CancellationToken cancel);
}

/// <summary>Signs the list of an authority: what it has revoked, and the number of the list.</summary>
public delegate RevocationListRow BuildRevocationList(CaRole authority, IReadOnlyList<RevokedCertificate> revoked, long number);
