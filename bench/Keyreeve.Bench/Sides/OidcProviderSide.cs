using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Keyreeve.Bench.Load;
using Keyreeve.Bench.World;

namespace Keyreeve.Bench.Sides;

/// <summary>node's oidc-provider, in memory, over HTTPS: bench/peers/oidc-provider, installed from its lock file at the first run.</summary>
internal sealed class OidcProviderSide : Side
{
    /// <summary>Browsers that are signed in, a few to each connection.</summary>
    private const int Browsers = 256;

    private static readonly string Authorization = "Basic " + Convert.ToBase64String("bench-client:bench-secret"u8);

    private readonly CodeFlow _flow = new("/auth", "/token", "bench-client", Authorization, "https://rp.example/callback", BenchWorld.CodeScope);
    private readonly string[] _cookies = new string[Browsers];
    private readonly string[] _refreshTokens = new string[Browsers];

    private OidcProviderSide(MeasuredProcess process)
        : base("oidc-provider", process)
    {
    }

    /// <summary>The side, or why there is none.</summary>
    public static async Task<(OidcProviderSide? Side, string? Missing)> StartAsync(DirectoryInfo folder)
    {
        var peer = Path.Combine(Built.Root, "bench", "peers", "oidc-provider");
        try
        {
            if (!Directory.Exists(Path.Combine(peer, "node_modules", "oidc-provider")))
                await InstallAsync(peer);
            var own = folder.CreateSubdirectory("oidc-provider").FullName;
            WriteCertificate(own);
            var side = new OidcProviderSide(await MeasuredProcess.StartAsync("node", own, "cert.pem", Path.Combine(peer, "server.mjs"), own));
            await side.SignInAsync();
            return (side, null);
        }
        catch (Exception e) when (e is BenchException or System.ComponentModel.Win32Exception)
        {
            return (null, e is BenchException ? e.Message : "node or npm is missing: apt-get install nodejs npm");
        }
    }

    /// <summary>As pinned.</summary>
    public static string Version() => "oidc-provider " + System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(Built.Root, "bench", "peers", "oidc-provider", "package.json")))
        .RootElement.GetProperty("dependencies").GetProperty("oidc-provider").GetString();

    public override Act? ActFor(Row row) => row.Work switch
    {
        Work.CodeFlow => (connection, visitor) => _flow.RunAsync(connection, _cookies[visitor.Draw(Browsers)]),
        Work.Refresh => async (connection, visitor) =>
        {
            var i = visitor.Draw(Browsers);
            var answer = await connection.AskAsync(Request.Form("/token", Authorization, "grant_type=refresh_token&refresh_token=" + _refreshTokens[i]));
            Acts.Demand(answer, 200, "\"access_token\"");
            _refreshTokens[i] = answer.Member("refresh_token");
        }
        ,
        _ => null,
    };

    /// <summary>Each browser goes once through the interaction, which signs in whoever comes, and gets its first refresh token.</summary>
    private async Task SignInAsync()
    {
        using var connection = await Connection.OpenAsync(Process.Address, Process.Roots);
        for (var i = 0; i < Browsers; i++)
        {
            var jar = new Dictionary<string, string>();
            var target = _flow.Target;
            Answer answer;
            do
            {
                answer = await connection.AskAsync(Request.Get(target, string.Join("; ", jar.Select(c => c.Key + "=" + c.Value))));
                foreach (var cookie in answer.Headers("Set-Cookie"))
                    jar[cookie[..cookie.IndexOf('=')]] = cookie[(cookie.IndexOf('=') + 1)..cookie.IndexOf(';')];
                target = new Uri(Process.Address, answer.Header("Location") ?? throw new BenchException($"oidc-provider: no redirection but {answer}")).PathAndQuery;
            }
            while (!target.StartsWith("/callback", StringComparison.Ordinal));
            _cookies[i] = string.Join("; ", jar.Where(c => c.Key.StartsWith("_session", StringComparison.Ordinal)).Select(c => c.Key + "=" + c.Value));
            _refreshTokens[i] = await _flow.RedeemAsync(connection, CodeFlow.CodeOf(answer));
        }
    }

    private static async Task InstallAsync(string folder)
    {
        var start = new ProcessStartInfo("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var npm = System.Diagnostics.Process.Start(start)!;
        var error = npm.StandardError.ReadToEndAsync();
        await npm.StandardOutput.ReadToEndAsync();
        await npm.WaitForExitAsync();
        if (npm.ExitCode != 0)
            throw new BenchException("npm ci could not install oidc-provider: " + ((await error).Split('\n').FirstOrDefault(l => l.StartsWith("npm error code", StringComparison.Ordinal)) ?? $"exit code {npm.ExitCode}"));
    }

    private static void WriteCertificate(string folder)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddMinutes(-5), now.AddDays(1));
        File.WriteAllText(Path.Combine(folder, "cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "key.pem"), key.ExportPkcs8PrivateKeyPem());
    }
}
