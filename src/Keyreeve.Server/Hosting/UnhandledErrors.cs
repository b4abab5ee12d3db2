using Keyreeve.Core.Refusals;
using Keyreeve.Storage;
using Keyreeve.Web.Http;
using Keyreeve.Web.Pages;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// The one door for exceptions: logged with the request's reference, answered without a word of theirs. A store that cannot take
/// more is 503, everything else is a bug or a broken disk, and 500. What found no endpoint is a 404 problem, a method that its path does not have 405.
/// </summary>
public sealed partial class UnhandledErrors(RequestDelegate next, ILogger<UnhandledErrors> log)
{
    /// <summary>Runs the request.</summary>
    [Spec("RFC 9110", "15.5.6")]
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
            if (!context.Response.HasStarted && context.Response.StatusCode is 404 or 405 && context.Response.ContentLength is null && context.Response.ContentType is null)
                await (context.Response.StatusCode == 405
                    ? ProblemDocument.WriteAsync(context, 405, "MethodNotAllowed", "this method is not allowed here; Allow names those that are")
                    : ProblemDocument.WriteAsync(context, 404, "NotFound", "there is nothing here"));
        }
        catch (Exception e) when (context.RequestAborted.IsCancellationRequested)
        {
            LogAborted(log, e.GetType().Name, context.TraceIdentifier);
        }
        catch (BadHttpRequestException e) when (!context.Response.HasStarted)
        {
            LogBadRequest(log, e.Message, context.TraceIdentifier);
            await ProblemDocument.WriteAsync(context, e.StatusCode, "Malformed", "the request is not readable");
        }
        catch (StoreUnavailableException e) when (!context.Response.HasStarted)
        {
            // One line each: the background's work logs the outage itself, once.
            LogAway(log, e.Message, Shown(context), context.TraceIdentifier);
            await AnswerAsync(context, StatusCodes.Status503ServiceUnavailable, "Unavailable");
        }
        catch (TryLaterException e) when (!context.Response.HasStarted)
        {
            LogFailed(log, e, Shown(context), context.TraceIdentifier);
            await AnswerAsync(context, StatusCodes.Status503ServiceUnavailable, "Busy");
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            LogFailed(log, e, Shown(context), context.TraceIdentifier);
            await AnswerAsync(context, StatusCodes.Status500InternalServerError, "Unspecified");
        }
    }

    /// <summary>The route, without what stands in the path: that may name a VAL user (TS 33.434 4.1-e).</summary>
    private static string Shown(HttpContext context) => (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "a request";

    private static Task AnswerAsync(HttpContext context, int status, string cause)
    {
        context.Response.Clear();
        // A client of the token endpoint reads OAuth errors and nothing else.
        if (status == StatusCodes.Status503ServiceUnavailable && context.GetEndpoint()?.Metadata.GetMetadata<RefusalAnswer>() is { } answer)
            return answer.WriteAsync(context, new Refusal(RefusalCode.Busy, "please try again", "the store is away"));
        context.Response.StatusCode = status;
        RetryLater.Apply(context.Response);
        return context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.Ordinal)
            ? PostedForm.WriteErrorAsync(context, status, PageText.ServerError)
            : ProblemDocument.WriteAsync(context, status, cause, "the server could not complete the request");
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "{Path} failed (request {CorrelationId})")]
    private static partial void LogFailed(ILogger log, Exception e, string path, string correlationId);

    [LoggerMessage(EventId = 4, Level = LogLevel.Warning, Message = "{Why}: {Path} answered 503 (request {CorrelationId})")]
    private static partial void LogAway(ILogger log, string why, string path, string correlationId);

    [LoggerMessage(EventId = 2, Level = LogLevel.Debug, Message = "the peer went away: {What} (request {CorrelationId})")]
    private static partial void LogAborted(ILogger log, string what, string correlationId);

    [LoggerMessage(EventId = 3, Level = LogLevel.Information, Message = "not readable: {Why} (request {CorrelationId})")]
    private static partial void LogBadRequest(ILogger log, string why, string correlationId);
}
