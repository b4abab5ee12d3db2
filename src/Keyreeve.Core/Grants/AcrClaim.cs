using System.Text;
using System.Text.Json;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>
/// The one member of <c>claims</c> that is heard: an essential <c>acr</c> of the ID token. Who calls it essential would rather have an
/// error than a weaker login; everything else of the parameter is voluntary and is ignored, as the metadata says.
/// </summary>
[Spec("OpenID Connect Core 1.0", "5.5.1.1")]
internal static class AcrClaim
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 8, AllowDuplicateProperties = false };

    /// <summary>The weakest class that is accepted, nothing when none is demanded, or the refusal.</summary>
    public static Outcome<Optional<string?>> Read(ParameterList asked)
    {
        asked.TrySingle("claims", out var text);
        if (text is null)
            return default(Optional<string?>);
        try
        {
            using var document = JsonDocument.Parse(Encoding.UTF8.GetBytes(text), Options);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                return Refusal.About(RefusalCode.InvalidParameter, "claims", "claims is a JSON object");
            if (!Member(document.RootElement, "id_token", out var idToken) || !Member(idToken, "acr", out var acr)
                || !acr.TryGetProperty("essential", out var essential) || essential.ValueKind != JsonValueKind.True)
                return default(Optional<string?>);
            var accepted = Values(acr);
            // Essential without a value is met by any login.
            if (accepted.Count == 0)
                return default(Optional<string?>);
            return AuthenticationClass.Weakest(accepted) is { } weakest
                ? new Optional<string?>(weakest)
                : Refusal.About(RefusalCode.UnmetAuthentication, "claims", "none of the authentication classes that are essential is supported");
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException)
        {
            return Refusal.About(RefusalCode.InvalidParameter, "claims", "claims is a JSON object");
        }
    }

    private static bool Member(JsonElement of, string name, out JsonElement member) =>
        of.TryGetProperty(name, out member) && member.ValueKind == JsonValueKind.Object;

    private static List<string> Values(JsonElement acr)
    {
        var values = new List<string>();
        if (acr.TryGetProperty("value", out var one) && one.ValueKind == JsonValueKind.String)
            values.Add(one.GetString()!);
        if (acr.TryGetProperty("values", out var many) && many.ValueKind == JsonValueKind.Array)
            values.AddRange(many.EnumerateArray().Where(v => v.ValueKind == JsonValueKind.String).Select(v => v.GetString()!));
        return values;
    }
}
