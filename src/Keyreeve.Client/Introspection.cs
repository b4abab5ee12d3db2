using System.Text.Json;

namespace Keyreeve.Client;

/// <summary>The answer of RFC 7662 section 2.2, reduced to what decides.</summary>
/// <param name="Active">The token stands.</param>
/// <param name="ClientId"><c>client_id</c>, or null.</param>
/// <param name="Subject"><c>sub</c>, or null.</param>
/// <param name="Scope"><c>scope</c>, or null.</param>
public sealed record Introspection(bool Active, string? ClientId, string? Subject, string? Scope)
{
    internal static ClientResult<Introspection> Read(AnswerBody answer)
    {
        if (!answer.TryReadObject(out var document))
            return new BadAnswer("an introspection response", answer.Described);
        using (document)
        {
            var root = document.RootElement;
            // "active REQUIRED. Boolean": a text "true" is none.
            return root.TryGetProperty("active", out var active) && active.ValueKind is JsonValueKind.True or JsonValueKind.False
                ? new Introspection(active.ValueKind == JsonValueKind.True, AnswerBody.Text(root, "client_id"), AnswerBody.Text(root, "sub"), AnswerBody.Text(root, "scope"))
                : new BadAnswer("an introspection response with active", "none");
        }
    }
}
