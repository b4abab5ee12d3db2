using System.Collections;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>
/// The resource servers that a client names (<c>resource</c>): of its access token remain the scopes that they understand, and their
/// audiences. Names are compared octet by octet with the audiences of the scope catalogue; an empty list names none, and narrows nothing.
/// </summary>
[Spec("RFC 8707", "2")]
public sealed class ResourceList : IReadOnlyCollection<string>
{
    /// <summary>Resources of one request at most. Our choice.</summary>
    public const int MaxCount = 16;

    /// <summary>Characters of one at most. Our choice; audiences of VAL services are no longer.</summary>
    public const int MaxLength = 2000;

    private readonly string[] _values;

    private ResourceList(string[] values) => _values = values;

    /// <summary>None named.</summary>
    public static ResourceList None { get; } = new([]);

    /// <inheritdoc />
    public int Count => _values.Length;

    /// <summary>A list from values known to be well formed; repeats are dropped.</summary>
    public static ResourceList Of(IEnumerable<string> values)
    {
        var list = values.Distinct(StringComparer.Ordinal).ToArray();
        return list.Length == 0 ? None : new(list);
    }

    /// <summary>
    /// The values of <c>resource</c>, which may be repeated. "Its value MUST be an absolute URI ... The URI MUST NOT include a fragment component."
    /// </summary>
    public static Outcome<ResourceList> Read(ParameterList asked)
    {
        // The rule: most requests name none.
        if (!asked.Has("resource"))
            return None;
        var list = Of(asked.Pairs.Where(p => p.Key == "resource" && p.Value.Length > 0).Select(p => p.Value));
        if (list.Count > MaxCount)
            return Refuse($"at most {MaxCount} resources are named at once", "too many resources");
        foreach (var value in list)
            // A scheme begins with a letter: to the Uri class a path is absolute too, where files have such names.
            if (value.Length > MaxLength || !char.IsAsciiLetter(value[0]) || value.Any(c => c is <= ' ' or > '~' or '#' or '"' or '\\') || !Uri.TryCreate(value, UriKind.Absolute, out _))
                return Refuse("a resource is an absolute URI without fragment", "a resource is no absolute URI without fragment");
        return list;
    }

    /// <summary>
    /// What remains of a scope at the token endpoint. <paramref name="granted"/> are the resources of the grant, none when it was made
    /// without: then each that its scopes open may be asked for. Never empty: nothing that remains is a refusal.
    /// </summary>
    [Spec("RFC 8707", "2.2")]
    public static Outcome<ScopeList> Narrow(ScopeList scope, ResourceList asked, ResourceList granted, ScopeCatalogue catalogue)
    {
        // "to indicate the target service or services ... a subset of the resources originally granted"
        if (granted.Count > 0 && asked.FirstOrDefault(r => !granted.Contains(r)) is { } foreign)
            return Refuse("a resource is not among those granted", $"{Show(foreign)} is not one of the resources of the grant: {granted}");
        if (asked.FirstOrDefault(r => !Opens(scope, r, catalogue)) is { } unknown)
            return Refuse("a resource is unknown or not within reach of the scope", $"none of [{scope}] opens {Show(unknown)}");
        if (asked.Count == 0 && granted.Count == 0)
            return scope;
        var narrowed = scope.Where(name => (asked.Count > 0 ? asked : granted).Covers(catalogue.Find(name)));
        return narrowed.Count > 0 ? narrowed : Refuse("none of the granted resources is within reach of the scope", $"none of [{scope}] opens any of {granted}");
    }

    /// <summary>Those that a scope opens. Only a list that is empty itself stays empty: with none of its resources a grant has no sense.</summary>
    public Outcome<ResourceList> Within(ScopeList scope, ScopeCatalogue catalogue)
    {
        var within = Of(_values.Where(r => Opens(scope, r, catalogue)));
        return within.Count > 0 || Count == 0 ? within : Refuse("none of the resources is within reach of what the user can grant", $"none of [{scope}] opens any of {this}");
    }

    /// <summary>True when the value is in the list.</summary>
    public bool Contains(string value) => Array.IndexOf(_values, value) >= 0;

    /// <inheritdoc />
    public IEnumerator<string> GetEnumerator() => ((IEnumerable<string>)_values).GetEnumerator();

    /// <inheritdoc />
    public override string ToString() => "[" + string.Join(' ', _values) + "]";

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private bool Covers(ScopeDefinition? scope) => scope is not null && Contains(scope.Audience);

    private static bool Opens(ScopeList scope, string resource, ScopeCatalogue catalogue) =>
        scope.Any(name => string.Equals(catalogue.Find(name)?.Audience, resource, StringComparison.Ordinal));

    private static string Show(string text) => text.Length <= 200 ? text : text[..200] + "...";

    private static Refusal Refuse(string peer, string why) => new(RefusalCode.InvalidTarget, peer, why) { Param = "resource" };
}
