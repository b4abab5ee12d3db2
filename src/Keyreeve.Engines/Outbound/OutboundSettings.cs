using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Engines.Outbound;

/// <summary>What the operator says about connections the server makes.</summary>
public sealed record OutboundSettings
{
    /// <summary>Networks that may be reached although they are not public.</summary>
    public IReadOnlyList<IPNetwork> AllowedNetworks { get; init; } = [];

    /// <summary>Plain http to addresses in <see cref="AllowedNetworks"/>, and to no others.</summary>
    public bool AllowHttp { get; init; }

    /// <summary>The only roots that servers' certificates may chain to.</summary>
    public X509Certificate2Collection TrustAnchors { get; init; } = [];

    /// <summary>From the resolver's answer to the end of the TLS handshake. Our choice.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>From the beginning to the last octet of the answer, however slowly it drips. Our choice.</summary>
    public TimeSpan TotalTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Octets of an answer's body. Our choice: a key set of 256 KiB is the largest thing that is fetched.</summary>
    public int MaxBody { get; init; } = 256 * 1024;
}

/// <summary>Why there is no answer. Names for operators and metrics; none says more than the class of the failure.</summary>
public enum OutboundFailure
{
    /// <summary>The address is not one that the server connects to by its form.</summary>
    TargetRefused,

    /// <summary>The name leads to an address that the server does not connect to.</summary>
    AddressRefused,

    /// <summary>The name does not resolve.</summary>
    NameUnknown,

    /// <summary>Nobody listens there, or the way is closed.</summary>
    ConnectFailed,

    /// <summary>The handshake failed, or the certificate is not trusted or not of that name.</summary>
    TlsFailed,

    /// <summary>Not done in time.</summary>
    TimedOut,

    /// <summary>The answer is larger than it may be.</summary>
    TooLarge,

    /// <summary>The answer is not HTTP, or ended too early.</summary>
    BrokenAnswer,
}

/// <summary>A whole answer.</summary>
/// <param name="Status">HTTP status. A redirect is an answer like another: it is never followed.</param>
/// <param name="MediaType">Of the body, without parameters, or null.</param>
/// <param name="Body">At most <see cref="OutboundSettings.MaxBody"/> octets. Written by a stranger.</param>
/// <param name="RetryAfter">What the answer says, not negative, or null.</param>
public sealed record OutboundAnswer(int Status, string? MediaType, byte[] Body, TimeSpan? RetryAfter);

/// <summary>An answer, or why there is none.</summary>
public readonly record struct OutboundResult(OutboundAnswer? Answer, OutboundFailure? Failure);
