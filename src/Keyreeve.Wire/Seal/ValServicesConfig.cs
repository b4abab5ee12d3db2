using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Wire.Seal;

/// <summary>VALServiceParams: one VAL service and the VAL users and VAL UEs that are provisioned to it.</summary>
/// <param name="ServiceId">VAL service ID.</param>
/// <param name="Targets">Each once, in the order sent; never empty.</param>
public sealed record ValServiceParams(string ServiceId, IReadOnlyList<KmIdentity> Targets);

/// <summary>
/// VALServicesConfig of TS 29.549, what a VAL server provisions, and its partial update as JSON Merge Patch.
/// <code>
/// { "valServerId": "...",
///   "valSvcConf": [ { "valServiceId": "...", "idList": [ { "valUserId" | "valUeId": "..." }, ... ] }, ... ],
///   "suppFeat": "0" }                                     optional
/// </code>
/// Members that are not known are not looked at, as 3GPP's schemas allow them. Errors name a member by its JSON pointer.
/// </summary>
[Spec("TS 29.549", "SS_IdmParameterProvisioning")]
public sealed record ValServicesConfig
{
    /// <summary>Octets of a body. Our choice: the most identities at a hundred octets each.</summary>
    public const int MaxLength = 256 * 1024;

    /// <summary>VAL services of one configuration. Our choice: as many as a VAL server may own.</summary>
    public const int MaxServices = 200;

    /// <summary>Identities of one configuration, all services together. Our choice: removing one ends the tokens of as many users in one transaction.</summary>
    public const int MaxTargets = 2_000;

    /// <summary>Features of the API: TS 29.549 defines none.</summary>
    public const string OurFeatures = "0";

    /// <summary>The VAL server that provisions it.</summary>
    public required string ValServerId { get; init; }

    /// <summary>Never empty; each VAL service once.</summary>
    public required IReadOnlyList<ValServiceParams> Services { get; init; }

    /// <summary>What both sides support, when the peer asked; else null.</summary>
    public string? SuppFeat { get; init; }

    /// <summary>Reads a whole configuration; never throws.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out ValServicesConfig? config, [NotNullWhen(false)] out KmRequestError? error)
    {
        config = null;
        if (!TryParse(json, out var document, out error))
            return false;
        using (document)
        {
            if (!KmRequest.TryText(document.RootElement, "valServerId", required: true, ValTargetUe.MaxIdentity, out var server, out error))
                return Named(ref error);
            if (!document.RootElement.TryGetProperty("valSvcConf", out var services))
            {
                error = new("/valSvcConf", "is required");
                return false;
            }
            var features = document.RootElement.TryGetProperty("suppFeat", out var feat) ? feat : default;
            if (!TryReadServices(services, out var read, out error) || !TryReadFeatures(features, out var common, out error))
                return false;
            config = new() { ValServerId = server!, Services = read, SuppFeat = common };
            return true;
        }
    }

    /// <summary>
    /// This configuration with a merge patch applied (RFC 7396 section 2): a member that is there replaces, null removes, and a required
    /// member cannot be removed. Never throws.
    /// </summary>
    [Spec("RFC 7396", "2")]
    public bool TryMerge(ReadOnlyMemory<byte> patch, [NotNullWhen(true)] out ValServicesConfig? merged, [NotNullWhen(false)] out KmRequestError? error)
    {
        merged = null;
        if (!TryParse(patch, out var document, out error))
            return false;
        using (document)
        {
            var root = document.RootElement;
            // VALServicesConfigPatch has no valServerId: who owns a configuration does not change.
            if (root.TryGetProperty("valServerId", out var server) && (!StrictJson.TryGetText(server, out var named) || named != ValServerId))
            {
                error = new("/valServerId", "cannot be changed");
                return false;
            }
            var (services, features) = (Services, SuppFeat);
            if (root.TryGetProperty("valSvcConf", out var newServices))
            {
                if (newServices.ValueKind == JsonValueKind.Null)
                {
                    error = new("/valSvcConf", "is required and cannot be removed");
                    return false;
                }
                if (!TryReadServices(newServices, out var read, out error))
                    return false;
                services = read;
            }
            if (root.TryGetProperty("suppFeat", out var feat))
            {
                if (feat.ValueKind == JsonValueKind.Null)
                    features = null;
                else if (!TryReadFeatures(feat, out features, out error))
                    return false;
            }
            merged = this with { Services = services, SuppFeat = features };
            return true;
        }
    }

