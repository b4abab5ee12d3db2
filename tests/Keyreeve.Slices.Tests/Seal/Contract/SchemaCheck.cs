using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Keyreeve.Slices.Tests.Seal.Contract;

/// <summary>
/// Whether a JSON value is of a schema of OpenAPI 3.0. A keyword that is not known here is an error: what is not checked must not look
/// as if it were.
/// </summary>
internal static class SchemaCheck
{
    private static readonly string[] NotChecked = ["description", "title", "example", "default", "format", "readOnly", "writeOnly", "deprecated", "externalDocs"];

    /// <summary>What is wrong, each with its path; nothing when the value is of the schema.</summary>
    public static IEnumerable<string> Run(YamlPlace schema, JsonNode? value, string path = "")
    {
        if (value is null && schema["nullable"]?.Text == "true")
            return [];
        return schema.Members.Where(m => !NotChecked.Contains(m.Name)).SelectMany(m => Keyword(schema, m.Name, m.Value, value, path)).ToList();
    }

    private static IEnumerable<string> Keyword(YamlPlace schema, string name, YamlPlace rule, JsonNode? value, string path)
    {
        switch (name)
        {
            case "type":
                return IsOf(rule.Text, value) ? [] : [$"{path} is no {rule.Text}"];
            case "properties":
                return rule.Members.Where(p => Has(value, p.Name)).SelectMany(p => Run(p.Value, value![p.Name], $"{path}/{p.Name}"));
            case "required":
                return rule.Items.Where(r => value is JsonObject && !Has(value, r.Text)).Select(r => $"{path}/{r.Text} is missing");
            case "additionalProperties":
                return Additional(schema, rule, value, path);
            case "items":
                return value is JsonArray array ? array.SelectMany((item, i) => Run(rule, item, $"{path}/{i.ToString(CultureInfo.InvariantCulture)}")) : [];
            case "minItems":
                return value is JsonArray few && few.Count < Number(rule) ? [$"{path} has less than {rule.Text} items"] : [];
            case "maxItems":
                return value is JsonArray many && many.Count > Number(rule) ? [$"{path} has more than {rule.Text} items"] : [];
            case "minLength":
                return TextOf(value) is { } brief && brief.Length < Number(rule) ? [$"{path} is shorter than {rule.Text}"] : [];
            case "maxLength":
                return TextOf(value) is { } wordy && wordy.Length > Number(rule) ? [$"{path} is longer than {rule.Text}"] : [];
            case "minimum":
                return value?.GetValueKind() == System.Text.Json.JsonValueKind.Number && (decimal)value < Number(rule) ? [$"{path} is less than {rule.Text}"] : [];
            case "maximum":
                return value?.GetValueKind() == System.Text.Json.JsonValueKind.Number && (decimal)value > Number(rule) ? [$"{path} is more than {rule.Text}"] : [];
            case "pattern":
                return TextOf(value) is { } text && !Regex.IsMatch(text, rule.Text, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)) ? [$"{path} is not of the pattern {rule.Text}"] : [];
            case "enum":
                return rule.Items.Any(i => i.Text == TextOf(value)) ? [] : [$"{path} is none of the values listed"];
            case "nullable":
                return [];
            case "allOf":
                return rule.Items.SelectMany(s => Run(s, value, path));
            case "anyOf":
                return rule.Items.Any(s => !Run(s, value, path).Any()) ? [] : [$"{path} is of none of anyOf"];
            case "oneOf":
                var fits = rule.Items.Count(s => !Run(s, value, path).Any());
                return fits == 1 ? [] : [$"{path} is of {fits.ToString(CultureInfo.InvariantCulture)} of oneOf"];
            case "not":
                return Run(rule, value, path).Any() ? [] : [$"{path} is what it must not be"];
            default:
                throw new NotSupportedException($"{schema.File}: keyword {name} is not checked");
        }
    }

    private static IEnumerable<string> Additional(YamlPlace schema, YamlPlace rule, JsonNode? value, string path)
    {
        if (value is not JsonObject members)
            return [];
        var others = members.Where(m => schema["properties"]?[m.Key] is null);
        return rule.Node is YamlDotNet.RepresentationModel.YamlScalarNode
            ? rule.Text == "false" ? others.Select(m => $"{path}/{m.Key} is not known") : []
            : others.SelectMany(m => Run(rule, m.Value, $"{path}/{m.Key}"));
    }

    private static bool IsOf(string type, JsonNode? value) => type switch
    {
        "object" => value is JsonObject,
        "array" => value is JsonArray,
        "string" => TextOf(value) is not null,
        "boolean" => value?.GetValueKind() is System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False,
        "number" => value?.GetValueKind() == System.Text.Json.JsonValueKind.Number,
        "integer" => value is JsonValue number && number.TryGetValue<long>(out _),
        _ => throw new NotSupportedException($"type {type} is not checked"),
    };

    private static bool Has(JsonNode? value, string name) => value is JsonObject members && members.ContainsKey(name);

    private static string? TextOf(JsonNode? value) => value is JsonValue text && text.TryGetValue<string>(out var one) ? one : null;

    private static decimal Number(YamlPlace rule) => decimal.Parse(rule.Text, CultureInfo.InvariantCulture);
}
