using System.Globalization;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>How long and from which seed the crash tests run: few rounds in <c>make test</c>, as many as asked for in <c>make crash</c>.</summary>
internal static class FaultSettings
{
    /// <summary>Kills of a whole server, for each engine.</summary>
    public static int ServerRounds => Number("KEYREEVE_CRASH_ROUNDS", 4);

    /// <summary>Kills of the small program that only writes to the store, for each engine.</summary>
    public static int StoreRounds => Number("KEYREEVE_CRASH_STORE_ROUNDS", 30);

    /// <summary>True in <c>make crash</c>: then limits that a loaded machine may miss are held too.</summary>
    public static bool IsLong => Environment.GetEnvironmentVariable("KEYREEVE_CRASH_ROUNDS") is not null;

    /// <summary>Where the choice of moments begins; printed, so that a round can be chosen again.</summary>
    public static int Seed { get; } = Number("KEYREEVE_CRASH_SEED", Random.Shared.Next(1, int.MaxValue));

    /// <summary>A line for whoever waits: to the test's output, and at once to the terminal in the long run.</summary>
    public static void Say(string line)
    {
        TestContext.Current.TestOutputHelper?.WriteLine(line);
        if (IsLong)
            Console.Error.WriteLine(line);
    }

    private static int Number(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : otherwise;
}
