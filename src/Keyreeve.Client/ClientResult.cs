using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Client;

/// <summary>Why a server's answer gave no value. Broken transport is not here: that is an exception of <see cref="HttpClient"/>.</summary>
public abstract record ClientFailure
{
    private protected ClientFailure()
    {
    }

    /// <summary>One line for a log. What stands in it of the server's words is printable ASCII and bounded.</summary>
    public abstract string Describe();
}

/// <summary>The server refused in the way the protocol has for it.</summary>
/// <param name="Error">The code of RFC 6749 sections 4.1.2.1 and 5.2: "invalid_grant".</param>
/// <param name="Description">For a developer, or null.</param>
/// <param name="Status">HTTP status; 0 when the refusal came by redirect.</param>
public sealed record OAuthError(string Error, string? Description, int Status) : ClientFailure
{
    /// <inheritdoc />
    public override string Describe() => (Status == 0 ? Error : $"{Error} (HTTP {Status})") + (Description is null ? "" : $": {Description}");
}

/// <summary>The server answered what it must not, or what we must not believe.</summary>
/// <param name="Expected">What the standard lets us expect.</param>
/// <param name="Found">What came instead, fit for a log.</param>
public sealed record BadAnswer(string Expected, string Found) : ClientFailure
{
    /// <inheritdoc />
    public override string Describe() => $"expected {Expected}, found {Found}";
}

/// <summary>Nothing can be had without the user.</summary>
/// <param name="Why">For a log.</param>
public sealed record SignInNeeded(string Why) : ClientFailure
{
    /// <inheritdoc />
    public override string Describe() => "the user has to sign in: " + Why;
}

/// <summary>A value, or why there is none.</summary>
public sealed class ClientResult<T>
    where T : class
{
    private readonly T? _value;
    private readonly ClientFailure? _failure;

    private ClientResult(T? value, ClientFailure? failure) => (_value, _failure) = (value, failure);

    /// <summary>True with the value, or false with the failure.</summary>
    public bool Succeeded([NotNullWhen(true)] out T? value, [NotNullWhen(false)] out ClientFailure? failure)
    {
        (value, failure) = (_value, _failure);
        return value is not null;
    }

    /// <summary>A value.</summary>
    public static implicit operator ClientResult<T>(T value) => new(value ?? throw new ArgumentNullException(nameof(value)), null);

    /// <summary>A failure.</summary>
    public static implicit operator ClientResult<T>(ClientFailure failure) => new(null, failure ?? throw new ArgumentNullException(nameof(failure)));
}
