using Keyreeve.Core.Outbox;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Seal;

/// <summary>Key requests of one client for one VAL service that failed within one period.</summary>
/// <param name="ServiceId">The VAL service, or null when none that exists was named.</param>
/// <param name="ClientId">Whose token it was.</param>
/// <param name="IsOfService">True when the token was one for this VAL service.</param>
/// <param name="Reasons">How often for which reason.</param>
public sealed record KeyFailure(string? ServiceId, string ClientId, bool IsOfService, IReadOnlyDictionary<RefusalCode, int> Reasons);

/// <summary>
/// "In the event of an error, the user and/or the operator of the VAL service, UE, or client may be notified": counts failed key requests of
/// callers with a valid token, so that each VAL service and client is told of once in a period, however many requests failed. What a
/// caller can choose is no part of it: a VAL service that does not exist is none. Counted on each node alone; what a node has not told
/// when it stops stands in the audit.
/// </summary>
[Spec("TS 33.434", "5.3.3")]
public sealed class KeyFailures(SnapshotState state, SealSettings settings)
{
    /// <summary>Pairs of VAL service and client in one period; the failures of further ones stand in the audit alone. Our choice.</summary>
    private const int MaxCallers = 1000;

    private readonly Lock _gate = new();
    private Dictionary<Caller, Dictionary<RefusalCode, int>> _counts = [];

    /// <summary>A key request failed. Costs nothing while nobody is to be told.</summary>
    public void Count(VerifiedToken token, string? serviceId, RefusalCode reason)
    {
        var service = serviceId is null ? null : state.Scopes.Find(ScopeCatalogue.ValPrefix + serviceId);
        if (settings.FailureReceivers.Count == 0 && service?.KeyFailuresUri is null)
            return;
        var isOfService = service is not null && token.ValServiceIds.Contains(serviceId!, StringComparer.Ordinal);
        Add(new(service?.ServiceId, token.ClientId, isOfService), reason, 1);
    }

    /// <summary>Sends what was counted since the last time; what could not be sent is counted on.</summary>
    public async Task TellAsync(KeyFailureEvents events, Func<IReadOnlyList<OutboxMessage>, Task> send, DateTimeOffset now)
    {
        Dictionary<Caller, Dictionary<RefusalCode, int>> counts;
        lock (_gate)
            (counts, _counts) = (_counts, []);
        if (counts.Count == 0)
            return;
        var scopes = state.Scopes;
        try
        {
            await send([.. counts.SelectMany(c => events.Of(new(c.Key.ServiceId, c.Key.ClientId, c.Key.IsOfService, c.Value),
                c.Key.ServiceId is { } id ? scopes.Find(ScopeCatalogue.ValPrefix + id) : null, now))]);
        }
        catch
        {
            foreach (var (caller, reasons) in counts)
                foreach (var (reason, count) in reasons)
                    Add(caller, reason, count);
            throw;
        }
    }

    private void Add(Caller caller, RefusalCode reason, int count)
    {
        lock (_gate)
        {
            if (!_counts.TryGetValue(caller, out var reasons))
            {
                if (_counts.Count >= MaxCallers)
                    return;
                _counts.Add(caller, reasons = []);
            }
            reasons[reason] = reasons.GetValueOrDefault(reason) + count;
        }
    }

    private readonly record struct Caller(string? ServiceId, string ClientId, bool IsOfService);
}
