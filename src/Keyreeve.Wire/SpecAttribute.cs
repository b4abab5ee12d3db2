namespace Keyreeve;

/// <summary>
/// Says that this code <em>is</em> the named clause. The pair (document, clause) stands in <c>docs/spec/clauses.tsv</c>;
/// a test holds code, tests and that table together. <c>make where SPEC="TS 33.434 5.3.2"</c> finds it.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct | AttributeTargets.Enum | AttributeTargets.Method | AttributeTargets.Interface | AttributeTargets.Property | AttributeTargets.Field, AllowMultiple = true, Inherited = false)]
public sealed class SpecAttribute(string document, string clause) : Attribute
{
    /// <summary>The document as the specification numbers it: "TS 33.434", "RFC 7515".</summary>
    public string Document { get; } = document;

    /// <summary>The clause or section: "5.3.2", "A.4.2.2".</summary>
    public string Clause { get; } = clause;
}
