using Keyreeve.Core.Policy;

namespace Keyreeve.Server.Settings;

/// <summary>Settings with a free last part, the name of a built-in scope: <c>Scopes:Names:NAME</c> renames it, <c>Scopes:Audiences:NAME</c> says where it is served.</summary>
internal static class ScopeReader
{
    private const string NamePrefix = "Scopes:Names:";
    private const string AudiencePrefix = "Scopes:Audiences:";

    /// <summary>The setting's name as it is kept, once its value was checked; null when it is another kind of setting.</summary>
    /// <exception cref="SettingsException">There is no such scope, or the value is none.</exception>
    public static string? Read(string name, string value, string source)
    {
        if (After(NamePrefix, name) is { } renamed)
        {
            if (!ScopeCatalogue.Renamable.Contains(renamed, StringComparer.Ordinal))
                throw new SettingsException($"{source}: there is no built-in scope '{renamed}' to rename. Did you mean '{SettingNames.Nearest(renamed, ScopeCatalogue.Renamable) ?? ScopeCatalogue.Renamable[0]}'?");
            if (value.Length == 0 || !value.All(Wire.OAuth.ScopeList.IsScopeCharacter))
                throw new SettingsException($"{source}: '{value}' is no scope name (RFC 6749 3.3)");
            // Under another scope's name it would be granted with that one, unasked.
            if (ScopeCatalogue.IsTaken(value))
                throw new SettingsException($"{source}: '{value}' is the name of another scope");
            return NamePrefix + renamed;
        }
        if (After(AudiencePrefix, name) is not { } served)
            return null;
        if (!ScopeCatalogue.Elsewhere.Contains(served, StringComparer.Ordinal))
            throw new SettingsException($"{source}: '{served}' is no scope of a SEAL server elsewhere; there are {string.Join(", ", ScopeCatalogue.Elsewhere)}");
        if (!Uri.TryCreate(value, UriKind.Absolute, out var uri) || uri.Fragment.Length > 0 || value.Any(c => c is <= ' ' or > '~'))
            throw new SettingsException($"{source}: '{value}' is no audience: an absolute URI without fragment");
        return AudiencePrefix + served;
    }

    /// <summary>Built-in scope name to the name used instead.</summary>
    public static Dictionary<string, string> Names(IEnumerable<KeyValuePair<string, string>> settings) => MapOf(NamePrefix, settings);

    /// <summary>Built-in scope name to its audience.</summary>
    public static Dictionary<string, string> Audiences(IEnumerable<KeyValuePair<string, string>> settings) => MapOf(AudiencePrefix, settings);

    private static Dictionary<string, string> MapOf(string prefix, IEnumerable<KeyValuePair<string, string>> settings) =>
        settings.Where(s => After(prefix, s.Key) is not null).ToDictionary(s => s.Key[prefix.Length..], s => s.Value, StringComparer.Ordinal);

    private static string? After(string prefix, string name) =>
        name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase) && name.Length > prefix.Length ? name[prefix.Length..] : null;
}
