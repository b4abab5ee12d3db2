using Keyreeve.Storage;
using Keyreeve.Testing;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>The contract on PostgreSQL, each test on a database of its own. Its collation is a language's: what is in order for us must not depend on it.</summary>
public sealed class PostgresStoreContract : StoreContract
{
    private string? _connection;

    protected override async Task<IDatabase> OpenAsync(string node)
    {
        _connection ??= await (await TestPostgres.SharedAsync()).NewDatabaseAsync("ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C' TEMPLATE template0");
        return await OpenAsync(_connection, node);
    }

    protected override async ValueTask DropAsync()
    {
        if (_connection is not null)
            await (await TestPostgres.SharedAsync()).DropAsync(_connection);
    }

    internal static async Task<PostgresEngine> OpenAsync(string connection, string node) =>
        PostgresAddress.TryRead(connection, allowPlain: false, out var address, out var wrong)
            ? await PostgresEngine.OpenAsync(address, TimeProvider.System, node, None)
            : throw new InvalidOperationException(wrong);
}
