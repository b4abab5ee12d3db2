using System.Text.Json;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// Who acts for whom (RFC 8693 4.1): the current actor and the one before it. Only the current one is to be authorised by; the others
/// are told for the record.
/// </summary>
/// <param name="Subject"><c>sub</c>: a client_id or a subject.</param>
/// <param name="Issuer"><c>iss</c> when it is not ours.</param>
/// <param name="Before">The actor before, or null.</param>
[Spec("RFC 8693", "4.1")]
public sealed record ActorChain(string Subject, string? Issuer, ActorChain? Before)
{
    /// <summary>Actors in one token. Our choice: each one makes every token after it longer.</summary>
    public const int MaxDepth = 4;

    /// <summary>How many actors.</summary>
    public int Depth => 1 + (Before?.Depth ?? 0);

    /// <summary>True for the same actor, whoever was before.</summary>
    public bool IsSame(string subject) => Issuer is null && string.Equals(Subject, subject, StringComparison.Ordinal);

    /// <summary>
    /// The claim <c>act</c> of a token; null when it has none. What does not read, or is deeper than <see cref="MaxDepth"/>, is no chain:
    /// a token whose actor cannot be told is refused as a whole.
    /// </summary>
    /// <param name="claims">The token's.</param>
    /// <param name="issuer">Whose names they are; null for ours.</param>
    /// <param name="chain">The chain.</param>
    public static bool TryRead(JwtClaims claims, string? issuer, out ActorChain? chain)
    {
        chain = null;
        return !claims.TryGetRaw("act", out var json) || TryRead(json, issuer, MaxDepth, out chain);
    }

    /// <summary>Writes the claim's value.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("sub"u8, Subject);
        if (Issuer is not null)
            json.WriteString("iss"u8, Issuer);
        if (Before is not null)
        {
            json.WritePropertyName("act"u8);
            Before.WriteTo(json);
        }
        json.WriteEndObject();
    }

    private static bool TryRead(JsonElement json, string? issuer, int left, out ActorChain? chain)
    {
        chain = null;
        if (left == 0 || json.ValueKind != JsonValueKind.Object || !TryText(json, "sub", out var subject) || subject is null || !TryText(json, "iss", out var own))
            return false;
        ActorChain? before = null;
        if (json.TryGetProperty("act", out var inner) && !TryRead(inner, issuer, left - 1, out before))
            return false;
        chain = new(subject, own ?? issuer, before);
        return true;
    }

    internal static bool TryText(JsonElement json, string name, out string? text)
    {
        text = null;
        if (!json.TryGetProperty(name, out var value))
            return true;
        if (value.ValueKind != JsonValueKind.String)
            return false;
        text = value.GetString();
        return text is { Length: > 0 and <= OAuthLimits.MaxIdentity } && !text.Any(char.IsControl);
    }
}

/// <summary>The one party that a token lets act for its subject (RFC 8693 4.4).</summary>
/// <param name="Subject"><c>sub</c></param>
/// <param name="Issuer"><c>iss</c>, or null.</param>
[Spec("RFC 8693", "4.4")]
public sealed record MayAct(string Subject, string? Issuer)
{
    /// <summary>
    /// The claim <c>may_act</c>; null when there is none. A member that is not understood may be a condition, so a claim that holds one
    /// lets nobody act: it does not read.
    /// </summary>
    public static bool TryRead(JwtClaims claims, out MayAct? mayAct)
    {
        mayAct = null;
        if (!claims.TryGetRaw("may_act", out var json))
            return true;
        if (json.ValueKind != JsonValueKind.Object || json.EnumerateObject().Any(m => m.Name is not ("sub" or "iss"))
            || !ActorChain.TryText(json, "sub", out var subject) || subject is null || !ActorChain.TryText(json, "iss", out var issuer))
            return false;
        mayAct = new(subject, issuer);
        return true;
    }

    /// <summary>True for an actor known to us.</summary>
    public bool Names(string actor, string ourIssuer) =>
        string.Equals(Subject, actor, StringComparison.Ordinal) && (Issuer is null || string.Equals(Issuer, ourIssuer, StringComparison.Ordinal));

    /// <summary>Writes the claim's value.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("sub"u8, Subject);
        if (Issuer is not null)
            json.WriteString("iss"u8, Issuer);
        json.WriteEndObject();
    }
}

/// <summary>A token that another one was made of: when it is revoked, so is what came of it.</summary>
/// <param name="JwtId">Its <c>jti</c>.</param>
/// <param name="ClientId">The client that had it.</param>
public sealed record TokenAncestor(string JwtId, string ClientId)
{
    /// <summary>Generations of exchange from one token. Our choice: enough for a chain of services, and the list stays short.</summary>
    public const int MaxGenerations = 4;

    /// <summary>The claim <c>derived_from</c> of a token of ours; null when it does not read.</summary>
    public static IReadOnlyList<TokenAncestor>? Read(JwtClaims claims)
    {
        if (!claims.TryGetRaw("derived_from", out var json))
            return [];
        if (json.ValueKind != JsonValueKind.Array || json.GetArrayLength() > MaxGenerations)
            return null;
        var ancestors = new List<TokenAncestor>();
        foreach (var element in json.EnumerateArray())
        {
            if (element.ValueKind != JsonValueKind.Object || !ActorChain.TryText(element, "jti", out var jti) || jti is null
                || !ActorChain.TryText(element, "client_id", out var clientId) || clientId is null)
                return null;
            ancestors.Add(new(jti, clientId));
        }
        return ancestors;
    }

    /// <summary>Writes the claim's value.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<TokenAncestor> ancestors)
    {
        json.WriteStartArray();
        foreach (var ancestor in ancestors)
        {
            json.WriteStartObject();
            json.WriteString("jti"u8, ancestor.JwtId);
            json.WriteString("client_id"u8, ancestor.ClientId);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
