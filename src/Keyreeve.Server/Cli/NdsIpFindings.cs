using System.ComponentModel;
using System.Diagnostics;
using System.Net;

namespace Keyreeve.Server.Cli;

/// <summary>
/// What <c>doctor</c> says of NDS/IP (TS 33.210): whether this machine's kernel sends traffic to the networks of the setting NdsIp:Peers through
/// IPsec, and takes from there nothing else. Where a security gateway does so for this machine, the check belongs there.
/// </summary>
internal static class NdsIpFindings
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>A policy of the kernel's (<c>ip xfrm policy</c>).</summary>
    /// <param name="Source">From where.</param>
    /// <param name="Destination">To where.</param>
    /// <param name="Direction">out, in or fwd.</param>
    /// <param name="Protects">True when what it concerns goes through ESP.</param>
    internal sealed record Policy(IPNetwork Source, IPNetwork Destination, string Direction, bool Protects);

    public static async Task<IReadOnlyList<Finding>> OfAsync(IReadOnlyList<IPNetwork> peers, CancellationToken cancel)
    {
        if (await ReadKernelAsync(cancel) is not { } text)
            return [new(false, "whether traffic to the networks of NdsIp:Peers goes through IPsec is not known", "run doctor as root, with iproute2 (apt-get install iproute2); or look on the security gateway: ip xfrm policy")];
        var policies = Read(text);
        return [.. peers.Select(peer => Judge(policies, peer))];
    }

    /// <summary>The decision for one network.</summary>
    internal static Finding Judge(IReadOnlyList<Policy> policies, IPNetwork peer)
    {
        var (sends, takes) = (policies.Any(p => p is { Direction: "out", Protects: true } && Holds(p.Destination, peer)), policies.Any(p => p is { Direction: "in", Protects: true } && Holds(p.Source, peer)));
        return (sends, takes) switch
        {
            (true, true) => new(false, $"traffic to and from {peer} goes through IPsec", ""),
            (false, false) => new(true, $"traffic to and from {peer} goes in the clear", "load the connection: swanctl --load-all (docs/operations.md, NDS/IP)"),
            (true, false) => new(true, $"traffic from {peer} is taken in the clear", "there is no policy 'dir in' for it: compare local_ts and remote_ts with the other gateway's"),
            (false, true) => new(true, $"traffic to {peer} goes in the clear", "there is no policy 'dir out' for it: compare local_ts and remote_ts with the other gateway's"),
        };
    }

    /// <summary>
    /// Reads what <c>ip xfrm policy</c> prints: for each policy a line <c>src NETWORK dst NETWORK</c>, then indented lines with <c>dir</c>, perhaps
    /// <c>action block</c>, and for each template <c>proto esp</c>. Policies of single sockets, which have no dir, are passed over.
    /// </summary>
    internal static IReadOnlyList<Policy> Read(string text)
    {
        var policies = new List<Policy>();
        Policy? policy = null;
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["src", var source, "dst", var destination, ..] && !char.IsWhiteSpace(line[0]))
            {
                Add();
                policy = IPNetwork.TryParse(source, out var from) && IPNetwork.TryParse(destination, out var to) ? new(from, to, "", Protects: false) : null;
            }
            else if (policy is not null)
            {
                for (var i = 0; i + 1 < words.Length; i++)
                {
                    if (words[i] == "dir")
                        policy = policy with { Direction = words[i + 1] };
                    else if (words[i] == "proto" && words[i + 1] == "esp")
                        policy = policy with { Protects = true };
                }
            }
        }
        Add();
        return policies;

        void Add()
        {
            if (policy is { Direction.Length: > 0 })
                policies.Add(policy);
        }
    }

    private static bool Holds(IPNetwork outer, IPNetwork inner) =>
        outer.BaseAddress.AddressFamily == inner.BaseAddress.AddressFamily && outer.PrefixLength <= inner.PrefixLength && outer.Contains(inner.BaseAddress);

    /// <summary>Null when the kernel cannot be asked.</summary>
    private static async Task<string?> ReadKernelAsync(CancellationToken cancel)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("ip", ["xfrm", "policy"]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true });
            if (process is null)
                return null;
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            limit.CancelAfter(Patience);
            var (output, _) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0 ? await output : null;
        }
        catch (Exception e) when (e is Win32Exception || e is OperationCanceledException && !cancel.IsCancellationRequested)
        {
            return null;
        }
    }
}
