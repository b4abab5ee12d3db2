using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Core.Refusals;

/// <summary>A refusal is a value: which kind, what the peer may be told, and what the operator should know.</summary>
/// <param name="Code">The closed kind.</param>
/// <param name="Peer">For the peer: ASCII without quotes and backslashes, nothing that tells more than the standard allows.</param>
/// <param name="Operator">For log and audit: what happened and what to do next. Never a secret.</param>
public sealed record Refusal(RefusalCode Code, string Peer, string Operator)
{
    /// <summary>The parameter, member or field that is wrong, where the surface can name it.</summary>
    public string? Param { get; init; }

    /// <summary>
    /// For the count in the audit of peers who proved nothing: what happened, in words that no peer can choose or multiply; null where
    /// the code says enough.
    /// </summary>
    public string? Counted { get; init; }

    /// <summary>How long to wait before trying again, where that is known.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>A refusal that tells both sides the same.</summary>
    public static Refusal Of(RefusalCode code, string text) => new(code, text, text);

    /// <summary>A refusal about one parameter.</summary>
    public static Refusal About(RefusalCode code, string param, string text) => new(code, text, text) { Param = param };
}

/// <summary>Either a value or the reason why there is none. A switch on <see cref="Succeeded"/> cannot forget the refusal.</summary>
public readonly struct Outcome<T>
    where T : notnull
{
    private readonly T? _value;
    private readonly Refusal? _refusal;
    private readonly bool _succeeded;

    private Outcome(T? value, Refusal? refusal)
    {
        _value = value;
        _refusal = refusal;
        _succeeded = refusal is null && value is not null;
    }

    /// <summary>True with the value, or false with the refusal. A default instance is a refusal: it fails closed.</summary>
    public bool Succeeded([NotNullWhen(true)] out T? value, [NotNullWhen(false)] out Refusal? refusal)
    {
        value = _value;
        refusal = _succeeded ? null : _refusal ?? Refusal.Of(RefusalCode.Unavailable, "no decision was made");
        return _succeeded;
    }

    /// <summary>A success.</summary>
    public static implicit operator Outcome<T>(T value) => new(value, null);

    /// <summary>A refusal.</summary>
    public static implicit operator Outcome<T>(Refusal refusal) => new(default, refusal);
}
