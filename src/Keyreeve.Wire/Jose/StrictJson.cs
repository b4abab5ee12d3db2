using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Unicode;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// JSON that means the same to every reader: UTF-8, no member twice, bounded depth and size, no text that is not Unicode.
/// Two readers that disagree about a signed value are the classic way round a check.
/// </summary>
[Spec("RFC 7515", "4")]
[Spec("RFC 8259", "8.1")]
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = JoseLimits.MaxJsonDepth };

    /// <summary>
    /// Parses one JSON object. The document refers to <paramref name="utf8"/> and lends its tables from a pool: dispose of it.
    /// </summary>
    internal static bool TryParseObject(
        ReadOnlyMemory<byte> utf8, int maxLength, [NotNullWhen(true)] out JsonDocument? document, out JoseError error)
    {
        document = null;
        error = JoseError.BadJson;
        if (utf8.Length > maxLength)
        {
            error = JoseError.TooLarge;
            return false;
        }

        if (!Utf8.IsValid(utf8.Span) || !EscapesAreUnicode(utf8.Span))
        {
            return false;
        }

        try
        {
            document = JsonDocument.Parse(utf8, Options);
        }
        catch (JsonException)
        {
            error = IsJsonWithDuplicates(utf8) ? JoseError.DuplicateMember : JoseError.BadJson;
            return false;
        }

        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            document.Dispose();
            document = null;
            return false;
        }

        error = JoseError.None;
        return true;
    }

    /// <summary>The text of a JSON string; false for any other value and for a lone surrogate, which is not Unicode text.</summary>
    internal static bool TryGetText(JsonElement element, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (element.ValueKind != JsonValueKind.String)
        {
            return false;
        }

        try
        {
            text = element.GetString();
            return text is not null;
        }
        catch (InvalidOperationException)
        {
            return false; // the element came from a reader that does not look for lone surrogates
        }
    }

    /// <summary>
    /// True unless an escape stands for half a surrogate pair. Looking here, once, means that no later <c>GetString</c> can throw.
    /// </summary>
    private static bool EscapesAreUnicode(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IndexOf("\\u"u8) < 0)
        {
            return true;
        }

        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = JoseLimits.MaxJsonDepth });
        char[] text = new char[utf8.Length];
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
                {
                    _ = reader.CopyString(text);
                }
            }

            return true;
        }
        catch (Exception refused) when (refused is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static bool IsJsonWithDuplicates(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            using var again = JsonDocument.Parse(utf8, Options with { AllowDuplicateProperties = true });
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
