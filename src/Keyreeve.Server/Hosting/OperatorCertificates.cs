using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Keys;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// Operators are registered certificates, by their SHA-256 thumbprint; that our CA issued one is not enough.
/// </summary>
public static class OperatorCertificates
{
    private const string Prefix = "operators/";

    /// <summary>Validity of an operator's certificate.</summary>
    public static readonly TimeSpan Validity = TimeSpan.FromDays(365);

    /// <summary>A new one is made when less than this is left.</summary>
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(30);

    /// <summary>
    /// Makes and registers admin.pem and admin.key when there is no admin.pem, and again before it expires. Who keeps the key
    /// elsewhere leaves admin.pem in its place: then nothing is made. A node that comes to the database of others makes none: they have one.
    /// </summary>
    public static async Task EnsureFirstAsync(DataFolder folder, ISealedStore store, IIssuedCertificateStore issued, Kek kek, Pki pki, bool isOneOfMany, TimeProvider clock, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        if (File.Exists(folder.AdminPem))
        {
            using var existing = X509CertificateLoader.LoadCertificateFromFile(folder.AdminPem);
            if (existing.NotAfter.ToUniversalTime() > (now + RenewBefore).UtcDateTime || !File.Exists(folder.AdminKey))
                return;
            // Who was removed does not come back by growing old.
            if (!await IsRegisteredAsync(store, kek, ThumbprintOf(existing), cancel))
                return;
        }
        else if (isOneOfMany && (await ListAsync(store, kek, cancel)).Count > 0)
            return;
        var (certificate, certificatePem, keyPem) = pki.IssueClient(CaRole.Operators, new EntityRequest { CommonName = "keyreeve operator", Use = EntityUse.Client, Validity = Validity }, now);
        using (certificate)
        {
            var record = IssuedCertificate.Of(certificate, CaRole.Operators, clientId: null, now);
            await issued.AddAsync(record, replaces: null, new AuditEntry
            {
                Kind = "certificate.issued",
                Outcome = AuditOutcome.Changed,
                At = now.ToUnixTimeMilliseconds(),
                Actor = "system",
                Subject = record.Serial,
                Detail = "first operator",
            }, cancel);
            await RegisterAsync(store, kek, record.Thumbprint, "first operator", "system", clock, cancel);
            folder.Write("admin.key", keyPem);
            folder.Write("admin.pem", certificatePem);
        }
    }

    /// <summary>Registers a certificate as an operator's.</summary>
    public static Task RegisterAsync(ISealedStore store, Kek kek, string thumbprint, string name, string actor, TimeProvider clock, CancellationToken cancel) =>
        store.PutAsync(Prefix + thumbprint, kek.Seal(Prefix + thumbprint, Encoding.UTF8.GetBytes(name)), new AuditEntry
        {
            Kind = "operator.registered",
            Outcome = AuditOutcome.Changed,
            At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
            Actor = actor,
            Subject = thumbprint,
            Detail = name,
        }, cancel);

    /// <summary>True when the certificate is registered and its entry is ours.</summary>
    public static async Task<bool> IsRegisteredAsync(ISealedStore store, Kek kek, string thumbprint, CancellationToken cancel) =>
        await store.FindAsync(Prefix + thumbprint, cancel) is { } value && kek.TryOpen(Prefix + thumbprint, value, out _);

    /// <summary>Registered certificates in the order of their thumbprint; an entry that is not ours is not one.</summary>
    public static async Task<IReadOnlyList<(string Thumbprint, string Name)>> ListAsync(ISealedStore store, Kek kek, CancellationToken cancel)
    {
        var operators = new List<(string, string)>();
        foreach (var (name, value) in await store.ListAsync(Prefix, cancel))
            if (kek.TryOpen(name, value, out var opened))
                operators.Add((name[Prefix.Length..], Encoding.UTF8.GetString(opened)));
        return operators;
    }

    /// <summary>Removes a registration; false, and nothing is done, when no other is left.</summary>
    public static Task<bool> RemoveUnlessLastAsync(ISealedStore store, string thumbprint, AuditEntry entry, CancellationToken cancel) =>
        store.RemoveUnlessLastAsync(Prefix + thumbprint, Prefix, entry, cancel);

    /// <summary>SHA-256 of the DER form, lower-case hex.</summary>
    public static string ThumbprintOf(X509Certificate2 certificate) => Convert.ToHexStringLower(SHA256.HashData(certificate.RawData));
}
