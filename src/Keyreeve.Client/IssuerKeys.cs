using Keyreeve.Wire.Jose;

namespace Keyreeve.Client;

/// <summary>
/// The issuer's key set: fetched at first use, again in the background when it is some minutes old, and when a token names a key
/// that is not in it. Whatever many ask at once, or with invented names, is one fetch.
/// </summary>
/// <remarks>
/// A set is believed as a whole and replaced as a whole: a key that has gone from it is gone. When the issuer cannot be reached the last
/// set stands for a day, no longer: whoever keeps us from the issuer must not keep a withdrawn key good.
/// </remarks>
internal sealed class IssuerKeys
{
    // All our choice. A rotation is published before it is used, so a real miss is rare; 5 s is then no hardship and a flood is one fetch.
    internal static readonly TimeSpan BetweenFetches = TimeSpan.FromSeconds(5);
    internal static readonly TimeSpan BetweenFailures = TimeSpan.FromSeconds(1);
    internal static readonly TimeSpan FreshFor = TimeSpan.FromMinutes(5);
    internal static readonly TimeSpan GoodFor = TimeSpan.FromHours(24);

    private readonly SharedWork<ClientResult<JsonWebKeySet>> _fetch;
    private readonly Func<Task<ClientResult<JsonWebKeySet>>> _source;
    private readonly TimeProvider _clock;
    private Known? _known;

    /// <summary>The keys that the source brings.</summary>
    internal IssuerKeys(Func<Task<ClientResult<JsonWebKeySet>>> source, TimeProvider clock) =>
        (_source, _clock, _fetch) = (source, clock, new(PauseAfter, clock));

    /// <summary>The set as known; waits only when there is none.</summary>
    internal async Task<ClientResult<JsonWebKeySet>> GetAsync(CancellationToken cancel)
    {
        if (Volatile.Read(ref _known) is not { } known || _clock.GetElapsedTime(known.At) >= GoodFor)
            return await _fetch.RunAsync(TakeAsync, cancel);
        if (_clock.GetElapsedTime(known.At) >= FreshFor)
            _ = _fetch.Begin(TakeAsync);
        return known.Keys;
    }

    /// <summary>A set other than the one in which a key was missed: what another has fetched meanwhile, or a fetch; the same again when that was a moment ago.</summary>
    internal async Task<ClientResult<JsonWebKeySet>> RefetchAsync(JsonWebKeySet missing, CancellationToken cancel) =>
        Volatile.Read(ref _known) is { } known && !ReferenceEquals(known.Keys, missing) ? known.Keys : await _fetch.RunAsync(TakeAsync, cancel);

    internal static async Task<ClientResult<JsonWebKeySet>> FetchAsync(HttpClient http, Uri address)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        var answer = await AnswerBody.SendAsync(http, request, JoseLimits.MaxKeySetLength, CancellationToken.None);
        if (answer.Status != 200 || answer.Octets is null)
            return new BadAnswer("a JSON Web Key Set", answer.Described);
        return JsonWebKeySet.TryRead(answer.Octets, out var keys, out var error)
            ? keys
            : new BadAnswer("a JSON Web Key Set", $"one that does not read: {error}");
    }

    private async Task<ClientResult<JsonWebKeySet>> TakeAsync()
    {
        if (!(await _source()).Succeeded(out var keys, out var failure))
            return failure;
        // The same set stays the same object: what was remembered under it still holds.
        if (_known is { } before && before.Keys.Equals(keys))
            keys = before.Keys;
        Volatile.Write(ref _known, new Known(keys, _clock.GetTimestamp()));
        return keys;
    }

    private static TimeSpan PauseAfter(Task<ClientResult<JsonWebKeySet>> fetched) =>
        fetched.IsCompletedSuccessfully && fetched.Result.Succeeded(out _, out _) ? BetweenFetches : BetweenFailures;

    private sealed record Known(JsonWebKeySet Keys, long At);
}
