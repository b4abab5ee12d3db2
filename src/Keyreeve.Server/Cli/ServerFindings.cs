namespace Keyreeve.Server.Cli;

/// <summary>What <c>doctor</c> says of the server that runs on this folder, and of the key that opens its store.</summary>
internal static class ServerFindings
{
    /// <summary>The file that Seal:KeyFile names.</summary>
    public static Finding KeyFile(string file) =>
        !File.Exists(file) ? new(false, $"Seal:KeyFile: there is no file {file}", "a store that is sealed by it starts sealed: put it there, or open by keyreeve seal unseal")
        : (File.GetUnixFileMode(file) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != UnixFileMode.None ? new(true, $"{file} can be read by others", $"chmod 600 {file}")
        : new(false, $"{file} is readable by its owner only", "");

    /// <summary>What it answers at /readyz.</summary>
    /// <param name="health">Its listener, as HOST:PORT.</param>
    /// <param name="cancel">Stops the asking.</param>
    public static async Task<IReadOnlyList<Finding>> ReadinessAsync(string health, CancellationToken cancel)
    {
        try
        {
            using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
            using var answer = await http.GetAsync($"http://{health}/readyz", cancel);
            var lines = (await answer.Content.ReadAsStringAsync(cancel)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (answer.IsSuccessStatusCode)
                return [new(false, "the server is ready, the key store is open", ""), .. lines.Skip(1).Select(w => new Finding(false, w, "docs/operations.md, health"))];
            return lines is ["sealed"]
                ? [new(false, "the key store is sealed: no key material is given out", "keyreeve seal unseal")]
                : [new(true, $"the server is not ready: {string.Join("; ", lines)}", "its log says why")];
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancel.IsCancellationRequested)
        {
            return [new(true, "the server does not answer on its health listener", "look at its log")];
        }
    }
}
