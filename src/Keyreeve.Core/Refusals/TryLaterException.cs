namespace Keyreeve.Core.Refusals;

/// <summary>
/// What was asked for cannot be done now and may be done later: every surface answers 503 with Retry-After, and not a word of the text.
/// </summary>
public abstract class TryLaterException(string message, Exception? cause = null) : Exception(message, cause);
