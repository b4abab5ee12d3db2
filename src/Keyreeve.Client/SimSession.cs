using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>
/// One signed-in user of a native client: tokens that are fresh when asked for, kept in a store, ended by a logout. Tokens are renewed
/// ahead of their end, once for all who ask at the same time, because a refresh token is good once. Safe to use from several threads.
/// </summary>
[Spec("TS 33.434", "A.5")]
public sealed class SimSession : IDisposable
{
    // Our choice: long enough for a request to arrive with its token still good, and for one more try.
    private static readonly TimeSpan Ahead = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(5);

    private readonly SimClient _sim;
    private readonly ITokenStore _store;
    private readonly TimeProvider _clock;
    private readonly SharedWork<ClientResult<TokenSet>> _renewing;
    private readonly SemaphoreSlim _oneChange = new(1);
    private Held? _held;

    private SimSession(SimClient sim, ITokenStore store, TimeProvider clock)
    {
        (_sim, _store, _clock) = (sim, store, clock);
        _renewing = new(PauseAfter, clock);
    }

    /// <summary>The session that the store holds, or one that nobody has signed in to yet.</summary>
    public static async Task<SimSession> OpenAsync(SimClient sim, ITokenStore store, TimeProvider clock, CancellationToken cancel)
    {
        var session = new SimSession(sim, store, clock);
        session._held = session.HeldOf(await store.LoadAsync(cancel));
        return session;
    }

    /// <summary>True when there are tokens, good or to be renewed. Whether the server still stands by them is known when it is asked.</summary>
    public bool IsSignedIn => Volatile.Read(ref _held) is not null;

    /// <summary>Signs a user in with the browser (<see cref="SimClient.SignInAsync"/>) and keeps the tokens.</summary>
    public async Task<ClientResult<TokenSet>> SignInAsync(ScopeList scope, Func<Uri, CancellationToken, Task> openBrowser, CancellationToken cancel)
    {
        var result = await _sim.SignInAsync(scope, openBrowser, cancel);
        if (!result.Succeeded(out var tokens, out _))
            return result;
        await _oneChange.WaitAsync(cancel);
        try
        {
            await KeepAsync(tokens);
        }
        finally
        {
            _oneChange.Release();
        }
        return result;
    }

    /// <summary>
    /// Tokens that can be used now. <see cref="SignInNeeded"/> when there are none and none can be had without the user; any other failure may
    /// pass by itself.
    /// </summary>
    public async Task<ClientResult<TokenSet>> TokensAsync(CancellationToken cancel)
    {
        if (Volatile.Read(ref _held) is not { } held)
            return new SignInNeeded("nobody is signed in");
        var now = _clock.GetUtcNow();
        if (now < held.RenewAt)
            return held.Tokens;
        try
        {
            var renewed = await _renewing.RunAsync(RenewAsync, cancel);
            // Ahead of the end there is no hurry: what is held is good for a while.
            return renewed.Succeeded(out _, out var failure) || failure is SignInNeeded || !held.Tokens.IsUsable(now) ? renewed : held.Tokens;
        }
        catch (Exception broken) when (broken is HttpRequestException or IOException or OperationCanceledException
            && !cancel.IsCancellationRequested && held.Tokens.IsUsable(now))
        {
            return held.Tokens;
        }
    }

    /// <summary>
    /// Ends the session: the tokens are forgotten here in any case, and then ended at the server (RFC 7009). Null when the server said so; else
    /// what it said, and the grant lives on there until it expires or the user ends it on the account page.
    /// </summary>
    public async Task<ClientFailure?> LogoutAsync(CancellationToken cancel)
    {
        Held? held;
        await _oneChange.WaitAsync(cancel);
        try
        {
            held = _held;
            Volatile.Write(ref _held, null);
            await _store.ClearAsync(cancel);
        }
        finally
        {
            _oneChange.Release();
        }
        if (held is null)
            return null;
        // The refresh token first: with it goes the whole grant.
        var failure = held.Tokens.RefreshToken is { } refresh ? await _sim.RevokeAsync(refresh, cancel) : null;
        return await _sim.RevokeAsync(held.Tokens.AccessToken, cancel) ?? failure;
    }

    /// <inheritdoc />
    public void Dispose() => _oneChange.Dispose();

    private async Task<ClientResult<TokenSet>> RenewAsync()
    {
        await _oneChange.WaitAsync();
        try
        {
            // Another process with the same store may have renewed, or ended, the session meanwhile: its word is newer than ours.
            var held = HeldOf(await _store.LoadAsync(CancellationToken.None));
            if (held is not null && _held is not null && held.Tokens.AccessToken.Equals(_held.Tokens.AccessToken))
                held = _held;
            Volatile.Write(ref _held, held);
            if (held is null)
                return new SignInNeeded("the session was ended");
            if (_clock.GetUtcNow() < held.RenewAt)
                return held.Tokens;
            if (held.Tokens.RefreshToken is null)
                return held.Tokens.IsUsable(_clock.GetUtcNow()) ? held.Tokens : new SignInNeeded("the access token has expired, and there is no refresh token");
            return await RefreshAsync(held.Tokens);
        }
        finally
        {
            _oneChange.Release();
        }
    }

    private async Task<ClientResult<TokenSet>> RefreshAsync(TokenSet before)
    {
        var result = await _sim.RefreshAsync(before, null, CancellationToken.None);
        if (result.Succeeded(out var tokens, out var failure))
        {
            await KeepAsync(tokens);
            return tokens;
        }
        // "invalid_grant": expired, ended, or used by somebody else. It will not become good again.
        if (failure is not OAuthError { Error: "invalid_grant" } refused)
            return failure;
        Volatile.Write(ref _held, null);
        await _store.ClearAsync(CancellationToken.None);
        return new SignInNeeded(refused.Describe());
    }

    /// <summary>In memory first: a disk that is full must not lose the one refresh token that is still good.</summary>
    private Task KeepAsync(TokenSet tokens)
    {
        Volatile.Write(ref _held, HeldOf(tokens));
        return _store.SaveAsync(StoredTokens.Of(tokens), CancellationToken.None);
    }

    private Held? HeldOf(StoredTokens? stored) =>
        stored?.Restore(_sim.Metadata.Issuer, _sim.ClientId) is { } tokens ? HeldOf(tokens) : null;

    private Held HeldOf(TokenSet tokens)
    {
        // A token that lives shorter than a few minutes is renewed when a quarter is left, else it would be renewed at every use.
        var left = tokens.ExpiresAt - _clock.GetUtcNow();
        return new(tokens, tokens.ExpiresAt - (left / 4 < Ahead ? left / 4 : Ahead));
    }

    private static TimeSpan PauseAfter(Task<ClientResult<TokenSet>> renewed) =>
        renewed.IsCompletedSuccessfully && renewed.Result.Succeeded(out _, out _) ? TimeSpan.Zero : AfterFailure;

    private sealed record Held(TokenSet Tokens, DateTimeOffset RenewAt);
}
