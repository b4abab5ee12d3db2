using System.Globalization;

namespace Keyreeve.Bench;

/// <summary>The flags.</summary>
internal sealed record BenchOptions
{
    public const string Usage = """
        usage: Keyreeve.Bench [--seconds N] [--rounds N] [--connections N] [--only TEXT] [--long] [--strict] [--json FILE]
          --seconds N      of load per row and side in one round (5)
          --rounds N       rounds; the table shows medians (3)
          --connections N  kept alive by the load generator (32)
          --only TEXT      only rows whose name contains TEXT
          --long           goes on to a million requests and judges the memory
          --strict         exit code 1 when a budget is missed
          --json FILE      the same figures for machines, every round
        """;

    public int Seconds { get; init; } = 5;

    public int Rounds { get; init; } = 3;

    public int Connections { get; init; } = 32;

    public string Only { get; init; } = "";

    public bool Long { get; init; }

    public bool Strict { get; init; }

    public string? Json { get; init; }

    /// <summary>Null when a flag is unknown or its value does not read.</summary>
    public static BenchOptions? Read(ReadOnlySpan<string> args)
    {
        var options = new BenchOptions();
        while (!args.IsEmpty)
        {
            var value = args.Length > 1 ? args[1] : null;
            var (read, used) = args[0] switch
            {
                "--long" => (options with { Long = true }, 1),
                "--strict" => (options with { Strict = true }, 1),
                "--json" when value is not null => (options with { Json = value }, 2),
                "--only" when value is not null => (options with { Only = value }, 2),
                "--seconds" when Count(value) is { } n => (options with { Seconds = n }, 2),
                "--rounds" when Count(value) is { } n => (options with { Rounds = n }, 2),
                "--connections" when Count(value) is { } n => (options with { Connections = n }, 2),
                _ => (null, 0),
            };
            if (read is null)
                return null;
            options = read;
            args = args[used..];
        }
        return options;
    }

    private static int? Count(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n is > 0 and <= 1000 ? n : null;
}
