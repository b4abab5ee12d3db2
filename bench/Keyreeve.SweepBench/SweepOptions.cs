using System.Globalization;

namespace Keyreeve.Bench.Sweeping;

/// <summary>The flags.</summary>
internal sealed record SweepOptions
{
    public const string Usage = """
        usage: make sweep-bench [ROWS=1000000] [RATE=60] [MINUTES=30] [OLD=1]
          ROWS     expired codes and refresh families, half of each
          RATE     token requests a second
          MINUTES  that the sweep may take; then the run ends and says how far it got
          OLD=1    random keys, as the releases before made them
        """;

    public long Rows { get; init; } = 1_000_000;

    public int PerSecond { get; init; } = 60;

    public TimeSpan AtMost { get; init; } = TimeSpan.FromMinutes(30);

    public bool RandomKeys { get; init; }

    /// <summary>Null when a flag does not read.</summary>
    public static SweepOptions? Read(ReadOnlySpan<string> args)
    {
        var options = new SweepOptions();
        for (; !args.IsEmpty; args = args[1..])
        {
            if (args[0] == "--random-keys")
            {
                options = options with { RandomKeys = true };
                continue;
            }
            if (args.Length < 2 || !long.TryParse(args[1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 1_000_000_000)
                return null;
            switch (args[0])
            {
                case "--rows":
                    options = options with { Rows = number };
                    break;
                case "--rate":
                    options = options with { PerSecond = (int)number };
                    break;
                case "--minutes":
                    options = options with { AtMost = TimeSpan.FromMinutes(number) };
                    break;
                default:
                    return null;
            }
            args = args[1..];
        }
        return options;
    }
}
