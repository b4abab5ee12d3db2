using System.Net;
using System.Net.Sockets;
using Keyreeve.Server.Settings;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// The listeners' sockets, bound before anything else: so port 0 is known before the issuer is written down, a busy port is told
/// with its cure, and no half-started server is left behind.
/// </summary>
public sealed class BoundSockets : IDisposable
{
    private readonly Dictionary<string, Socket> _byName = new(StringComparer.Ordinal);

    /// <summary>Bound listeners by name.</summary>
    public IReadOnlyDictionary<string, IPEndPoint> EndPoints => _byName.ToDictionary(s => s.Key, s => (IPEndPoint)s.Value.LocalEndPoint!, StringComparer.Ordinal);

    /// <summary>Binds all that are on. A busy optional listener is reported and skipped; busy https is an error.</summary>
    public static BoundSockets Bind(IReadOnlyDictionary<string, ListenerAddress> listeners, Action<string> report)
    {
        var bound = new BoundSockets();
        foreach (var (name, address) in listeners)
        {
            if (address.IsOff)
                continue;
            var socket = new Socket(address.Host!.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(address.Host, address.Port));
                bound._byName.Add(name, socket);
            }
            catch (SocketException e)
            {
                socket.Dispose();
                var what = e.SocketErrorCode == SocketError.AddressAlreadyInUse ? "is in use" : $"cannot be bound ({e.SocketErrorCode})";
                if (name == "https")
                {
                    bound.Dispose();
                    throw new SettingsException($"{address} {what}. Stop what uses it, or choose another: --urls https://127.0.0.1:PORT, or the setting Listeners:https:Address");
                }
                report($"listener {name} is skipped: {address} {what}. The setting is Listeners:{name}:Address");
            }
        }
        return bound;
    }

    /// <summary>Gives the socket of an end point to Kestrel.</summary>
    public Socket Take(EndPoint endPoint) =>
        _byName.Values.First(s => s.LocalEndPoint!.Equals(endPoint));

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var socket in _byName.Values)
            socket.Dispose();
    }
}
