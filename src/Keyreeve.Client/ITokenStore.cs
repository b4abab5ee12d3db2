namespace Keyreeve.Client;

/// <summary>Where a session keeps its tokens between two runs of the program. One store holds one session.</summary>
public interface ITokenStore
{
    /// <summary>What was saved last, or null.</summary>
    Task<StoredTokens?> LoadAsync(CancellationToken cancel);

    /// <summary>Keeps it in the place of what was there. When this returns, a crash does not bring the old one back.</summary>
    Task SaveAsync(StoredTokens tokens, CancellationToken cancel);

    /// <summary>Forgets.</summary>
    Task ClearAsync(CancellationToken cancel);
}

/// <summary>Keeps tokens as long as the process lives, and nowhere else.</summary>
public sealed class MemoryTokenStore : ITokenStore
{
    private StoredTokens? _tokens;

    /// <inheritdoc />
    public Task<StoredTokens?> LoadAsync(CancellationToken cancel) => Task.FromResult(Volatile.Read(ref _tokens));

    /// <inheritdoc />
    public Task SaveAsync(StoredTokens tokens, CancellationToken cancel)
    {
        Volatile.Write(ref _tokens, tokens);
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public Task ClearAsync(CancellationToken cancel)
    {
        Volatile.Write(ref _tokens, null);
        return Task.CompletedTask;
    }
}
