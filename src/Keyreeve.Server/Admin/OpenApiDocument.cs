using System.Text.Json.Nodes;

namespace Keyreeve.Server.Admin;

/// <summary>The OpenAPI document, made from the table of routes and the schemas that the strict reader uses.</summary>
internal static class OpenApiDocument
{
    public static readonly AdminSchema Schema = new("OpenApi", new AdminField("openapi", FieldKind.Text, "Version of the OpenAPI format.", ReadOnly: true));

    public static Task<AdminAnswer> HandleAsync(AdminRequest request) => Task.FromResult(AdminAnswer.Ok(Make(request.Admin.Parts.MtlsBase)));

    public static JsonObject Make(string? server)
    {
        var paths = new JsonObject();
        foreach (var group in AdminRoutes.All.GroupBy(r => r.Path, StringComparer.Ordinal))
        {
            var path = new JsonObject();
            if (Identifiers(group.Key) is { Count: > 0 } identifiers)
                path["parameters"] = new JsonArray([.. identifiers.Select(name => (JsonNode)Parameter(name, "path", required: true, "string", "Percent-encoded, \"/\" included."))]);
            foreach (var route in group)
                path[route.Method.ToLowerInvariant()] = Operation(route);
            paths[group.Key] = path;
        }
        var schemas = new JsonObject { ["Problem"] = Problem() };
        foreach (var schema in AdminRoutes.All.SelectMany(r => new[] { r.Reads, r.Answers }).OfType<AdminSchema>().DistinctBy(s => s.Name))
            schemas[schema.Name] = SchemaOf(schema);
        return new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject { ["title"] = "Keyreeve admin API", ["version"] = "1", ["license"] = new JsonObject { ["name"] = "Apache-2.0", ["identifier"] = "Apache-2.0" } },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = server ?? "/" }),
            ["security"] = new JsonArray(new JsonObject { ["operatorCertificate"] = new JsonArray() }, new JsonObject { ["boundToken"] = new JsonArray() }),
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["schemas"] = schemas,
                ["securitySchemes"] = new JsonObject
                {
                    ["operatorCertificate"] = new JsonObject { ["type"] = "mutualTLS", ["description"] = "A registered operator certificate, on listener mtls." },
                    ["boundToken"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "An access token with scope keyreeve.admin (for the audit: keyreeve.audit.read), bound to the client certificate of the connection (RFC 8705)." },
                },
            },
        };
    }

    private static List<string> Identifiers(string path) => [.. path.Split('/').Where(s => s.StartsWith('{')).Select(s => s[1..^1])];

    private static JsonObject Operation(AdminRoute route)
    {
        var parameters = new JsonArray();
        if (route is { IsPage: true, Method: "GET" })
        {
            parameters.Add(Parameter("after", "query", required: false, "string", "Cursor: 'next' of the page before."));
            parameters.Add(Parameter("limit", "query", required: false, "integer", $"1 to {AdminRequest.MaxLimit}, else {AdminRequest.DefaultLimit}."));
        }
        foreach (var name in route.Query)
            parameters.Add(Parameter(name, "query", required: false, "string", "Only these."));
        if (route.Method is "PUT" or "DELETE")
            parameters.Add(Parameter("If-Match", "header", required: route.Method == "PUT" && !route.MayMake, "string", "The ETag of the version that was read."));
        if (route.MayMake)
            parameters.Add(Parameter("If-None-Match", "header", required: false, "string", "*, instead of If-Match: it must not be there."));
        var operation = new JsonObject { ["operationId"] = route.Operation, ["summary"] = route.Summary };
        if (parameters.Count > 0)
            operation["parameters"] = parameters;
        if (route.Reads is { } reads)
            operation["requestBody"] = new JsonObject { ["required"] = !route.ReadsOptional, ["content"] = Content(route.ReadsMediaType, Reference(reads.Name)) };
        operation["responses"] = Responses(route);
        return operation;
    }

    private static JsonObject Responses(AdminRoute route)
    {
        var responses = new JsonObject();
        if (route.Answers is not { } answers)
        {
            responses["204"] = new JsonObject { ["description"] = "Done." };
        }
        else
        {
            var schema = route.IsPage
                ? new JsonObject
                {
                    ["type"] = "object",
                    ["properties"] = new JsonObject
                    {
                        ["items"] = new JsonObject { ["type"] = "array", ["items"] = Reference(answers.Name) },
                        ["next"] = new JsonObject { ["type"] = new JsonArray("string", "null") },
                        ["incomplete"] = new JsonObject { ["type"] = "boolean", ["description"] = "Of the audit only: older lines are not found yet." },
                    },
                }
                : Reference(answers.Name);
            var created = route is { Method: "POST", Reads: not null, ReadsOptional: false } && !route.Pattern.EndsWith("/password", StringComparison.Ordinal) && !route.Pattern.EndsWith("/import", StringComparison.Ordinal);
            responses[created ? "201" : "200"] = new JsonObject { ["description"] = created ? "Made." : "Done.", ["content"] = Content(route.MediaType, schema) };
        }
        responses["default"] = new JsonObject { ["description"] = "Refused.", ["content"] = Content("application/problem+json", Reference("Problem")) };
        return responses;
    }

    private static JsonObject Content(string mediaType, JsonObject schema) => new() { [mediaType] = new JsonObject { ["schema"] = schema } };

    private static JsonObject Reference(string schema) => new() { ["$ref"] = "#/components/schemas/" + schema };

    private static JsonObject Parameter(string name, string place, bool required, string type, string description) => new()
    {
        ["name"] = name,
        ["in"] = place,
        ["required"] = required,
        ["description"] = description,
        ["schema"] = new JsonObject { ["type"] = type },
    };

    private static JsonObject SchemaOf(AdminSchema schema)
    {
        var properties = new JsonObject();
        foreach (var field in schema.Fields)
        {
            var property = field.Kind switch
            {
                FieldKind.Text => new JsonObject { ["type"] = "string" },
                FieldKind.Time => new JsonObject { ["type"] = new JsonArray("string", "null"), ["format"] = "date-time" },
                FieldKind.Flag => new JsonObject { ["type"] = "boolean" },
                FieldKind.Number => new JsonObject { ["type"] = "integer" },
                FieldKind.Texts => new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["type"] = "string" } },
                FieldKind.Object => new JsonObject { ["type"] = "object" },
                FieldKind.Objects => new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["type"] = "object" } },
            };
            property["description"] = field.Description;
            if (field.ReadOnly)
                property["readOnly"] = true;
            if (field.WriteOnly)
                property["writeOnly"] = true;
            properties[field.Name] = property;
        }
        var result = new JsonObject { ["type"] = "object", ["properties"] = properties };
        if (schema.Fields.Where(f => f.Required).Select(f => f.Name).ToList() is { Count: > 0 } required)
            result["required"] = Changes.Array(required);
        return result;
    }

    private static JsonObject Problem() => new()
    {
        ["type"] = "object",
        ["description"] = "TS 29.122 clause 5.2.6.",
        ["properties"] = new JsonObject
        {
            ["title"] = new JsonObject { ["type"] = "string" },
            ["status"] = new JsonObject { ["type"] = "integer" },
            ["detail"] = new JsonObject { ["type"] = "string" },
            ["cause"] = new JsonObject { ["type"] = "string" },
            ["instance"] = new JsonObject { ["type"] = "string" },
            ["invalidParams"] = new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["type"] = "object" } },
        },
    };
}
