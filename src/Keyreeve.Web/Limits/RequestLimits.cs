using System.Net;
using System.Net.Sockets;
using Keyreeve.Core.Limits;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Limits;

/// <summary>The rates of <see cref="RequestLimits"/>; null switches one off. Their defaults stand with the other settings.</summary>
public sealed record LimitSettings
{
    /// <summary>Requests of one source to the endpoints where credentials are presented.</summary>
    public Rate? PerSource { get; init; }

    /// <summary>Requests of one client, once it is authenticated.</summary>
    public Rate? PerClient { get; init; }

    /// <summary>Failed authentications of one source under one client's name.</summary>
    public Rate? FailuresPerClient { get; init; }

    /// <summary>Failed authentications of one source under any name.</summary>
    public Rate? FailuresPerSource { get; init; }

    /// <summary>Login attempts of one source.</summary>
    public Rate? Logins { get; init; }
}

/// <summary>
/// Keeps one caller from being all callers, and guessing slow. A failure is counted against the source together with the name it gave:
/// nobody can lock a client out by failing in its name from elsewhere, and a machine with an old secret locks out only itself.
/// Counted on each node alone.
/// </summary>
[Spec("RFC 6819", "5.1.4.2.2")]
public sealed class RequestLimits(LimitSettings settings, TimeProvider clock)
{
    private readonly RateMeter? _sources = Of(settings.PerSource, clock);
    private readonly RateMeter? _clients = Of(settings.PerClient, clock);
    private readonly RateMeter? _failuresAsClient = Of(settings.FailuresPerClient, clock);
    private readonly RateMeter? _failures = Of(settings.FailuresPerSource, clock);
    private readonly RateMeter? _logins = Of(settings.Logins, clock);

    /// <summary>Before anything of the request is read: why it must wait, or null.</summary>
    public Refusal? Enter(HttpContext context)
    {
        var source = SourceOf(context.Connection.RemoteIpAddress);
        return Check(_failures, source, "failures of source") ?? Take(_sources, source, "requests of source");
    }

    /// <summary>Before the credential of a client is checked: why it must wait, or null.</summary>
    public Refusal? EnterAs(HttpContext context, string clientId) =>
        Check(_failuresAsClient, Pair(context, clientId), "failures of source and client");

    /// <summary>Once the client has authenticated: why it must wait, or null. A public client proves nothing, so its source counts for it.</summary>
    public Refusal? Take(HttpContext context, string clientId, bool isPublic) =>
        Take(_clients, isPublic ? Pair(context, clientId) : clientId, "requests of client");

    /// <summary>
    /// With an access token: why its bearer must wait, or null. A user's token is in a user's hands, so its source counts for it: of all who
    /// use an application, one must not take the rate of the others.
    /// </summary>
    public Refusal? Take(HttpContext context, VerifiedToken token) => Take(context, token.ClientId, isPublic: !token.IsClients);

    /// <summary>A credential, code or refresh token was wrong.</summary>
    public void Failed(HttpContext context, string? clientId)
    {
        _failures?.Charge(SourceOf(context.Connection.RemoteIpAddress));
        if (clientId is not null)
            _failuresAsClient?.Charge(Pair(context, clientId));
    }

    /// <summary>Before a password or another proof of a person is checked: why it must wait, or null. Accounts have a lock-out of their own.</summary>
    public Refusal? EnterLogin(HttpContext context) => Take(_logins, SourceOf(context.Connection.RemoteIpAddress), "logins of source");

    /// <summary>Whoever has an IPv6 address has 2^64 of them: the first 64 bits are the source.</summary>
    public static string SourceOf(IPAddress? address)
    {
        if (address is null)
            return "unknown";
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
            return address.ToString();
        var octets = address.GetAddressBytes();
        octets.AsSpan(8).Clear();
        return new IPAddress(octets) + "/64";
    }

    private static RateMeter? Of(Rate? rate, TimeProvider clock) => rate is null ? null : new(rate, clock);

    // A client_id has no line feed; a long one is one that no client has.
    private static string Pair(HttpContext context, string clientId) =>
        SourceOf(context.Connection.RemoteIpAddress) + "\n" + (clientId.Length <= 255 ? clientId : clientId[..255]);

    private static Refusal? Check(RateMeter? meter, string caller, string what) =>
        meter is not null && meter.IsSpent(caller, out var wait) ? Wait(caller, what, wait) : null;

    private static Refusal? Take(RateMeter? meter, string caller, string what) =>
        meter is null || meter.TryTake(caller, out var wait) ? null : Wait(caller, what, wait);

    private static Refusal Wait(string caller, string what, TimeSpan wait) =>
        new(RefusalCode.TooManyRequests, "too many requests; wait as Retry-After says", $"too many {what} {caller.Replace('\n', ' ')}: see the settings under Limits") { RetryAfter = wait };
}