    /// <summary>Writes it.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("valServerId"u8, ValServerId);
        json.WriteStartArray("valSvcConf"u8);
        foreach (var service in Services)
        {
            json.WriteStartObject();
            json.WriteString("valServiceId"u8, service.ServiceId);
            json.WriteStartArray("idList"u8);
            foreach (var target in service.Targets)
                ValTargetUe.Write(json, target);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (SuppFeat is not null)
            json.WriteString("suppFeat"u8, SuppFeat);
        json.WriteEndObject();
    }

    private static bool TryParse(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out JsonDocument? document, [NotNullWhen(false)] out KmRequestError? error)
    {
        var read = StrictJson.TryParseObject(json, MaxLength, out document, out var refused);
        error = read ? null : new(null, refused == JoseError.TooLarge ? "the body is longer than 256 KiB" : "the body is not one JSON object with distinct members");
        return read;
    }

    private static bool Named(ref KmRequestError? error)
    {
        error = new("/" + error!.Param, error.Reason);
        return false;
    }

    private static bool TryReadFeatures(JsonElement element, out string? common, [NotNullWhen(false)] out KmRequestError? error)
    {
        (common, error) = (null, null);
        if (element.ValueKind == JsonValueKind.Undefined)
            return true;
        if (!StrictJson.TryGetText(element, out var text) || !SupportedFeatures.IsValid(text))
        {
            error = new("/suppFeat", $"is at most {SupportedFeatures.MaxLength} hexadecimal digits");
            return false;
        }
        common = SupportedFeatures.Common(OurFeatures, text);
        return true;
    }

    private static bool TryReadServices(JsonElement element, [NotNullWhen(true)] out IReadOnlyList<ValServiceParams>? services, [NotNullWhen(false)] out KmRequestError? error)
    {
        services = null;
        if (element.ValueKind != JsonValueKind.Array || element.GetArrayLength() is 0 or > MaxServices)
        {
            error = new("/valSvcConf", $"is an array of 1 to {MaxServices} VAL services");
            return false;
        }
        var (read, names, total) = (new List<ValServiceParams>(), new HashSet<string>(StringComparer.Ordinal), 0);
        foreach (var (index, one) in element.EnumerateArray().Index())
        {
            var path = $"/valSvcConf/{index}";
            if (!TryReadService(one, path, out var service, out error))
                return false;
            total += service.Targets.Count;
            error = !names.Add(service.ServiceId) ? new(path + "/valServiceId", "names a VAL service that stands before")
                : total > MaxTargets ? new(path + "/idList", $"makes more than {MaxTargets} identities in one configuration")
                : null;
            if (error is not null)
                return false;
            read.Add(service);
        }
        (services, error) = (read, null);
        return true;
    }

    private static bool TryReadService(JsonElement element, string path, [NotNullWhen(true)] out ValServiceParams? service, [NotNullWhen(false)] out KmRequestError? error)
    {
        service = null;
        if (element.ValueKind != JsonValueKind.Object)
        {
            error = new(path, "is an object");
            return false;
        }
        if (!KmRequest.TryText(element, "valServiceId", required: true, ValTargetUe.MaxIdentity, out var id, out error))
        {
            error = new($"{path}/{error!.Param}", error.Reason);
            return false;
        }
        if (!element.TryGetProperty("idList", out var list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() is 0 or > MaxTargets)
        {
            error = new(path + "/idList", $"is an array of 1 to {MaxTargets} identities");
            return false;
        }
        var (targets, seen) = (new List<KmIdentity>(), new HashSet<KmIdentity>());
        foreach (var (index, one) in list.EnumerateArray().Index())
        {
            if (!ValTargetUe.TryRead(one, $"{path}/idList/{index}", out var target, out error))
                return false;
            if (!seen.Add(target.Value))
            {
                error = new($"{path}/idList/{index}", "is there twice");
                return false;
            }
            targets.Add(target.Value);
        }
        (service, error) = (new(id!, targets), null);
        return true;
    }
}
