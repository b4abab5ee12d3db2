using System.Text.Json;
using System.Text.Json.Nodes;
using System.Web;

namespace Keyreeve.Slices.Tests.Seal.Contract;

/// <summary>One request and its answer, as they were on the wire.</summary>
internal sealed record Exchange(string Method, string PathAndQuery, string? RequestType, string? RequestBody, int Status, string? ResponseType, string ResponseBody, IReadOnlyDictionary<string, string> ResponseHeaders);

/// <summary>One API of 3GPP: which operations it has, and what is wrong with an exchange.</summary>
internal sealed class ApiContract(OpenApiFiles files, string file, string basePath)
{
    private readonly YamlPlace _root = files.Open(file);

    /// <summary>The APIs of TS 29.549 that we serve.</summary>
    public static ApiContract[] All(OpenApiFiles files) =>
    [
        new(files, "TS29549_SS_KeyInfoRetrieval.yaml", "/ss-kir/v1"),
        new(files, "TS29549_SS_IdmParameterProvisioning.yaml", "/ss-ipp/v1"),
        new(files, "TS29549_SS_UserProfileRetrieval.yaml", "/ss-upr/v1"),
    ];

    /// <summary>As the file's "servers" says it, below the issuer.</summary>
    public string BasePath => basePath;

    /// <summary>"METHOD /base/path" of each operation.</summary>
    public IEnumerable<string> Operations => Declared().Select(o => $"{o.Method} {basePath}{o.Template}");

    /// <summary>The parameters in the query of an operation, required ones with a "!".</summary>
    public IEnumerable<string> QueryOf(string operation) => Parameters(Declared().Single(o => $"{o.Method} {basePath}{o.Template}" == operation).Operation)
        .Select(p => p["name"]!.Text + (p["required"]?.Text == "true" ? "!" : ""));

    public string ServerUrl => _root["servers"]!.Items.Single()["url"]!.Text;

    /// <summary>What is wrong with an exchange. A request is held against the file when it succeeded: attacks are not of it, on purpose.</summary>
    public IReadOnlyList<string> Check(Exchange exchange)
    {
        var path = exchange.PathAndQuery.Split('?')[0];
        var found = Declared().Where(o => o.Method == exchange.Method && Fits(basePath + o.Template, path)).ToList();
        if (found.Count != 1)
            return [$"{exchange.Method} {path} is no operation of {file}"];
        var operation = found[0].Operation;
        var request = exchange.Status < 300 ? CheckRequest(operation, exchange) : [];
        return [.. request.Concat(CheckResponse(operation, exchange)).Select(w => $"{exchange.Method} {path} {exchange.Status}: {w}")];
    }

    private IEnumerable<(string Method, string Template, YamlPlace Operation)> Declared() =>
        from path in _root["paths"]!.Members
        from operation in path.Value.Members
        where operation.Name is "get" or "put" or "post" or "patch" or "delete"
        select (operation.Name.ToUpperInvariant(), path.Name, operation.Value);

    private static IEnumerable<YamlPlace> Parameters(YamlPlace operation) => operation["parameters"]?.Items.Where(p => p["in"]!.Text == "query") ?? [];

    private static bool Fits(string template, string path)
    {
        var (expected, sent) = (template.Split('/'), path.Split('/'));
        return expected.Length == sent.Length && expected.Zip(sent).All(s => s.First == s.Second || s.First.StartsWith('{') && s.Second.Length > 0);
    }

    private static IEnumerable<string> CheckRequest(YamlPlace operation, Exchange exchange)
    {
        foreach (var wrong in CheckQuery(operation, exchange.PathAndQuery))
            yield return wrong;
        var declared = operation["requestBody"];
        if (declared is null)
        {
            if (exchange.RequestBody is not null)
                yield return "the request has a body that is not declared";
            yield break;
        }
        if (declared["content"]![exchange.RequestType ?? ""] is not { } content)
            yield return $"the request's media type {exchange.RequestType} is not declared";
        else
            foreach (var wrong in SchemaCheck.Run(content["schema"]!, JsonNode.Parse(exchange.RequestBody!), "request"))
                yield return wrong;
    }

    private static IEnumerable<string> CheckQuery(YamlPlace operation, string pathAndQuery)
    {
        var query = HttpUtility.ParseQueryString(pathAndQuery.Contains('?') ? pathAndQuery[pathAndQuery.IndexOf('?')..] : "");
        var left = query.AllKeys.OfType<string>().ToHashSet(StringComparer.Ordinal);
        foreach (var parameter in Parameters(operation))
        {
            var (name, schema) = (parameter["name"]!.Text, parameter["schema"]!);
            if (ValueOf(name, schema, query, left) is { } value)
                foreach (var wrong in SchemaCheck.Run(schema, value, "query " + name))
                    yield return wrong;
            else if (parameter["required"]?.Text == "true")
                yield return $"parameter {name} is missing";
        }
        foreach (var other in left)
            yield return $"parameter {other} is not declared";
    }

    /// <summary>Style "form" with "explode", the default; an object also as JSON text, which peers send.</summary>
    private static JsonNode? ValueOf(string name, YamlPlace schema, System.Collections.Specialized.NameValueCollection query, HashSet<string> left)
    {
        var type = schema["type"]!.Text;
        if (type == "object" && !left.Contains(name))
        {
            var members = schema["properties"]!.Members.Select(m => m.Name).Where(left.Remove).ToList();
            return members.Count == 0 ? null : new JsonObject(members.Select(m => KeyValuePair.Create(m, (JsonNode?)JsonValue.Create(query[m]))));
        }
        if (!left.Remove(name))
            return null;
        return type switch
        {
            "object" => JsonNode.Parse(query[name]!),
            "array" => new JsonArray([.. query.GetValues(name)!.Select(v => (JsonNode?)JsonValue.Create(v))]),
            _ => JsonValue.Create(query[name]),
        };
    }

    private static IEnumerable<string> CheckResponse(YamlPlace operation, Exchange exchange)
    {
        var responses = operation["responses"]!;
        if ((responses[exchange.Status.ToString(System.Globalization.CultureInfo.InvariantCulture)] ?? responses["default"]) is not { } declared)
        {
            yield return "the status is not declared";
            yield break;
        }
        foreach (var header in declared["headers"]?.Members ?? [])
            if (header.Value["required"]?.Text == "true" && !exchange.ResponseHeaders.ContainsKey(header.Name))
                yield return $"header {header.Name} is missing";
        if (declared["content"] is not { } content)
        {
            // "default" declares nothing; every other response without content has no body.
            if (exchange.ResponseBody.Length > 0 && responses[exchange.Status.ToString(System.Globalization.CultureInfo.InvariantCulture)] is not null)
                yield return "the answer has a body that is not declared";
            yield break;
        }
        if (content[exchange.ResponseType ?? ""] is not { } media)
        {
            yield return $"the answer's media type {exchange.ResponseType} is not declared";
            yield break;
        }
        JsonNode? body = null;
        string? unreadable = null;
        try
        {
            body = JsonNode.Parse(exchange.ResponseBody);
        }
        catch (JsonException e)
        {
            unreadable = e.Message;
        }
        if (unreadable is not null)
            yield return "the answer is no JSON: " + unreadable;
        else
            foreach (var wrong in SchemaCheck.Run(media["schema"]!, body, "answer"))
                yield return wrong;
    }
}
