using System.Collections.Immutable;
using System.Text.Json;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Storage;

/// <summary>Trusted issuers. They are few: nodes have all of them in memory.</summary>
internal sealed class IssuerTable(IDatabase database)
{
    public Task<IReadOnlyList<TrustedIssuer>> ListAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<TrustedIssuer>>(async connection =>
        [.. (await connection.QueryAsync<Row>("SELECT issuer, name, jwks, jwks_uri, algorithms, scopes, clients, links, federated, acr, origin_uri, origin_client, sealed_origin_secret, token_seconds, disabled, version FROM trusted_issuers"))
            .Select(row => row.ToIssuer()).OrderBy(issuer => issuer.Issuer, StringComparer.Ordinal)], cancel);

    public Task<Outcome<TrustedIssuer>> SaveAsync(TrustedIssuer issuer, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        database.WriteAsync<Outcome<TrustedIssuer>>(async unit =>
        {
            if (StoredText.Refuse("issuer", issuer.Issuer) is { } unstorable)
                return unstorable;
            var stored = await unit.SingleAsync<long?>("SELECT version FROM trusted_issuers WHERE issuer = @Issuer", new { issuer.Issuer });
            if (RowVersion.Refuse("issuer", stored, create, expectedVersion) is { } refusal)
                return refusal;
            var saved = issuer with { Version = (stored ?? 0) + 1 };
            await unit.ExecuteAsync(stored is null
                ? """
                    INSERT INTO trusted_issuers (issuer, name, jwks, jwks_uri, algorithms, scopes, clients, links, federated, acr, origin_uri, origin_client, sealed_origin_secret, token_seconds, disabled, version)
                    VALUES (@Issuer, @Name, @Jwks, @JwksUri, @Algorithms, @Scopes, @Clients, @Links, @Federated, @Acr, @OriginUri, @OriginClient, @SealedOriginSecret, @TokenSeconds, @Disabled, @Version)
                    """
                : """
                    UPDATE trusted_issuers SET name = @Name, jwks = @Jwks, jwks_uri = @JwksUri, algorithms = @Algorithms, scopes = @Scopes, clients = @Clients,
                        links = @Links, federated = @Federated, acr = @Acr, origin_uri = @OriginUri, origin_client = @OriginClient,
                        sealed_origin_secret = @SealedOriginSecret, token_seconds = @TokenSeconds, disabled = @Disabled, version = @Version
                    WHERE issuer = @Issuer
                    """, Row.Of(saved));
            unit.Audit(entry);
            unit.Bump(Topic.Issuers);
            return saved;
        }, cancel);

    public Task<bool> RemoveAsync(string issuer, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        if (await unit.ExecuteAsync("DELETE FROM trusted_issuers WHERE issuer = @Issuer", new { Issuer = issuer }) == 0)
            return false;
        unit.Audit(entry);
        unit.Bump(Topic.Issuers);
        return true;
    }, cancel);

    private sealed class Row
    {
        public string Issuer { get; init; } = "";
        public string Name { get; init; } = "";
        public string? Jwks { get; init; }
        public string? JwksUri { get; init; }
        public string Algorithms { get; init; } = "";
        public string Scopes { get; init; } = "";
        public string Clients { get; init; } = "";
        public string Links { get; init; } = "";
        public long Federated { get; init; }
        public string Acr { get; init; } = "";
        public string? OriginUri { get; init; }
        public string? OriginClient { get; init; }
        public byte[]? SealedOriginSecret { get; init; }
        public long? TokenSeconds { get; init; }
        public long Disabled { get; init; }
        public long Version { get; init; }

        public static Row Of(TrustedIssuer issuer) => new()
        {
            Issuer = issuer.Issuer,
            Name = issuer.Name,
            Jwks = issuer.Keys is null ? null : ClientRow.Write(issuer.Keys),
            JwksUri = issuer.KeysUri,
            Algorithms = StoredText.WriteList(issuer.Algorithms.Select(a => a.Name())),
            Scopes = issuer.Scopes.Text,
            Clients = StoredText.WriteList(issuer.Clients),
            Links = JsonSerializer.Serialize(new SortedDictionary<string, string>(issuer.Links, StringComparer.Ordinal)),
            Federated = issuer.Federated ? 1 : 0,
            Acr = issuer.Acr,
            OriginUri = issuer.Origin?.Address,
            OriginClient = issuer.Origin?.ClientId,
            SealedOriginSecret = issuer.Origin?.SealedSecret,
            TokenSeconds = issuer.TokenSeconds,
            Disabled = issuer.Disabled ? 1 : 0,
            Version = issuer.Version,
        };

        public TrustedIssuer ToIssuer() => new()
        {
            Issuer = Issuer,
            Name = Name,
            Keys = Jwks is null ? null : ClientRow.Read(Jwks),
            KeysUri = JwksUri,
            Algorithms = [.. StoredText.ReadList(Algorithms).Select(name => JwsAlgorithms.TryParse(name, out var algorithm) ? algorithm : throw StoredText.Broken(name))],
            Scopes = StoredText.ReadScope(Scopes),
            Clients = [.. StoredText.ReadList(Clients)],
            Links = (JsonSerializer.Deserialize<Dictionary<string, string>>(Links) ?? throw StoredText.Broken(Links)).ToImmutableDictionary(StringComparer.Ordinal),
            Federated = Federated != 0,
            Acr = Acr,
            Origin = OriginUri is null ? null : new(OriginUri, OriginClient ?? throw StoredText.Broken(OriginUri), SealedOriginSecret ?? throw StoredText.Broken(OriginUri)),
            TokenSeconds = (int?)TokenSeconds,
            Disabled = Disabled != 0,
            Version = Version,
        };
    }
}
