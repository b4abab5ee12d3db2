using Xunit.v3;

namespace Keyreeve.Testing;

/// <summary>Says which clause a test proves; <c>dotnet test --filter-trait "spec=TS 33.434 5.3.2"</c> runs one clause alone.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method, AllowMultiple = true)]
public sealed class ProvesAttribute(string document, string clause) : Attribute, ITraitAttribute
{
    public string Document { get; } = document;

    public string Clause { get; } = clause;

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("spec", $"{Document} {Clause}")];
}
