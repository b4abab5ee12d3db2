using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>
/// What every engine promises. One concrete class per engine says how a fresh database is opened; the promises are in the parts of
/// this class, one file per store.
/// </summary>
public abstract partial class StoreContract : IAsyncLifetime
{
    /// <summary>2026-01-01T00:00:00Z, Unix seconds.</summary>
    protected const long Now = 1_767_225_600;

    private IDatabase? _database;

    protected static CancellationToken None => TestContext.Current.CancellationToken;

    protected IDatabase Database => _database!;

    protected Stores Stores { get; private set; } = null!;

    /// <summary>Opens the test's own database; a second call opens the same one.</summary>
    protected abstract Task<IDatabase> OpenAsync(string node);

    /// <summary>Takes the test's database away.</summary>
    protected abstract ValueTask DropAsync();

    public async ValueTask InitializeAsync() => await ReopenAsync("node-1");

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_database is not null)
            await _database.DisposeAsync();
        await DropAsync();
    }

    protected async Task ReopenAsync(string node)
    {
        if (_database is not null)
            await _database.DisposeAsync();
        _database = await OpenAsync(node);
        Stores = new(_database);
    }

    protected static AuditEntry Entry(string kind = "test.change") => new() { Kind = kind, Outcome = AuditOutcome.Changed, At = Now * 1000, Actor = "system" };

    protected static T Value<T>(Outcome<T> outcome)
        where T : notnull => outcome.Succeeded(out var value, out var refusal) ? value : throw new InvalidOperationException(refusal.Operator);

    protected static RefusalCode Code<T>(Outcome<T> outcome)
        where T : notnull => outcome.Succeeded(out var value, out var refusal) ? throw new InvalidOperationException($"accepted: {value}") : refusal.Code;

    /// <summary>Runs the same call on many threads at once.</summary>
    protected static async Task<T[]> AtOnceAsync<T>(int times, Func<int, Task<T>> call)
    {
        using var start = new ManualResetEventSlim();
        var calls = Enumerable.Range(0, times).Select(i => Task.Run(() =>
        {
            start.Wait(None);
            return call(i);
        })).ToArray();
        start.Set();
        return await Task.WhenAll(calls);
    }

    protected Task<int> SqlAsync(string sql, object? parameters = null) => Database.WriteAsync(unit => unit.ExecuteAsync(sql, parameters ?? new { }), None);

    protected async Task<List<string>> AuditKindsAsync()
    {
        var kinds = new List<string>();
        foreach (var (node, _, _) in await Stores.Audit.HeadsAsync(None))
            foreach (var line in await Stores.Audit.ReadAsync(node, 0, 10_000, None))
                kinds.Add(System.Text.Json.JsonDocument.Parse(line.Json).RootElement.GetProperty("kind").GetString()!);
        return kinds;
    }

    protected async Task<long> VersionOfAsync(Topic topic) => (await Stores.Changes.ReadAsync(None)).GetValueOrDefault(topic);

    /// <summary>Reads all pages by their cursor.</summary>
    protected static async Task<List<T>> AllPagesAsync<T>(Func<T?, Task<IReadOnlyList<T>>> page)
        where T : class
    {
        var all = new List<T>();
        while (await page(all.LastOrDefault()) is { Count: > 0 } next)
            all.AddRange(next);
        return all;
    }
}
