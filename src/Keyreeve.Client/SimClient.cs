using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>What a SIM-C was registered with (TS 33.434 A.3).</summary>
public sealed record SimClientOptions
{
    /// <summary>The SIM-S, byte for byte as it names itself.</summary>
    public required string Issuer { get; init; }

    /// <summary>As registered.</summary>
    public required string ClientId { get; init; }

    /// <summary>As registered.</summary>
    public required ClientCredential Credential { get; init; }

    /// <summary>As registered; may be empty for a client without users.</summary>
    public string RedirectUri { get; init; } = "";

    /// <summary>In order of preference; the password is mandatory to support.</summary>
    public IReadOnlyList<string> AcrValues { get; init; } = ["3gpp:acr:password"];

    /// <summary>"to account for clock skew (not to exceed 30 seconds)".</summary>
    public TimeSpan Leeway { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// A SIM-C: the OpenID Connect client of TS 33.434 annex A. What a server may answer comes as a value; only broken transport
/// throws (<see cref="HttpRequestException"/>, <see cref="OperationCanceledException"/>). The <see cref="HttpClient"/> must not
/// follow redirects: make it of <c>TlsProfile.CreateHandler</c>. Safe to use from several threads.
/// </summary>
[Spec("TS 33.434", "5.2.4")]
public sealed class SimClient
{
    private readonly HttpClient _http;
    private readonly SimClientOptions _options;
    private readonly TimeProvider _clock;
    private readonly IssuerKeys _keys;

    internal SimClient(HttpClient http, SimClientOptions options, SimMetadata metadata, TimeProvider clock)
    {
        (_http, _options, Metadata, _clock) = (http, options, metadata, clock);
        _keys = new IssuerKeys(() => IssuerKeys.FetchAsync(http, metadata.JwksUri), clock);
    }

    /// <summary>What the SIM-S said about itself.</summary>
    public SimMetadata Metadata { get; }

    internal string ClientId => _options.ClientId;

    /// <summary>Fetches the SIM-S's metadata. Without them there is no client.</summary>
    /// <exception cref="ArgumentException">The issuer is no https URL, or the leeway is not 0 to 30 s.</exception>
    public static async Task<ClientResult<SimClient>> DiscoverAsync(HttpClient http, SimClientOptions options, TimeProvider clock, CancellationToken cancel)
    {
        if (options.Leeway < TimeSpan.Zero || options.Leeway > TimeSpan.FromSeconds(30))
            throw new ArgumentException("The leeway is 0 to 30 seconds (TS 33.434 table A.2.1.2-1).", nameof(options));
        var address = SimMetadata.AddressOf(options.Issuer)
            ?? throw new ArgumentException("The issuer is an https URL without query and fragment.", nameof(options));
        return (await SimMetadata.FetchAsync(http, address, options.Issuer, cancel)).Succeeded(out var metadata, out var failure)
            ? new SimClient(http, options, options.Credential.IsOfConnection ? metadata.AtMtls() : metadata, clock)
            : failure;
    }

    /// <summary>A new request, to be opened in the user's browser (step 2 of figure 5.2.4-1).</summary>
    public AuthenticationRequest NewRequest(ScopeList scope) => AuthenticationRequest.Create(Metadata, _options, scope);

    /// <summary>Reads the address that the browser was sent to (step 4). Ignored answers are never exchanged: there is no way to.</summary>
    public AuthenticationResponse ReadResponse(AuthenticationRequest request, string callback) =>
        AuthenticationResponse.Read(request, Metadata, callback);

    /// <summary>
    /// A whole sign-in of a native client (RFC 8252): listens on the loopback address of the redirect URI, lets the user's browser be
    /// opened, waits for the answer to this request and exchanges its code. What is not the answer is dropped, and the wait goes on until
    /// <paramref name="cancel"/> ends it: give it a time.
    /// </summary>
    /// <param name="scope">What to ask for; <c>openid</c> is added.</param>
    /// <param name="openBrowser">Shows the address to the user, in the browser and not in a view of the program's own.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="ArgumentException">The redirect URI is not http on a loopback literal.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The port of the redirect URI is taken.</exception>
    [Spec("TS 33.434", "A.4.2.3")]
    public async Task<ClientResult<TokenSet>> SignInAsync(ScopeList scope, Func<Uri, CancellationToken, Task> openBrowser, CancellationToken cancel)
    {
        using var redirect = LoopbackRedirect.Listen(_options.RedirectUri);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var request = AuthenticationRequest.Create(Metadata, _options with { RedirectUri = redirect.Address }, scope);
        var waiting = redirect.WaitAsync(callback => ReadResponse(request, callback), over.Token);
        try
        {
            await openBrowser(request.Address, cancel);
            return await waiting switch
            {
                AuthenticationResponse.Code code => await ExchangeAsync(code, cancel),
                AuthenticationResponse.Denied denied => denied.Error,
                _ => throw new System.Diagnostics.UnreachableException("an ignored response ends no wait"),
            };
        }
        finally
        {
            await over.CancelAsync();
            await ((Task)waiting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Exchanges a code for tokens (steps 5 and 6) and checks the ID token.</summary>
    [Spec("TS 33.434", "A.4.2.4")]
    public async Task<ClientResult<TokenSet>> ExchangeAsync(AuthenticationResponse.Code code, CancellationToken cancel)
    {
        var before = _clock.GetUtcNow();
        var answer = await PostAsync(Metadata.TokenEndpoint,
        [
            new("grant_type", "authorization_code"),
            new("code", code.Text.Reveal()),
            new("redirect_uri", code.Request.RedirectUri),
            new("code_verifier", code.Request.CodeVerifier.Reveal()),
        ], cancel);
        if (!TokenAnswer.Read(answer).Succeeded(out var tokens, out var failure))
            return failure;
        if (tokens.IdToken is null)
            return new BadAnswer("an id_token, as openid was asked for", "none");
        var expected = new IdTokenExpectation(Metadata.Issuer, _options.ClientId, tokens.AccessToken, _options.Leeway) { Nonce = code.Request.Nonce };
        if (!(await CheckIdTokenAsync(tokens.IdToken, expected, cancel)).Succeeded(out var idToken, out failure))
            return failure;
        return new TokenSet(tokens.AccessToken, idToken, tokens.RefreshToken, before.AddSeconds(tokens.ExpiresIn), tokens.Scope ?? code.Request.Scope);
    }

    /// <summary>A token in the client's own name (client_credentials), as a VAL server needs to ask for key material; no user takes part.</summary>
    /// <param name="scope">What to ask for; empty asks for all that the registration allows.</param>
    /// <param name="cancel">Ends the wait.</param>
    [Spec("RFC 6749", "4.4")]
    public async Task<ClientResult<OwnToken>> OwnTokenAsync(ScopeList scope, CancellationToken cancel)
    {
        var before = _clock.GetUtcNow();
        List<KeyValuePair<string, string>> form = [new("grant_type", "client_credentials")];
        if (scope.Count > 0)
            form.Add(new("scope", scope.Text));
        if (!TokenAnswer.Read(await PostAsync(Metadata.TokenEndpoint, form, cancel)).Succeeded(out var tokens, out var failure))
            return failure;
        return new OwnToken(tokens.AccessToken, before.AddSeconds(tokens.ExpiresIn), tokens.Scope ?? scope);
    }

    /// <summary>New tokens without a new login; a scope asked for is equal to or less than the one granted.</summary>
    /// <exception cref="ArgumentException">There is no refresh token.</exception>
    [Spec("TS 33.434", "A.5")]
    public async Task<ClientResult<TokenSet>> RefreshAsync(TokenSet held, ScopeList? scope, CancellationToken cancel)
    {
        if (held.RefreshToken is null)
            throw new ArgumentException("The set holds no refresh token.", nameof(held));
        var before = _clock.GetUtcNow();
        List<KeyValuePair<string, string>> form = [new("grant_type", "refresh_token"), new("refresh_token", held.RefreshToken.Reveal())];
        if (scope is not null)
            form.Add(new("scope", scope.Text));
        if (!TokenAnswer.Read(await PostAsync(Metadata.TokenEndpoint, form, cancel)).Succeeded(out var tokens, out var failure))
            return failure;
        var idToken = held.IdToken;
        if (tokens.IdToken is not null)
        {
            // OpenID Connect Core 12.2: the same user as before; there is no nonce to compare.
            var expected = new IdTokenExpectation(Metadata.Issuer, _options.ClientId, tokens.AccessToken, _options.Leeway) { Subject = held.IdToken.Subject };
            if (!(await CheckIdTokenAsync(tokens.IdToken, expected, cancel)).Succeeded(out idToken, out failure))
                return failure;
        }
        return new TokenSet(tokens.AccessToken, idToken, tokens.RefreshToken ?? held.RefreshToken, before.AddSeconds(tokens.ExpiresIn),
            tokens.Scope ?? scope ?? held.Scope);
    }

    /// <summary>Ends a token (RFC 7009). Null when the SIM-S said so; it says so for unknown tokens too.</summary>
    [Spec("RFC 7009", "2.1")]
    public async Task<ClientFailure?> RevokeAsync(TokenText token, CancellationToken cancel)
    {
        if (Metadata.RevocationEndpoint is not { } endpoint)
            return new BadAnswer("a revocation_endpoint in the metadata", "none");
        var answer = await PostAsync(endpoint, [new("token", token.Reveal())], cancel);
        return answer.Status == 200 ? null : OAuthErrors.Read(answer);
    }

    /// <summary>As a resource server: asks the SIM-S whether a token stands (RFC 7662). Everything but a clear yes is a no.</summary>
    [Spec("RFC 7662", "2.2")]
    public async Task<ClientResult<Introspection>> IntrospectAsync(TokenText token, CancellationToken cancel)
    {
        if (Metadata.IntrospectionEndpoint is not { } endpoint)
            return new BadAnswer("an introspection_endpoint in the metadata", "none");
        var answer = await PostAsync(endpoint, [new("token", token.Reveal())], cancel);
        return answer.Status == 200 ? Introspection.Read(answer) : OAuthErrors.Read(answer);
    }

    private async Task<ClientResult<IdToken>> CheckIdTokenAsync(string token, IdTokenExpectation expected, CancellationToken cancel)
    {
        if (!(await _keys.GetAsync(cancel)).Succeeded(out var keys, out var failure))
            return failure;
        var verdict = IdTokenCheck.Check(token, keys, expected, _clock.GetUtcNow());
        if (verdict.KeyUnknown)
        {
            if (!(await _keys.RefetchAsync(keys, cancel)).Succeeded(out keys, out failure))
                return failure;
            verdict = IdTokenCheck.Check(token, keys, expected, _clock.GetUtcNow());
        }
        return verdict.Token is { } checkedToken ? checkedToken : new BadAnswer("an ID token for this client", verdict.Refusal!);
    }

    /// <summary>"application/x-www-form-urlencoded ... UTF-8 in the HTTP request entity-body", client_id in it, and client authentication.</summary>
    private async Task<AnswerBody> PostAsync(Uri endpoint, IEnumerable<KeyValuePair<string, string>> parameters, CancellationToken cancel)
    {
        List<KeyValuePair<string, string>> form = [.. parameters, new("client_id", _options.ClientId)];
        using var request = new HttpRequestMessage(HttpMethod.Post, endpoint);
        _options.Credential.Put(request, form, _options.ClientId, Metadata.Issuer, _clock.GetUtcNow());
        request.Content = new FormUrlEncodedContent(form);
        return await AnswerBody.SendAsync(_http, request, AnswerBody.MaxLength, cancel);
    }
}
