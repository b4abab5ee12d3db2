using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Client;

/// <summary>What a resource server expects of access tokens.</summary>
public sealed record AccessTokenVerifierOptions
{
    /// <summary>The SIM-S, byte for byte as it names itself.</summary>
    public required string Issuer { get; init; }

    /// <summary>This resource server, as <c>aud</c> names it.</summary>
    public required string Audience { get; init; }

    /// <summary>"to account for clock skew (not to exceed 30 seconds)".</summary>
    public TimeSpan Leeway { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Null: a revocation is learned when the token expires. Else the issuer is asked about every token that passed the other checks.</summary>
    public TokenIntrospection? Introspection { get; init; }
}

/// <summary>How the issuer is asked whether a token still stands (RFC 7662).</summary>
/// <param name="ClientId">This resource server, registered as a client with the audience.</param>
/// <param name="Credential">As registered.</param>
/// <param name="Remember">How long an answer stands, 0 to 300 s: how late a revocation may be seen.</param>
public sealed record TokenIntrospection(string ClientId, ClientCredential Credential, TimeSpan Remember);

/// <summary>
/// Checks access tokens of one issuer for one resource server. Discovery and keys are fetched when the first token comes, checked
/// signatures are remembered by the token's SHA-256, and what depends on time, connection and revocation is looked at every time. Made
/// once, used by all; safe to use from several threads.
/// </summary>
public sealed class AccessTokenVerifier
{
    private const int MaxRemembered = 20_000; // our choice: about 40 MB when full

    private readonly HttpClient _http;
    private readonly AccessTokenVerifierOptions _options;
    private readonly TimeProvider _clock;
    private readonly IssuerKeys _keys;
    private readonly Uri _address;
    private SimMetadata? _metadata;
    private Remembered? _remembered;

    /// <summary>A verifier; nothing is fetched yet.</summary>
    /// <param name="http">Made with pinned roots (<c>TlsProfile.CreateHandler</c>) and a timeout of seconds; it follows no redirect. It stays the caller's.</param>
    /// <param name="options">What to expect.</param>
    /// <param name="clock">The time.</param>
    /// <exception cref="ArgumentException">The issuer is no https URL, there is no audience, or a time is out of range.</exception>
    public AccessTokenVerifier(HttpClient http, AccessTokenVerifierOptions options, TimeProvider clock)
    {
        if (options.Leeway < TimeSpan.Zero || options.Leeway > TimeSpan.FromSeconds(30))
            throw new ArgumentException("The leeway is 0 to 30 seconds (TS 33.434 table A.2.2.2-1).", nameof(options));
        if (string.IsNullOrEmpty(options.Audience))
            throw new ArgumentException("A resource server has an audience: without one it would take tokens that are meant for others.", nameof(options));
        if (options.Introspection is { } ask && (ask.Remember < TimeSpan.Zero || ask.Remember > TimeSpan.FromMinutes(5)))
            throw new ArgumentException("An introspection answer is remembered for 0 to 300 seconds.", nameof(options));
        _address = SimMetadata.AddressOf(options.Issuer)
            ?? throw new ArgumentException("The issuer is an https URL without query and fragment.", nameof(options));
        (_http, _options, _clock) = (http, options, clock);
        _keys = new IssuerKeys(FetchKeysAsync, clock);
    }

    /// <summary>
    /// The verdict on a token. The only exception is the caller's own cancellation: an issuer that cannot be reached is
    /// <see cref="AccessTokenRefusal.IssuerUnavailable"/>.
    /// </summary>
    /// <param name="token">As it came in the Authorization header.</param>
    /// <param name="certificate">The client certificate of the connection, or null. Only the proof of its key counts here, not who issued it.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<AccessTokenVerdict> VerifyAsync(string token, X509Certificate2? certificate, CancellationToken cancel)
    {
        if (token.Length is 0 or > JoseLimits.MaxTokenLength)
            return new AccessTokenVerdict.Refused(AccessTokenRefusal.Invalid, "its length");
        try
        {
            var (known, refused) = await KnownAsync(token, cancel);
            if (known is null)
                return refused!;
            refused = AccessTokenCheck.WhyNotNow(known.Token, _options.Audience, _options.Leeway, _clock.GetUtcNow(), certificate)
                ?? (_options.Introspection is { } ask ? await AskAsync(known, token, ask, cancel) : null);
            return refused is null ? new AccessTokenVerdict.Valid(known.Token) : refused;
        }
        catch (Exception broken) when (!cancel.IsCancellationRequested && broken is HttpRequestException or IOException or OperationCanceledException)
        {
            return Unavailable(broken.GetType().Name);
        }
    }

