using System.Globalization;
using Keyreeve.Bench.Import;

namespace Keyreeve.Bench;

/// <summary>The flags.</summary>
internal sealed record BenchOptions
{
    public const string Usage = """
        usage: make bench BENCH="[--engine sqlite|postgres|both] [--rows TEXT,...] [--size N] [--seconds N] [--rounds N]
                                 [--connections N] [--import N] [--long] [--strict] [--json FILE]"
          --engine E       sqlite, postgres or both (both; PostgreSQL is left out when it is not installed)
          --rows TEXT,...  only rows whose name contains one of the texts
          --size N         users, clients and key records of the large store; 0 leaves the large store out (1000000)
          --seconds N      of load for each row and side in one round (2)
          --rounds N       rounds; the table shows medians (3)
          --connections N  kept alive by the load (32)
          --import N       key records of the bulk import; 0 leaves it out (100000)
          --long           goes on to a million requests and judges the memory
          --strict         exit code 1 when a budget is missed
          --json FILE      the same figures for machines, every round
          --help           this
        """;

    /// <summary>The size of the store that the table is about.</summary>
    public const int SmallSize = 1_000;

    public string Engine { get; init; } = "both";

    public IReadOnlyList<string> Rows { get; init; } = [];

    public int Size { get; init; } = 1_000_000;

    public int Seconds { get; init; } = 2;

    public int Rounds { get; init; } = 3;

    public int Connections { get; init; } = 32;

    public int Import { get; init; } = 100_000;

    public bool Long { get; init; }

    public bool Strict { get; init; }

    public bool Help { get; init; }

    public string? Json { get; init; }

    /// <summary>The rows asked for.</summary>
    /// <exception cref="BenchException">There is none.</exception>
    public IReadOnlyList<Row> Chosen()
    {
        var chosen = Row.All.Where(r => IsAsked(r.Name)).ToList();
        return chosen.Count > 0 || Imports ? chosen : throw new BenchException($"no row has that in its name; there are: {string.Join(", ", Row.All.Select(r => r.Name).Append(ImportRun.Name))}");
    }

    /// <summary>Whether the bulk import is among them.</summary>
    public bool Imports => Import > 0 && IsAsked(ImportRun.Name);

    private bool IsAsked(string row) => Rows.Count == 0 || Rows.Any(text => row.Contains(text, StringComparison.OrdinalIgnoreCase));

    /// <summary>Null when a flag is unknown or its value does not read.</summary>
    public static BenchOptions? Read(ReadOnlySpan<string> args)
    {
        var options = new BenchOptions();
        while (!args.IsEmpty)
        {
            var value = args.Length > 1 ? args[1] : null;
            var (read, used) = args[0] switch
            {
                "--help" or "-h" => (options with { Help = true }, 1),
                "--long" => (options with { Long = true }, 1),
                "--strict" => (options with { Strict = true }, 1),
                "--json" when value is not null => (options with { Json = value }, 2),
                "--rows" when value is not null => (options with { Rows = value.Split(',', StringSplitOptions.RemoveEmptyEntries) }, 2),
                "--engine" when value is "sqlite" or "postgres" or "both" => (options with { Engine = value }, 2),
                "--size" when value is "0" => (options with { Size = 0 }, 2),
                "--size" when Count(value, 100_000_000) is { } n and > SmallSize => (options with { Size = n }, 2),
                "--import" when value is "0" => (options with { Import = 0 }, 2),
                "--import" when Count(value, 1_000_000) is { } n => (options with { Import = n }, 2),
                "--seconds" when Count(value, 1000) is { } n => (options with { Seconds = n }, 2),
                "--rounds" when Count(value, 1000) is { } n => (options with { Rounds = n }, 2),
                "--connections" when Count(value, 1000) is { } n => (options with { Connections = n }, 2),
                _ => (null, 0),
            };
            if (read is null)
                return null;
            options = read;
            args = args[used..];
        }
        return options;
    }

    private static int? Count(string? text, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n > 0 && n <= most ? n : null;
}
