using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;

namespace Keyreeve.Storage;

/// <summary>Named sealed values.</summary>
public sealed class SealedStore(IDatabase database) : ISealedStore
{
    /// <inheritdoc />
    public Task<byte[]?> FindAsync(string name, CancellationToken cancel) => database.ReadAsync(connection =>
        connection.QuerySingleOrDefaultAsync<byte[]>("SELECT value FROM sealed_values WHERE name = @Name", new { Name = name }), cancel);

    /// <summary>By comparing the beginning: LIKE folds case in one engine and not in the other.</summary>
    public Task<IReadOnlyList<(string Name, byte[] Value)>> ListAsync(string prefix, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<(string, byte[])>>(async connection =>
            [.. (await connection.QueryAsync<Row>(
                "SELECT name, value FROM sealed_values WHERE name >= @Prefix AND substr(name, 1, CAST(@Length AS INTEGER)) = @Prefix",
                new { Prefix = prefix, Length = prefix.EnumerateRunes().LongCount() })).Select(row => (row.Name, row.Value)).OrderBy(row => row.Name, StringComparer.Ordinal)], cancel);

    /// <inheritdoc />
    public Task<byte[]> AddIfAbsentAsync(string name, byte[] value, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        if (await unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES (@Name, @Value) ON CONFLICT (name) DO NOTHING", new { Name = name, Value = value }) == 1)
            unit.Audit(entry);
        return await unit.SingleAsync<byte[]>("SELECT value FROM sealed_values WHERE name = @Name", new { Name = name })
            ?? throw new InvalidDataException($"the sealed value {name} was added and is not there");
    }, cancel);

    /// <inheritdoc />
    public Task PutAsync(string name, byte[] value, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        await unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES (@Name, @Value) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            new { Name = name, Value = value });
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveUnlessLastAsync(string name, string prefix, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        // The question stands in the statement that deletes: within one writer nothing comes between them.
        var removed = await unit.ExecuteAsync("""
            DELETE FROM sealed_values WHERE name = @Name
            AND EXISTS (SELECT 1 FROM sealed_values o WHERE o.name >= @Prefix AND substr(o.name, 1, CAST(@Length AS INTEGER)) = @Prefix AND o.name <> @Name)
            """, new { Name = name, Prefix = prefix, Length = prefix.EnumerateRunes().LongCount() }) == 1;
        if (removed)
            unit.Audit(entry);
        return removed;
    }, cancel);

    private sealed class Row
    {
        public string Name { get; init; } = "";
        public byte[] Value { get; init; } = [];
    }
}
