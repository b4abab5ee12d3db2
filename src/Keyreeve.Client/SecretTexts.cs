namespace Keyreeve.Client;

/// <summary>A client's secret. It prints nothing, so that no log and no interpolated string can carry it.</summary>
public sealed class ClientSecretText
{
    private readonly string _text;

    /// <summary>Takes the secret as registered.</summary>
    /// <exception cref="ArgumentException">Empty.</exception>
    public ClientSecretText(string text)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        _text = text;
    }

    /// <inheritdoc />
    public override string ToString() => "ClientSecretText { not shown }";

    internal string Reveal() => _text;
}

/// <summary>
/// A token, an authorization code or a code verifier: whoever holds it may use it. It prints its length alone; the text is had
/// by asking for it, which is easy to find in a review.
/// </summary>
public sealed class TokenText : IEquatable<TokenText>
{
    private readonly string _text;

    /// <summary>Takes the text as received.</summary>
    /// <exception cref="ArgumentException">Empty.</exception>
    public TokenText(string text)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        _text = text;
    }

    /// <summary>The text, to be sent and not to be shown.</summary>
    public string Reveal() => _text;

    /// <inheritdoc />
    public bool Equals(TokenText? other) => other is not null && SameText.Is(_text, other._text);

    /// <inheritdoc />
    public override bool Equals(object? obj) => Equals(obj as TokenText);

    /// <inheritdoc />
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc />
    public override string ToString() => $"TokenText {{ {_text.Length} characters }}";
}
