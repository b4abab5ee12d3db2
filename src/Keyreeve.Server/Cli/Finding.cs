namespace Keyreeve.Server.Cli;

/// <summary>One thing that <c>keyreeve doctor</c> found.</summary>
/// <param name="IsBad">It does harm, or the server would not start.</param>
/// <param name="What">What was found.</param>
/// <param name="Cure">What mends it; empty when it is good.</param>
internal sealed record Finding(bool IsBad, string What, string Cure);
