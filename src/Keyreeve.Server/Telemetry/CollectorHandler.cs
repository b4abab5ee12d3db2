using System.Net;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Telemetry;

/// <summary>
/// The way to the collector: bounded in time, no proxy, redirect or cookie, and no silence. When the collector stops taking what it
/// gets, the log says so once, and once again when it does.
/// </summary>
internal sealed partial class CollectorHandler : DelegatingHandler
{
    private readonly string _name;
    private readonly ILogger _log;
    private int _failing;

    /// <param name="name">Scheme, host and port, for the log.</param>
    /// <param name="log">Where to say it.</param>
    public CollectorHandler(string name, ILogger log)
        : base(new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false, // the headers would follow
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = TimeSpan.FromSeconds(3),
            ActivityHeadersPropagator = null,
        }) => (_name, _log) = (name, log);

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return Look(base.Send(request, cancellationToken));
        }
        catch (Exception e)
        {
            Failed(e.GetType().Name);
            throw;
        }
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return Look(await base.SendAsync(request, cancellationToken));
        }
        catch (Exception e)
        {
            Failed(e.GetType().Name);
            throw;
        }
    }

    private HttpResponseMessage Look(HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode)
            Failed("HTTP " + ((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture));
        else if (Interlocked.Exchange(ref _failing, 0) != 0)
            LogBack(_log, _name);
        return response;
    }

    private void Failed(string why)
    {
        if (Interlocked.Exchange(ref _failing, 1) == 0)
            LogAway(_log, _name, why);
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Warning, Message = "the telemetry collector {Name} does not take what it is sent ({Why}): spans are thrown away and metrics wait in their counters until it does")]
    private static partial void LogAway(ILogger log, string name, string why);

    [LoggerMessage(EventId = 2, Level = LogLevel.Information, Message = "the telemetry collector {Name} takes what it is sent again")]
    private static partial void LogBack(ILogger log, string name);
}
