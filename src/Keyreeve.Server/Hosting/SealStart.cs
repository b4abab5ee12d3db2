using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Seal;

namespace Keyreeve.Server.Hosting;

/// <summary>The key store at the start of a node: a root is made when there is none yet, sealed by the server's KEK, and one that can is opened.</summary>
internal static class SealStart
{
    /// <summary>Opens what opens without an operator; else the node starts sealed, and <paramref name="report"/> is told why. Everything else is served.</summary>
    public static async Task OpenAsync(ISealStore store, RootKeys roots, SealSources sources, TimeProvider clock, Action<string> report, CancellationToken cancel)
    {
        var stored = await store.RootsAsync(cancel);
        if (stored.Count == 0)
        {
            await MakeFirstAsync(store, sources, clock, cancel);
            stored = await store.RootsAsync(cancel);
        }
        using var source = sources.Automatic(stored[^1].Method, out var why);
        if (source is null || !roots.TryOpen(stored, source))
            report($"the key store is sealed: {(source is null ? why : $"{sources.ConfiguredIn ?? "the KEK"} does not open it")}. Open it: keyreeve seal unseal");
    }

    private static async Task MakeFirstAsync(ISealStore store, SealSources sources, TimeProvider clock, CancellationToken cancel)
    {
        using var source = sources.Automatic(SealMethod.Kek, out _)!;
        using var octets = PinnedSecret.Random(SealingKey.KeySize);
        var now = clock.GetUtcNow();
        await store.AddRootAsync(new SealRoot { Version = 1, Method = source.Method, Wrapped = source.Seal(1, octets.Span), CreatedAt = now.ToUnixTimeSeconds() }, 0, [], new AuditEntry
        {
            Kind = "seal.initialized",
            Outcome = AuditOutcome.Changed,
            At = now.ToUnixTimeMilliseconds(),
            Actor = "system",
            Subject = "root 1",
            Detail = SealSources.NameOf(source.Method),
        }, cancel);
    }
}
