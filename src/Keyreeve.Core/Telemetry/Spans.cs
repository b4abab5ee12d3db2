using System.Diagnostics;

namespace Keyreeve.Core.Telemetry;

/// <summary>
/// The spans of this product: a closed list, written down in docs/operations.md. A span tells what was done and how long it took,
/// never for whom: no name, address, token or identifier of a peer goes into one.
/// </summary>
public static class Spans
{
    /// <summary>The name of the activity source.</summary>
    public const string Source = "Keyreeve";

    /// <summary>Finding and checking the client of a request.</summary>
    public const string AuthenticateClient = "client.authenticate";

    /// <summary>Looking a code up and deciding on it.</summary>
    public const string DecideCode = "decide.authorization_code";

    /// <summary>Looking a refresh token up and deciding on it.</summary>
    public const string DecideRefresh = "decide.refresh_token";

    /// <summary>Deciding on a client's own grant.</summary>
    public const string DecideClientCredentials = "decide.client_credentials";

    /// <summary>Checking the tokens of an exchange and deciding on it.</summary>
    public const string DecideExchange = "decide.token_exchange";

    /// <summary>Checking an assertion of a registered issuer and deciding on it.</summary>
    public const string DecideAssertion = "decide.jwt_bearer";

    /// <summary>Deciding what an authorization request leads to.</summary>
    public const string DecideAuthorize = "decide.authorize";

    /// <summary>Deciding on a key request.</summary>
    public const string DecideKeyRequest = "decide.km_request";

    /// <summary>Making and signing the tokens of an answer.</summary>
    public const string MintTokens = "tokens.mint";

    /// <summary>Waiting for a turn and checking a password.</summary>
    public const string CheckPassword = "password.check";

    /// <summary>Reading from the store, waiting for a connection included.</summary>
    public const string StoreRead = "store.read";

    /// <summary>Writing to the store, from the queue to the disk.</summary>
    public const string StoreWrite = "store.write";

    private static readonly ActivitySource Own = new(Source);

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [AuthenticateClient, DecideCode, DecideRefresh, DecideClientCredentials, DecideExchange, DecideAssertion, DecideAuthorize, DecideKeyRequest, MintTokens, CheckPassword, StoreRead, StoreWrite];

    /// <summary>True inside a request that is traced; all others pay for this look and nothing more.</summary>
    public static bool AreRecorded => Activity.Current is { Recorded: true };

    /// <summary>Starts one inside a traced request; null in every other. Dispose ends it. Call it from an async method or a block that disposes: what is current flows.</summary>
    public static Activity? Start(string name) => AreRecorded ? Own.StartActivity(name) : null;
}
