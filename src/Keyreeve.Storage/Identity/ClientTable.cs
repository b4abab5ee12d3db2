using System.Data.Common;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;

namespace Keyreeve.Storage;

/// <summary>Clients and the certificates that name them.</summary>
internal sealed class ClientTable(IDatabase database, OutboxStore outbox)
{
    private const string Joined = $"SELECT {ClientRow.Columns}, x.thumbprint";

    private static readonly Statement Find = new($"""
        {Joined} FROM clients c LEFT JOIN client_certificates x ON x.client_id = c.client_id
        WHERE c.client_id = @ClientId ORDER BY x.place
        """, "@ClientId");

    public Task<Client?> FindAsync(string clientId, CancellationToken cancel) => !StoredText.Keeps(clientId)
        ? Task.FromResult<Client?>(null)
        : database.ReadAsync(async connection =>
        {
            await using var row = await Find.On(connection, clientId).ExecuteReaderAsync(cancel);
            if (!await row.ReadAsync(cancel))
                return null;
            var (client, thumbprints) = (ClientRow.Read(row), new List<string?>());
            do
            {
                thumbprints.Add(row.TextOrNull(ClientRow.ColumnCount));
            }
            while (await row.ReadAsync(cancel));
            return client.ToClient(thumbprints);
        }, cancel);

    public Task<Client?> FindByCertificateAsync(string thumbprint, CancellationToken cancel) => database.ReadAsync(connection => FirstAsync(connection, $"""
        {Joined} FROM client_certificates k JOIN clients c ON c.client_id = k.client_id JOIN client_certificates x ON x.client_id = c.client_id
        WHERE k.thumbprint = @Thumbprint ORDER BY x.place
        """, new { Thumbprint = thumbprint }), cancel);

    public Task<IReadOnlyList<Client>> FindByAudienceAsync(string audience, CancellationToken cancel) => !StoredText.Keeps(audience)
        ? Task.FromResult<IReadOnlyList<Client>>([])
        : database.ReadAsync<IReadOnlyList<Client>>(async connection => ToClients(await connection.QueryAsync<ClientRow>($"""
            {Joined} FROM clients c LEFT JOIN client_certificates x ON x.client_id = c.client_id WHERE c.audience = @Audience ORDER BY c.client_id, x.place
            """, new { Audience = audience })), cancel);

    /// <summary>The index folds case, and only names of hosts may: of the others those that are spelled alike are taken.</summary>
    public Task<IReadOnlyList<Client>> FindByTlsNameAsync(RegisteredName name, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<Client>>(async connection => [.. ToClients(await connection.QueryAsync<ClientRow>($"""
            {Joined} FROM clients c LEFT JOIN client_certificates x ON x.client_id = c.client_id WHERE lower(c.tls_name) = lower(@Name) ORDER BY c.client_id, x.place
            """, new { Name = name.ToString() })).Where(client => name.Kind == CertificateNameKind.SanDns || name.Equals(client.TlsName))], cancel);

    public Task<IReadOnlyList<Client>> ListAsync(string? after, int limit, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<Client>>(async connection => ToClients(await connection.QueryAsync<ClientRow>($"""
            {Joined} FROM (SELECT {ClientRow.Columns} FROM clients c WHERE client_id > @After ORDER BY client_id LIMIT @Limit) c
            LEFT JOIN client_certificates x ON x.client_id = c.client_id ORDER BY c.client_id, x.place
            """, new { After = after ?? "", Limit = (long)limit })), cancel);

    public async Task<Outcome<Client>> SaveAsync(Client client, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel)
    {
        var saved = await database.WriteAsync<Outcome<Client>>(async unit =>
        {
            if (StoredText.Refuse("clientId", client.ClientId) is { } unstorable)
                return unstorable;
            var stored = await unit.SingleAsync<long?>("SELECT version FROM clients WHERE client_id = @ClientId", new { client.ClientId });
            if (RowVersion.Refuse("client", stored, create, expectedVersion) is { } refusal)
                return refusal;
            var certificates = (client.CertificateThumbprints.IsDefault ? [] : client.CertificateThumbprints).Distinct(StringComparer.Ordinal)
                .Select((thumbprint, place) => new { client.ClientId, Thumbprint = thumbprint, Place = (long)place }).ToArray();
            foreach (var certificate in certificates)
            {
                var owner = await unit.SingleAsync<string>(
                    "SELECT client_id FROM client_certificates WHERE thumbprint = @Thumbprint AND client_id <> @ClientId", certificate);
                if (owner is not null)
                    return new Refusal(RefusalCode.Conflict, "a certificate is registered for another client",
                        $"the certificate {certificate.Thumbprint} is registered for {owner}: remove it there first")
                    { Param = "certificateThumbprints" };
            }

            var row = ClientRow.Of(client, (stored ?? 0) + 1);
            await unit.ExecuteAsync(stored is null ? ClientRow.Insert : ClientRow.Update, row);
            await unit.ExecuteAsync("DELETE FROM client_certificates WHERE client_id = @ClientId", row);
            await unit.ExecuteAsync("INSERT INTO client_certificates (thumbprint, client_id, place) VALUES (@Thumbprint, @ClientId, @Place)", certificates);
            if (stored is not null)
                await ProvisionedIds.KeepOwnedAsync(unit, client.ClientId, client.OwnedServices, outbox);
            unit.Audit(entry);
            unit.Bump(Topic.Clients);
            return client with { Version = row.Version, CertificateThumbprints = [.. certificates.Select(certificate => certificate.Thumbprint)] };
        }, cancel);
        outbox.Wake();
        return saved;
    }

    public async Task<bool> RemoveAsync(string clientId, AuditEntry entry, CancellationToken cancel)
    {
        var removed = await database.WriteAsync(async unit =>
        {
            var row = new { ClientId = clientId };
            // The certificates go with the row (ON DELETE CASCADE).
            if (await unit.ExecuteAsync("DELETE FROM clients WHERE client_id = @ClientId", row) == 0)
                return false;
            await unit.ExecuteAsync("DELETE FROM authorization_codes WHERE client_id = @ClientId", row);
            await unit.ExecuteAsync("DELETE FROM refresh_families WHERE client_id = @ClientId", row);
            await unit.ExecuteAsync("DELETE FROM consents WHERE client_id = @ClientId", row);
            await ProvisionedIds.KeepOwnedAsync(unit, clientId, [], outbox);
            unit.Audit(entry);
            unit.Bump(Topic.Clients);
            return true;
        }, cancel);
        outbox.Wake();
        return removed;
    }

    private static async Task<Client?> FirstAsync(DbConnection connection, string sql, object parameters) =>
        ToClients(await connection.QueryAsync<ClientRow>(sql, parameters)).FirstOrDefault();

    private static List<Client> ToClients(IEnumerable<ClientRow> rows) =>
        [.. rows.GroupBy(row => row.ClientId, StringComparer.Ordinal).Select(same => same.First().ToClient(same.Select(row => row.Thumbprint)))];
}
