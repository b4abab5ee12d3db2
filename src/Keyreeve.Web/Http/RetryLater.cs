using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Http;

/// <summary>The Retry-After of answers that ask for patience (429, 503).</summary>
public static class RetryLater
{
    /// <summary>When nobody knows better. Our choice.</summary>
    private const int Seconds = 5;

    /// <summary>Sets it where the status wants one; <paramref name="wait"/> is rounded up to whole seconds.</summary>
    public static void Apply(HttpResponse response, TimeSpan? wait = null)
    {
        if (response.StatusCode is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable)
            response.Headers.RetryAfter = (wait is { } known ? Math.Max(1, (long)Math.Ceiling(known.TotalSeconds)) : Seconds).ToString(CultureInfo.InvariantCulture);
    }
}
