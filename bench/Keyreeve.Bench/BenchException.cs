namespace Keyreeve.Bench;

/// <summary>The run cannot be believed or cannot go on; the message is for the person who started it.</summary>
internal sealed class BenchException(string message) : Exception(message);
