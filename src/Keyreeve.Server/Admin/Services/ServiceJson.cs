using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Engines.Outbound;
using Keyreeve.Server.Settings;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Server.Admin.Services;

/// <summary>A VAL service as the admin API writes and reads it.</summary>
internal static class ServiceJson
{
    public static readonly AdminSchema Schema = new("Service",
        new AdminField("serviceId", FieldKind.Text, "1 to 200 scope characters; the scope is val:S.", Required: true),
        new AdminField("name", FieldKind.Text, "Shown on the consent page.", Required: true),
        new AdminField("audience", FieldKind.Text, "aud of the tokens for it.", Required: true),
        new AdminField("acrValues", FieldKind.Texts, "Authentication classes that are good enough, the preferred one first: 3gpp:acr:password (default), urn:keyreeve:acr:two-factor, phr. A stronger one always is."),
        new AdminField("keyFailuresUri", FieldKind.Text, "Where its owner is told of failed key requests: an address that takes Security Event Tokens, https."),
        new AdminField("version", FieldKind.Number, "Row version, the ETag.", ReadOnly: true));

    public static string Path(string serviceId) => $"{AdminRoutes.Base}/services/{Uri.EscapeDataString(serviceId)}";

    public static JsonObject Write(ValService service) => new()
    {
        ["serviceId"] = service.ServiceId,
        ["name"] = service.Name,
        ["audience"] = service.Audience,
        ["acrValues"] = Changes.Array(service.AcrValues),
        ["keyFailuresUri"] = service.KeyFailuresUri,
        ["version"] = service.Version,
    };

    /// <summary>The service of the body; its identifier is the path's where there is one.</summary>
    public static Outcome<ValService> Read(JsonBody body, string? pathId, bool allowHttp)
    {
        var id = body.RequiredText("serviceId", 200);
        if (body.Wrong is null && WhyNot(id) is { } why)
            body.Fail("serviceId", why);
        if (body.Wrong is null && pathId is not null && id != pathId)
            body.Fail("serviceId", "serviceId is the one of the path; an identifier cannot be changed");
        var service = new ValService { ServiceId = id, Name = body.RequiredText("name"), Audience = body.RequiredText("audience", 2000) };
        if (body.Texts("acrValues", 8, 255) is { Count: > 0 } classes)
            service = service with { AcrValues = [.. classes.Distinct(StringComparer.Ordinal)] };
        if (body.Wrong is null && service.AcrValues.FirstOrDefault(c => !AuthenticationClass.IsKnown(c)) is { } unknown)
            body.Fail("acrValues", $"there is no authentication class {JsonBody.Shown(unknown)}; there are {string.Join(", ", AuthenticationClass.Ordered)}");
        if (body.Text("keyFailuresUri", OutboundTarget.MaxLength) is { } address)
        {
            if (!OutboundTarget.TryRead(address, allowHttp, out _, out var reason))
                body.Fail("keyFailuresUri", $"keyFailuresUri: {reason}");
            service = service with { KeyFailuresUri = address };
        }
        return body.Wrong is { } wrong ? wrong : service;
    }

    /// <summary>What is wrong with an identifier, or null.</summary>
    public static string? WhyNot(string id) =>
        id.Length is 0 or > 200 || !AreScopeCharacters(id) ? "a VAL service ID has 1 to 200 scope characters: printable ASCII without space, quote and backslash (RFC 6749 3.3)"
        : id is "." or ".." ? "a VAL service ID is not . or ..: it could not stand in a path"
        : null;

    // A loop: every line of an import comes by here.
    private static bool AreScopeCharacters(string id)
    {
        foreach (var c in id)
            if (!ScopeList.IsScopeCharacter(c))
                return false;
        return true;
    }
}

/// <summary>Whether VAL services that somebody names exist.</summary>
internal static class ServiceNames
{
    public static async Task<Refusal?> WhyUnknownAsync(AdminRequest request, string param, IEnumerable<string> named)
    {
        var known = (await request.Admin.Parts.Stores.Directory.ListServicesAsync(request.Cancel)).Select(s => s.ServiceId).ToList();
        return named.FirstOrDefault(n => !known.Contains(n, StringComparer.Ordinal)) is { } wrong
            ? Refusal.About(RefusalCode.InvalidParameter, param, $"there is no VAL service {JsonBody.Shown(wrong)}"
                + (SettingNames.Nearest(JsonBody.Shown(wrong), known) is { } near ? $"; did you mean {near}?" : ""))
            : null;
    }

    /// <summary>
    /// Why a key record of a VAL service that is not registered is refused: nobody could ever get a token for it, so the key would lie there and the mistake
    /// in the name would not be noticed. The snapshot knows almost all; who is not in it is looked for in the store before it is refused.
    /// </summary>
    public static async Task<Func<string, Refusal?>> RegisteredAsync(AdminRequest request, IEnumerable<string> named)
    {
        var scopes = request.Admin.Parts.State.Scopes;
        if (named.Distinct(StringComparer.Ordinal).All(n => scopes.Find(ScopeCatalogue.ValPrefix + n) is not null))
            return static _ => null;
        var known = (await request.Admin.Parts.Stores.Directory.ListServicesAsync(request.Cancel)).Select(s => s.ServiceId).ToHashSet(StringComparer.Ordinal);
        var refusals = new Dictionary<string, Refusal>(StringComparer.Ordinal);
        return name => known.Contains(name) ? null : refusals.TryGetValue(name, out var refusal) ? refusal : refusals[name] = Unregistered(name, known);
    }

    /// <summary>Names some of those that there are. Our choice how many: it may stand in an answer once for each line of an import.</summary>
    private static Refusal Unregistered(string name, HashSet<string> known)
    {
        const int shown = 5;
        var (wrong, some) = (JsonBody.Shown(name), known.Order(StringComparer.Ordinal).Take(shown).Select(JsonBody.Shown));
        var there = known.Count == 0 ? "none is registered"
            : $"registered {(known.Count == 1 ? "is" : "are")} {string.Join(", ", some)}{(known.Count > shown ? $" and {known.Count - shown} more (keyreeve admin service list)" : "")}";
        return Refusal.About(RefusalCode.InvalidParameter, "serviceId", $"there is no VAL service {wrong}"
            + (SettingNames.Nearest(wrong, known) is { } near ? $" (did you mean {near}?)" : "")
            + $"; {there}. Register it first: keyreeve admin service add");
    }

    public static async Task<ValService?> FindAsync(AdminRequest request) =>
        (await request.Admin.Parts.Stores.Directory.ListServicesAsync(request.Cancel)).FirstOrDefault(s => s.ServiceId == request.Id);
}