    private async Task<(KnownToken? Known, AccessTokenVerdict.Refused? Refused)> KnownAsync(string token, CancellationToken cancel)
    {
        // Junk is refused before anything is fetched for it.
        if (!JwsCompact.TryRead(token, out _, out var error))
            return (null, new(AccessTokenRefusal.Invalid, $"no JWS: {error}"));
        if (!(await _keys.GetAsync(cancel)).Succeeded(out var keys, out var failure))
            return (null, Unavailable(failure.Describe()));
        var hash = TokenHash.Of(token);
        if (Under(keys).TryGet(hash, out var known))
            return (known, null);
        var (read, why, keyUnknown) = AccessTokenCheck.Read(token, keys, _options.Issuer);
        if (keyUnknown)
        {
            if (!(await _keys.RefetchAsync(keys, cancel)).Succeeded(out keys, out failure))
                return (null, Unavailable(failure.Describe()));
            (read, why, _) = AccessTokenCheck.Read(token, keys, _options.Issuer);
        }
        if (read is null)
            return (null, new(AccessTokenRefusal.Invalid, why!));
        known = new KnownToken(read);
        Under(keys).Add(hash, known);
        return (known, null);
    }

    /// <summary>What was checked under these keys. Another set forgets everything: what a withdrawn key has signed is out at once.</summary>
    private GenerationCache<TokenHash, KnownToken> Under(JsonWebKeySet keys)
    {
        var remembered = Volatile.Read(ref _remembered);
        if (remembered is null || !ReferenceEquals(remembered.Keys, keys))
            Volatile.Write(ref _remembered, remembered = new(keys));
        return remembered.Tokens;
    }

    private async Task<AccessTokenVerdict.Refused?> AskAsync(KnownToken known, string token, TokenIntrospection ask, CancellationToken cancel)
    {
        var asking = known.Asking ?? known.BeginAsking(new(answer => StandsFor(answer, ask), _clock));
        if (!(await asking.RunAsync(() => IntrospectAsync(token, ask), cancel)).Succeeded(out var answer, out var failure))
            return Unavailable(failure.Describe());
        return answer.Active ? null : new(AccessTokenRefusal.Revoked, "introspection says that it is not active");
    }

    private async Task<ClientResult<Introspection>> IntrospectAsync(string token, TokenIntrospection ask)
    {
        if (!(await MetadataAsync()).Succeeded(out var metadata, out var failure))
            return failure;
        var options = new SimClientOptions { Issuer = _options.Issuer, ClientId = ask.ClientId, Credential = ask.Credential };
        return await new SimClient(_http, options, metadata, _clock).IntrospectAsync(new TokenText(token), CancellationToken.None);
    }

    private async Task<ClientResult<JsonWebKeySet>> FetchKeysAsync()
    {
        if (!(await MetadataAsync()).Succeeded(out var metadata, out var failure))
            return failure;
        var keys = await IssuerKeys.FetchAsync(_http, metadata.JwksUri);
        // The keys may have moved: the next attempt asks where.
        if (!keys.Succeeded(out _, out _))
            Volatile.Write(ref _metadata, null);
        return keys;
    }

    private async Task<ClientResult<SimMetadata>> MetadataAsync()
    {
        if (Volatile.Read(ref _metadata) is { } known)
            return known;
        var fetched = await SimMetadata.FetchAsync(_http, _address, _options.Issuer, CancellationToken.None);
        if (fetched.Succeeded(out var metadata, out _))
            Volatile.Write(ref _metadata, metadata);
        return fetched;
    }

    private static TimeSpan StandsFor(Task<ClientResult<Introspection>> answer, TokenIntrospection ask) =>
        answer.IsCompletedSuccessfully && answer.Result.Succeeded(out _, out _) ? ask.Remember : TimeSpan.Zero;

    private static AccessTokenVerdict.Refused Unavailable(string why) => new(AccessTokenRefusal.IssuerUnavailable, why);

    private sealed record Remembered(JsonWebKeySet Keys)
    {
        public GenerationCache<TokenHash, KnownToken> Tokens { get; } = new(MaxRemembered);
    }

    private sealed class KnownToken(CheckedAccessToken token)
    {
        private SharedWork<ClientResult<Introspection>>? _asking;

        public CheckedAccessToken Token { get; } = token;

        public SharedWork<ClientResult<Introspection>>? Asking => Volatile.Read(ref _asking);

        public SharedWork<ClientResult<Introspection>> BeginAsking(SharedWork<ClientResult<Introspection>> asking) =>
            Interlocked.CompareExchange(ref _asking, asking, null) ?? asking;
    }
}
