using System.Globalization;

namespace Keyreeve.Core.Limits;

/// <summary>How much is allowed: so many per second in the long run, and so many at once.</summary>
/// <param name="PerSecond">Above 0.</param>
/// <param name="Burst">At least 1.</param>
public sealed record Rate(double PerSecond, double Burst)
{
    /// <summary>How long one takes to be forgotten.</summary>
    internal TimeSpan Interval => TimeSpan.FromSeconds(1 / PerSecond);

    /// <summary>
    /// Reads <c>off</c> (null), <c>60/min</c>, <c>1000/s</c>, or one of these with <c>burst 200</c> behind it. Without a burst it is what two
    /// seconds, or ten minutes of a rate by the minute, allow.
    /// </summary>
    public static bool TryRead(string text, out Rate? rate)
    {
        rate = null;
        if (text == "off")
            return true;
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length is not (1 or 3) || words[0].Split('/') is not [var count, "s" or "min"] || !Number(count, out var number))
            return false;
        var perMinute = words[0].EndsWith("min", StringComparison.Ordinal);
        var burst = perMinute ? 10 * number : 2 * number;
        if (words.Length == 3 && (words[1] != "burst" || !Number(words[2], out burst)))
            return false;
        rate = new(perMinute ? number / 60 : number, burst);
        return true;
    }

    private static bool Number(string text, out double number) =>
        double.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number is >= 1 and <= 100_000_000;
}
