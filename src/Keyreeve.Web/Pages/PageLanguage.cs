using System.Collections.Frozen;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;

namespace Keyreeve.Web.Pages;

/// <summary>
/// The texts of one language. Which one a request gets: the request's <c>ui_locales</c>, else the browser's Accept-Language, else
/// English. A new language is a new file in <c>Texts/</c>.
/// </summary>
public sealed class PageLanguage
{
    /// <summary>More of a header is not looked at.</summary>
    private const int MaxPreferences = 20;

    private static readonly AsyncLocal<PageLanguage?> Chosen = new();

    private static readonly FrozenDictionary<string, PageLanguage> ByTag = Load();

    private PageLanguage(string tag, FrozenDictionary<string, string> texts, FrozenDictionary<string, string> scopes) => (Tag, Texts, Scopes) = (tag, texts, scopes);

    /// <summary>The tags of all languages, English first; <c>ui_locales_supported</c>.</summary>
    public static IReadOnlyList<string> Supported { get; } = [.. ByTag.Keys.OrderBy(t => t == "en" ? 0 : 1).ThenBy(t => t, StringComparer.Ordinal)];

    /// <summary>The language of this request.</summary>
    public static PageLanguage Current => Chosen.Value ?? ByTag["en"];

    /// <summary>BCP 47 tag.</summary>
    public string Tag { get; }

    internal FrozenDictionary<string, string> Texts { get; }

    internal FrozenDictionary<string, string> Scopes { get; }

    /// <summary>Chooses the language of the rest of this request; an unknown tag changes nothing.</summary>
    public static void Use(string? tag)
    {
        if (tag is not null && ByTag.TryGetValue(tag, out var language))
            Chosen.Value = language;
    }

    /// <summary>The first language of a list such as <c>ui_locales</c> that is supported, by its primary subtag; or null.</summary>
    [Spec("OpenID Connect Core 1.0", "3.1.2.1")]
    public static string? FirstOf(string? locales) =>
        locales?.Split(' ', StringSplitOptions.RemoveEmptyEntries).Take(MaxPreferences).Select(PrimaryOf).FirstOrDefault(ByTag.ContainsKey);

    /// <summary>The language that an Accept-Language header prefers among ours, or null.</summary>
    [Spec("RFC 9110", "12.5.4")]
    public static string? Preferred(string? header)
    {
        if (string.IsNullOrEmpty(header))
            return null;
        return header.Split(',').Take(MaxPreferences).Select((range, place) => (Tag: PrimaryOf(range.Split(';')[0].Trim()), Weight: WeightOf(range), Place: place))
            .Where(r => r.Weight > 0 && ByTag.ContainsKey(r.Tag)).OrderByDescending(r => r.Weight).ThenBy(r => r.Place).Select(r => r.Tag).FirstOrDefault();
    }

    /// <summary>Gives every request its language.</summary>
    public static void UsePageLanguage(IApplicationBuilder app) => app.Use(static (context, next) =>
    {
        Use(Preferred(context.Request.Headers.AcceptLanguage));
        Use(FirstOf(context.Request.Query["ui_locales"]));
        return next(context);
    });

    private static string PrimaryOf(string tag) => tag.Split('-')[0].ToLowerInvariant();

    private static double WeightOf(string range)
    {
        var q = range.IndexOf("q=", StringComparison.OrdinalIgnoreCase);
        return q < 0 ? 1 : double.TryParse(range.AsSpan(q + 2).Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var weight) ? weight : 0;
    }

    private static FrozenDictionary<string, PageLanguage> Load()
    {
        const string Prefix = "Keyreeve.Web.Texts.";
        var assembly = Assembly.GetExecutingAssembly();
        return assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)).Select(name =>
        {
            using var document = JsonDocument.Parse(assembly.GetManifestResourceStream(name)!);
            var root = document.RootElement;
            return new PageLanguage(root.GetProperty("language").GetString()!, Read(root.GetProperty("texts")), Read(root.GetProperty("scopes")));
        }).ToFrozenDictionary(l => l.Tag, StringComparer.Ordinal);
    }

    private static FrozenDictionary<string, string> Read(JsonElement map) =>
        map.EnumerateObject().ToFrozenDictionary(m => m.Name, m => m.Value.GetString()!, StringComparer.Ordinal);
}
