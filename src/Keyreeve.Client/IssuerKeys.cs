using Keyreeve.Wire.Jose;

namespace Keyreeve.Client;

/// <summary>
/// The issuer's key set, fetched at first use and once more when a token names a key that is not in it. Tokens with invented
/// names cannot turn this into a flood: after a fetch that did not help, the next one waits.
/// </summary>
internal sealed class IssuerKeys(HttpClient http, Uri address, TimeProvider clock)
{
    // Our choice: a rotation is announced before it is used, so a real miss is rare.
    private static readonly TimeSpan MinBetweenRefetches = TimeSpan.FromSeconds(5);

    private JsonWebKeySet? _keys;
    private long? _refetchedAt;

    internal async Task<ClientResult<JsonWebKeySet>> GetAsync(CancellationToken cancel) =>
        Volatile.Read(ref _keys) is { } keys ? keys : await FetchAsync(cancel);

    /// <summary>The set fetched again, or null when that was done a moment ago.</summary>
    internal async Task<ClientResult<JsonWebKeySet>?> RefetchAsync(CancellationToken cancel)
    {
        if (_refetchedAt is { } before && clock.GetElapsedTime(before) < MinBetweenRefetches)
            return null;
        _refetchedAt = clock.GetTimestamp();
        return await FetchAsync(cancel);
    }

    private async Task<ClientResult<JsonWebKeySet>> FetchAsync(CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        var answer = await AnswerBody.SendAsync(http, request, JoseLimits.MaxKeySetLength, cancel);
        if (answer.Status != 200 || answer.Octets is null)
            return new BadAnswer("a JSON Web Key Set", answer.Described);
        if (!JsonWebKeySet.TryRead(answer.Octets, out var keys, out var error))
            return new BadAnswer("a JSON Web Key Set", $"one that does not read: {error}");
        Volatile.Write(ref _keys, keys);
        return keys;
    }
}
