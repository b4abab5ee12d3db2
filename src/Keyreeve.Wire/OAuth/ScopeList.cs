using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Wire.OAuth;

/// <summary>
/// A set of scope values in the order first named (RFC 6749 section 3.3: space-delimited, case-sensitive, order does not matter).
/// </summary>
[Spec("RFC 6749", "3.3")]
public sealed class ScopeList : IReadOnlyCollection<string>, IEquatable<ScopeList>
{
    private readonly string[] _values;

    private ScopeList(string[] values)
    {
        _values = values;
        Text = string.Join(' ', values);
    }

    /// <summary>No scope.</summary>
    public static ScopeList Empty { get; } = new([]);

    /// <summary>The wire form: values joined by one space.</summary>
    public string Text { get; }

    /// <inheritdoc />
    public int Count => _values.Length;

    /// <summary>Reads the wire form. False for characters outside the RFC's set or more than <see cref="OAuthLimits.MaxScope"/> characters.</summary>
    public static bool TryRead(string? text, [NotNullWhen(true)] out ScopeList? scopes)
    {
        scopes = null;
        if (string.IsNullOrEmpty(text))
        {
            scopes = Empty;
            return true;
        }
        if (text.Length > OAuthLimits.MaxScope)
            return false;
        foreach (var c in text)
            if (!IsScopeCharacter(c) && c != ' ')
                return false;
        scopes = Of(text.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        return true;
    }

    /// <summary>A list from values known to be well formed; repeats are dropped.</summary>
    public static ScopeList Of(IEnumerable<string> values)
    {
        var list = values.Distinct(StringComparer.Ordinal).ToArray();
        return list.Length == 0 ? Empty : new(list);
    }

    /// <summary>scope-token = 1*( %x21 / %x23-5B / %x5D-7E )</summary>
    public static bool IsScopeCharacter(char c) => c is '\x21' or (>= '\x23' and <= '\x5B') or (>= '\x5D' and <= '\x7E');

    /// <summary>True when the value is in the set.</summary>
    public bool Contains(string value) => Array.IndexOf(_values, value) >= 0;

    /// <summary>True when every value of this list is in the other.</summary>
    public bool IsWithin(ScopeList other) => Array.TrueForAll(_values, other.Contains);

    /// <summary>The values that pass, in the same order.</summary>
    public ScopeList Where(Func<string, bool> keep) => Of(_values.Where(keep));

    /// <inheritdoc />
    public bool Equals(ScopeList? other) => other is not null && other.Count == Count && IsWithin(other);

    /// <inheritdoc />
    public override bool Equals(object? obj) => Equals(obj as ScopeList);

    /// <inheritdoc />
    public override int GetHashCode() => Count;

    /// <inheritdoc />
    public override string ToString() => Text;

    /// <inheritdoc />
    public IEnumerator<string> GetEnumerator() => ((IEnumerable<string>)_values).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
