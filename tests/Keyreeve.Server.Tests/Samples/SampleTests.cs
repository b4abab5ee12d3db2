using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Samples;

/// <summary>The samples as their readers run them: a VAL server and a native client, beside a server of the demo. The test plays the browser.</summary>
public sealed class SampleTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Proves("TS 33.434", "5.2.5")]
    public async Task A_user_signs_in_calls_the_VAL_server_and_fetches_key_material()
    {
        await using var server = await _folder.StartDemoAsync();
        var issuer = (string)_folder.Demo["issuer"]!;
        await using var valServer = new Program("ValServer", [], "--issuer", issuer, "--ca", _folder.File("ca.pem"), "--urls", "http://127.0.0.1:0");
        var address = (await valServer.LineAsync("Now listening on: ")) + "/pumps";
        var secret = (string)_folder.Demo["clients"]!.AsArray().Single(c => (string)c!["clientId"]! == "seal-client")!["clientSecret"]!;
        await using var client = new Program("SimClient", [("KEYREEVE_CLIENT_SECRET", secret)], issuer, _folder.File("ca.pem"), address);
        var browser = new ProgramClient(_folder);
        using (browser.Http)
        {
            var callback = await browser.BrowseAsync(issuer + await client.LineAsync(issuer));
            using var loopback = new HttpClient();
            Assert.Equal(HttpStatusCode.OK, (await loopback.GetAsync(callback, TestContext.Current.CancellationToken)).StatusCode);
        }
        Assert.Equal(0, await client.ExitAsync());
        Assert.Contains("signed in: sip:alice@val.example", client.Output, StringComparison.Ordinal);
        Assert.Contains("VAL server: 200 sip:alice@val.example sees pump 1, which runs", client.Output, StringComparison.Ordinal);
        Assert.Contains("key material: ", client.Output, StringComparison.Ordinal);
        Assert.Contains("signed out", client.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, client.Output + valServer.Output, StringComparison.Ordinal);
        await RefusedAsync(address);
    }

    [Fact]
    [Proves("TS 33.434", "5.1.1.4")]
    public async Task With_a_folder_for_keys_key_requests_are_signed_and_key_material_comes_encrypted()
    {
        await using var server = await _folder.StartDemoAsync();
        var issuer = (string)_folder.Demo["issuer"]!;
        var secret = (string)_folder.Demo["clients"]!.AsArray().Single(c => (string)c!["clientId"]! == "seal-client")!["clientSecret"]!;
        var keys = Path.Combine(_folder.Root, "keys");
        string[] arguments = [issuer, _folder.File("ca.pem"), issuer + "/healthz", keys];
        await using (var first = new Program("SimClient", [("KEYREEVE_CLIENT_SECRET", secret)], arguments))
        {
            Assert.Equal(0, await first.ExitAsync());
            var register = first.Output.Split('\n').Single(l => l.StartsWith("keyreeve admin ", StringComparison.Ordinal)).Trim().Split(' ')[2..];
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(keys, "signing.pem")));
            await using var admin = KeyreeveProcess.Start(["admin", .. register, "--data", _folder.Data]);
            Assert.Equal(0, await admin.ExitAsync(TimeSpan.FromSeconds(60)));
        }
        await using var client = new Program("SimClient", [("KEYREEVE_CLIENT_SECRET", secret)], arguments);
        var browser = new ProgramClient(_folder);
        using (browser.Http)
        {
            var callback = await browser.BrowseAsync(issuer + "/authorize" + await client.LineAsync(issuer + "/authorize"));
            using var loopback = new HttpClient();
            Assert.Equal(HttpStatusCode.OK, (await loopback.GetAsync(callback, TestContext.Current.CancellationToken)).StatusCode);
            Assert.Equal(0, await client.ExitAsync());
            Assert.Contains("key material, asked for signed and received encrypted: ", client.Output, StringComparison.Ordinal);
            // Who has the user's token and not the key asks in vain.
            var tokens = await browser.SignInAsync();
            using var request = new HttpRequestMessage(HttpMethod.Post, issuer + "/seal/km/v1/requests") { Content = new StringContent("{}", Encoding.UTF8, "application/json") };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)tokens["access_token"]!);
            using var refused = await browser.Http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        }
    }

    /// <summary>Without a token, and with one for something else.</summary>
    private async Task RefusedAsync(string address)
    {
        using var user = new ProgramClient(_folder);
        using var http = new HttpClient();
        var nobody = await http.GetAsync(address, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (nobody.StatusCode, nobody.Headers.WwwAuthenticate.Single().Scheme));
        var narrow = await user.TokenAsync(new() { ["grant_type"] = "refresh_token", ["refresh_token"] = (string)(await user.SignInAsync())["refresh_token"]!, ["scope"] = "openid seal:key_management" });
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)narrow["access_token"]!);
        var other = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, other.StatusCode);
        Assert.Contains("error=\"invalid_token\"", other.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
    }

    /// <summary>A built sample, gone when this is disposed.</summary>
    private sealed class Program : IAsyncDisposable
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

        private readonly Process _process;
        private readonly StringBuilder _output = new();

        public Program(string name, (string Name, string Value)[] environment, params string[] arguments)
        {
            var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
            start.ArgumentList.Add(Path.Combine(Repository.Root(), "samples", name, "bin/Release/net10.0", $"Keyreeve.Samples.{name}.dll"));
            foreach (var argument in arguments)
                start.ArgumentList.Add(argument);
            foreach (var (variable, value) in environment)
                start.Environment[variable] = value;
            _process = new Process { StartInfo = start };
            _process.OutputDataReceived += (_, line) => Take(line.Data);
            _process.ErrorDataReceived += (_, line) => Take(line.Data);
            _process.Start();
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
        }

        public string Output
        {
            get
            {
                lock (_output)
                    return _output.ToString();
            }
        }

        /// <summary>The rest of the first line that has the text.</summary>
        public async Task<string> LineAsync(string text)
        {
            for (var since = Stopwatch.StartNew(); since.Elapsed < Patience && !_process.HasExited; await Task.Delay(50, TestContext.Current.CancellationToken))
                if (Output.Split('\n').FirstOrDefault(l => l.Contains(text, StringComparison.Ordinal)) is { } line)
                    return line[(line.IndexOf(text, StringComparison.Ordinal) + text.Length)..].Trim();
            Assert.Fail($"the sample does not say \"{text}\": {Output}");
            return "";
        }

        public async Task<int> ExitAsync()
        {
            await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience);
            return _process.ExitCode;
        }

        public async ValueTask DisposeAsync()
        {
            if (!_process.HasExited)
                _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None);
            _process.Dispose();
        }

        private void Take(string? line)
        {
            lock (_output)
                _output.AppendLine(line);
        }
    }
}
