namespace Keyreeve.Client;

/// <summary>
/// A stranger's words made fit for a log or a terminal: printable ASCII, bounded. Everything else becomes a question mark, so
/// that an answer can neither move the cursor nor forge a line.
/// </summary>
public static class Printable
{
    /// <summary>At most <paramref name="max"/> characters of the text, then three dots.</summary>
    public static string Of(string text, int max)
    {
        var cut = text.Length <= max ? text : text[..max];
        var clean = string.Create(cut.Length, cut, static (span, from) =>
        {
            for (var i = 0; i < span.Length; i++)
                span[i] = from[i] is >= ' ' and <= '~' ? from[i] : '?';
        });
        return text.Length <= max ? clean : clean + "...";
    }
}
