using System.Net;
using System.Net.Sockets;

namespace Keyreeve.Engines.Outbound;

/// <summary>
/// Which addresses the server may connect to when somebody else named them: public unicast ones, and those of the networks that the
/// operator allowed. Everything that is not known to be public is refused (IANA's special-purpose registries, and what clouds put
/// beside them).
/// </summary>
public sealed class AddressGuard
{
    /// <summary>Never a destination, whatever is allowed: connecting to "unspecified" reaches this machine, the others are no single host.</summary>
    private static readonly IPNetwork[] Never = Networks("0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/128", "ff00::/8");

    private static readonly IPNetwork[] NotPublic4 = Networks(
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // private (RFC 1918)
        "100.64.0.0/10", // shared by carrier NATs (RFC 6598); one cloud's metadata is in it
        "127.0.0.0/8", "169.254.0.0/16", // this machine; link-local, where most clouds' metadata is
        "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", // protocol assignments (and a cloud's metadata), 6to4 relays, reserved
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", // documentation, benchmarking
        "168.63.129.16/32"); // public by its number, but a cloud's own service answers there to its machines

    /// <summary>Global unicast. What lies outside is unique local, link-local, site-local, loopback, multicast, or not given to anybody.</summary>
    private static readonly IPNetwork Global6 = IPNetwork.Parse("2000::/3");

    private static readonly IPNetwork[] NotPublic6 = Networks(
        "2001::/23", // protocol assignments, Teredo among them: it carries an IPv4 address that somebody else chose
        "2001:db8::/32", "3fff::/20", // documentation
        "2002::/16"); // 6to4: the same, and deprecated (RFC 7526)

    /// <summary>NAT64's well-known prefix: the last 32 bits are where it really goes (RFC 6052).</summary>
    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");

    private readonly IPNetwork[] _allowed;

    /// <param name="allowed">Networks that may be reached although they are not public.</param>
    public AddressGuard(IEnumerable<IPNetwork> allowed) => _allowed = [.. allowed];

    /// <summary>True when the server may connect to the address.</summary>
    public bool Allows(IPAddress address) => IsListed(address) || IsPublic(address);

    /// <summary>True when the address is in a network that the operator named.</summary>
    public bool IsListed(IPAddress address)
    {
        var plain = Plain(address);
        return !IsIn(Never, plain) && IsIn(_allowed, plain);
    }

    /// <summary>True for unicast addresses of the public Internet.</summary>
    public static bool IsPublic(IPAddress address)
    {
        var plain = Plain(address);
        if (IsIn(Never, plain))
            return false;
        if (plain.AddressFamily == AddressFamily.InterNetwork)
            return !IsIn(NotPublic4, plain);
        if (plain.AddressFamily != AddressFamily.InterNetworkV6)
            return false;
        if (Nat64.Contains(plain))
            return IsPublic(LastFour(plain));
        return Global6.Contains(plain) && !IsIn(NotPublic6, plain) && (!IsIsatap(plain) || IsPublic(LastFour(plain)));
    }

    /// <summary>An IPv4 address however it was dressed; without a zone, which only says by which interface.</summary>
    private static IPAddress Plain(IPAddress address) => address switch
    {
        { IsIPv4MappedToIPv6: true } => address.MapToIPv4(),
        { AddressFamily: AddressFamily.InterNetworkV6, ScopeId: not 0 } => new IPAddress(address.GetAddressBytes()),
        _ => address,
    };

    private static IPAddress LastFour(IPAddress address) => new(address.GetAddressBytes().AsSpan(12));

    /// <summary>An interface identifier that tunnels to an IPv4 address (RFC 5214 6.1).</summary>
    private static bool IsIsatap(IPAddress address)
    {
        var octets = address.GetAddressBytes();
        return octets[8] is 0x00 or 0x02 && octets[9] == 0 && octets[10] == 0x5e && octets[11] == 0xfe;
    }

    private static bool IsIn(IPNetwork[] networks, IPAddress address)
    {
        foreach (var network in networks)
            if (network.Contains(address))
                return true;
        return false;
    }

    private static IPNetwork[] Networks(params ReadOnlySpan<string> texts)
    {
        var networks = new IPNetwork[texts.Length];
        for (var i = 0; i < texts.Length; i++)
            networks[i] = IPNetwork.Parse(texts[i]);
        return networks;
    }
}
