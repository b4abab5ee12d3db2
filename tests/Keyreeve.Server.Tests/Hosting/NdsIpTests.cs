using System.Diagnostics;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Hosting;

/// <summary>NDS/IP: the configuration in docs/operations.md in a real strongSwan, and what the doctor says of the kernel's policies.</summary>
public sealed class NdsIpTests : IDisposable
{
    private const string Both = """
        src 10.1.0.0/24 dst 10.7.0.0/16 
        	dir out priority 379520 ptype main 
        	tmpl src 192.0.2.1 dst 198.51.100.1
        		proto esp reqid 1 mode tunnel
        src 10.7.0.0/16 dst 10.1.0.0/24 
        	dir in priority 379520 ptype main 
        	tmpl src 198.51.100.1 dst 192.0.2.1
        		proto esp reqid 1 mode tunnel
        src 0.0.0.0/0 dst 0.0.0.0/0 
        	socket in priority 0 ptype main 

        """;

    private const string Charon = "/usr/lib/ipsec/charon";

    private readonly TempFolder _folder = new();

    public static TheoryData<string, string, string> Kernels => new()
    {
        { Both, "10.7.0.0/16", "ok   traffic to and from 10.7.0.0/16 goes through IPsec" },
        { Both, "10.7.5.0/24", "ok   traffic to and from 10.7.5.0/24 goes through IPsec" },
        { Both, "10.0.0.0/8", "BAD  traffic to and from 10.0.0.0/8 goes in the clear" },
        { Both, "10.8.0.0/16", "BAD  traffic to and from 10.8.0.0/16 goes in the clear" },
        { Both, "fd12::/64", "BAD  traffic to and from fd12::/64 goes in the clear" },
        { Both.Replace("dir in", "dir fwd", StringComparison.Ordinal), "10.7.0.0/16", "BAD  traffic from 10.7.0.0/16 is taken in the clear" },
        { Both.Replace("dir out", "dir fwd", StringComparison.Ordinal), "10.7.0.0/16", "BAD  traffic to 10.7.0.0/16 goes in the clear" },
        { Both.Replace("proto esp", "proto ah", StringComparison.Ordinal), "10.7.0.0/16", "BAD  traffic to and from 10.7.0.0/16 goes in the clear" },
        { "", "10.7.0.0/16", "BAD  traffic to and from 10.7.0.0/16 goes in the clear" },
        { "src junk dst 10.7.0.0/16 \n\tdir out\n\t\tproto esp\n", "10.7.0.0/16", "BAD  traffic to and from 10.7.0.0/16 goes in the clear" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Kernels))]
    public async Task The_doctor_reads_the_kernels_policies(string policies, string peer, string expected)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder.Root, "policies"), policies, TestContext.Current.CancellationToken);
        var (code, output) = await DoctorAsync(peer, $"#!/bin/sh\ncat '{_folder.Root}/policies'\n");
        Assert.Contains(expected, output, StringComparison.Ordinal);
        if (expected.StartsWith("BAD", StringComparison.Ordinal))
            Assert.Equal(1, code);
    }

    [Fact]
    public async Task What_it_may_not_ask_the_doctor_does_not_claim()
    {
        var (_, output) = await DoctorAsync("10.7.0.0/16", "#!/bin/sh\necho 'RTNETLINK answers: Operation not permitted' >&2\nexit 2\n");
        Assert.Contains("note whether traffic to the networks of NdsIp:Peers goes through IPsec is not known", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_configuration_of_the_manual_loads_into_strongSwan_and_the_doctor_finds_its_policies()
    {
        Assert.SkipUnless(File.Exists(Charon) && Find("swanctl") && Find("ip") && Find("unshare"),
            "strongSwan is missing: apt-get install strongswan-swanctl strongswan-charon libstrongswan-standard-plugins iproute2");
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "IPsec policies are set by root alone");
        var root = _folder.Root;
        using (var openssl = new OpenSslTool())
        {
            await openssl.Run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", $"{root}/seg-a.key", "-out", $"{root}/seg-a.pem", "-days", "2",
                "-subj", "/CN=seg-a.example", "-addext", "subjectAltName=DNS:seg-a.example");
        }
        var manual = await File.ReadAllTextAsync(Path.Combine(Repository.Root(), "docs/operations.md"), TestContext.Current.CancellationToken);
        var chapter = manual[manual.IndexOf("\n## NDS/IP\n", StringComparison.Ordinal)..];
        var configuration = chapter.Split("\n```\n")[1];
        Assert.StartsWith("connections {", configuration, StringComparison.Ordinal);
        // The files it names are of the gateway; here they are this test's.
        configuration = configuration.Replace("seg-a.pem", $"{root}/seg-a.pem", StringComparison.Ordinal).Replace("interconnect-ca.pem", $"{root}/seg-a.pem", StringComparison.Ordinal);
        await File.WriteAllTextAsync($"{root}/seal.conf", configuration, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync($"{root}/strongswan.conf", $$"""
            charon {
              load = random nonce openssl sha1 sha2 hmac aes pem pkcs1 pkcs8 x509 pubkey constraints revocation kernel-netlink vici socket-default
              port = 0
              port_nat_t = 0
              plugins {
                vici {
                  socket = unix://{{root}}/vici
                }
              }
            }
            swanctl {
              load = pem pkcs1 pkcs8 x509 openssl random
            }
            """, TestContext.Current.CancellationToken);
        // In a network of its own: the machine's policies stay as they are, and end with it.
        await File.WriteAllTextAsync($"{root}/run.sh", $$"""
            export STRONGSWAN_CONF={{root}}/strongswan.conf
            {{Charon}} >{{root}}/charon.log 2>&1 & gateway=$!
            trap 'kill $gateway 2>/dev/null; wait $gateway 2>/dev/null' EXIT
            for i in $(seq 100); do [ -S {{root}}/vici ] && break; sleep 0.1; done
            dotnet {{AppContext.BaseDirectory}}Keyreeve.Server.dll doctor --data {{root}}/data
            swanctl --load-conns --file {{root}}/seal.conf --uri unix://{{root}}/vici || { cat {{root}}/charon.log; exit 9; }
            swanctl --list-conns --uri unix://{{root}}/vici
            dotnet {{AppContext.BaseDirectory}}Keyreeve.Server.dll doctor --data {{root}}/data
            """, TestContext.Current.CancellationToken);
        var output = await RunAsync("unshare", "--net", "sh", $"{root}/run.sh");
        Assert.SkipWhen(output.Contains("unshare: unshare failed", StringComparison.Ordinal), "no network namespace can be made here");
        Assert.Contains("successfully loaded 1 connections", output, StringComparison.Ordinal);
        Assert.Contains("seal: IKEv2", output, StringComparison.Ordinal);
        Assert.Contains("seal: TUNNEL", output, StringComparison.Ordinal);
        var before = output[..output.IndexOf("successfully loaded", StringComparison.Ordinal)];
        Assert.Contains("BAD  traffic to and from 10.7.0.0/16 goes in the clear", before, StringComparison.Ordinal);
        Assert.Contains("ok   traffic to and from 10.7.0.0/16 goes through IPsec", output[before.Length..], StringComparison.Ordinal);
    }

    private async Task<(int Code, string Output)> DoctorAsync(string peer, string ip)
    {
        var bin = Directory.CreateDirectory(Path.Combine(_folder.Root, "bin")).FullName;
        await File.WriteAllTextAsync(Path.Combine(bin, "ip"), ip, TestContext.Current.CancellationToken);
        File.SetUnixFileMode(Path.Combine(bin, "ip"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return await KeyreeveProcess.RunAsync(["doctor", "--data", _folder.Data],
            new Dictionary<string, string> { ["PATH"] = bin + ":" + Environment.GetEnvironmentVariable("PATH"), ["KEYREEVE__NdsIp__Peers"] = peer });
    }

    private static bool Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Append("/sbin").Any(folder => File.Exists(Path.Combine(folder, program)));

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["KEYREEVE__NdsIp__Peers"] = "10.7.0.0/16";
        using var process = Process.Start(start)!;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromMinutes(3));
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(patience.Token), process.StandardError.ReadToEndAsync(patience.Token));
            await process.WaitForExitAsync(patience.Token);
            return await output + await errors;
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
