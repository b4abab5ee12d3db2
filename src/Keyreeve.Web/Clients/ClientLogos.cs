using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Threading.Channels;
using Keyreeve.Engines.Outbound;
using Keyreeve.Web.Pages;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Web.Clients;

/// <summary>
/// The logos of clients (<c>logo_uri</c>). A page must not send its visitor's browser to a stranger: the server fetches a logo by its
/// guarded way out, beside the requests, and serves it from its own origin. A page that is shown before has none.
/// </summary>
[Spec("RFC 7591", "5")]
public sealed partial class ClientLogos(OutboundHttp http, TimeProvider clock, ILogger<ClientLogos> log) : BackgroundService
{
    /// <summary>Octets of a logo at most. Our choice: a picture of 512 by 512 points fits.</summary>
    public const int MaxOctets = 100 * 1024;

    /// <summary>Logos remembered. Our choice: 20 MB at the worst.</summary>
    private const int Capacity = 200;

    /// <summary>Logos that wait to be fetched; what does not fit is wanted again by the next page.</summary>
    private const int MaxWaiting = 64;

    private const string PathStart = "/assets/client-logo.";

    /// <summary>How long a logo is good before it is looked at again. Our choice.</summary>
    private static readonly TimeSpan FreshFor = TimeSpan.FromHours(24);

    /// <summary>How long nobody asks again for one that could not be had. Our choice.</summary>
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, Known> _known = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _waiting = new(StringComparer.Ordinal);
    private readonly Channel<string> _wanted = Channel.CreateBounded<string>(MaxWaiting);

    /// <summary>The path of a logo on this server, or null while there is none. Never waits.</summary>
    public string? PathOf(string? logoUri)
    {
        if (logoUri is null)
            return null;
        var known = _known.GetValueOrDefault(logoUri);
        if (known is null || clock.GetElapsedTime(known.At) > (known.Asset is null ? RetryAfter : FreshFor))
            Want(logoUri);
        return known?.Asset?.Path;
    }

    /// <summary>The picture of a path, or null.</summary>
    internal PageAsset? Find(string path) =>
        path.StartsWith(PathStart, StringComparison.Ordinal) ? _known.Values.FirstOrDefault(k => k.Asset?.Path == path)?.Asset : null;

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var address in _wanted.Reader.ReadAllAsync(stoppingToken))
            {
                try
                {
                    await FetchAsync(address, stoppingToken);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // A fault of ours with one picture must not end the server, nor the pictures of others.
                    LogFailed(log, e, address);
                }
                _waiting.TryRemove(address, out _);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: a logo is no loss.
        }
    }

    private void Want(string address)
    {
        if (_waiting.TryAdd(address, true) && !_wanted.Writer.TryWrite(address))
            _waiting.TryRemove(address, out _);
    }

    private async Task FetchAsync(string address, CancellationToken cancel)
    {
        var (answer, failure) = await http.GetAsync(address, "image/png, image/jpeg, image/webp", cancel);
        var asset = answer is { Status: 200 } ? Read(answer.Body) : null;
        if (asset is null)
            LogNotHad(log, address, failure?.ToString() ?? (answer!.Status != 200 ? $"status {answer.Status}" : "no PNG, JPEG or WebP of at most 100 KiB"));
        // One that was there before stays, until the program ends or it can be had again.
        _known[address] = new(asset ?? _known.GetValueOrDefault(address)?.Asset, clock.GetTimestamp());
        while (_known.Count > Capacity)
            _known.TryRemove(_known.MinBy(k => k.Value.At).Key, out _);
    }

    /// <summary>What the octets are is said by their beginning, not by the stranger who sent them. SVG is a document with scripts, and no picture here.</summary>
    private static PageAsset? Read(byte[] octets)
    {
        if (octets.Length > MaxOctets)
            return null;
        var kind = octets.AsSpan() switch
        {
            [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => "png",
            [0xff, 0xd8, 0xff, ..] => "jpeg",
            [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'E', (byte)'B', (byte)'P', ..] => "webp",
            _ => null,
        };
        // The whole hash: with a part of it, one client could make a picture that takes the place of another's.
        return kind is null ? null : new(PathStart + Convert.ToHexStringLower(SHA256.HashData(octets)) + "." + kind, "image/" + kind, octets);
    }

    private sealed record Known(PageAsset? Asset, long At);

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "fetching the logo {Address} failed")]
    private static partial void LogFailed(ILogger log, Exception e, string address);

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "the logo {Address} cannot be had: {Why}; pages show none")]
    private static partial void LogNotHad(ILogger log, string address, string why);
}
