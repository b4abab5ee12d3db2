using System.Buffers;
using System.Text.Json;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>A token set as a store keeps it. Whoever reads it can be the user until the grant ends.</summary>
/// <param name="AccessToken">As in <see cref="TokenSet"/>.</param>
/// <param name="IdToken">The text of the ID token, checked before it was stored.</param>
/// <param name="RefreshToken">As in <see cref="TokenSet"/>.</param>
/// <param name="ExpiresAt">As in <see cref="TokenSet"/>, to the second.</param>
/// <param name="Scope">As in <see cref="TokenSet"/>.</param>
public sealed record StoredTokens(TokenText AccessToken, TokenText IdToken, TokenText? RefreshToken, DateTimeOffset ExpiresAt, ScopeList Scope)
{
    /// <summary>Octets of one. Our choice: three tokens of the longest kind and room.</summary>
    public const int MaxLength = 128 * 1024;

    /// <summary>Writes it as JSON, for a store of one's own.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteString("access_token"u8, AccessToken.Reveal());
        json.WriteString("id_token"u8, IdToken.Reveal());
        if (RefreshToken is not null)
            json.WriteString("refresh_token"u8, RefreshToken.Reveal());
        json.WriteNumber("expires_at"u8, ExpiresAt.ToUnixTimeSeconds());
        json.WriteString("scope"u8, Scope.Text);
        json.WriteEndObject();
    }

    /// <summary>Reads it; null when it is none. Never throws.</summary>
    public static StoredTokens? Read(ReadOnlyMemory<byte> octets)
    {
        if (octets.Length > MaxLength || !new AnswerBody(200, "application/json", octets.ToArray()).TryReadObject(out var document))
            return null;
        using (document)
        {
            var root = document.RootElement;
            return AnswerBody.Text(root, "access_token") is { Length: > 0 } access
                && AnswerBody.Text(root, "id_token") is { Length: > 0 } id
                && root.TryGetProperty("expires_at", out var at) && at.ValueKind == JsonValueKind.Number
                && at.TryGetInt64(out var seconds) && seconds is >= 0 and <= Wire.Jose.JoseLimits.MaxNumericDate
                && ScopeList.TryRead(AnswerBody.Text(root, "scope"), out var scope)
                    ? new(new(access), new(id), AnswerBody.Text(root, "refresh_token") is { Length: > 0 } refresh ? new(refresh) : null,
                        DateTimeOffset.FromUnixTimeSeconds(seconds), scope)
                    : null;
        }
    }

    internal static StoredTokens Of(TokenSet tokens) =>
        new(tokens.AccessToken, tokens.IdToken.Text, tokens.RefreshToken, DateTimeOffset.FromUnixTimeSeconds(tokens.ExpiresAt.ToUnixTimeSeconds()), tokens.Scope);

    /// <summary>The set again, when it is of this client; null when another client or another issuer left it there.</summary>
    internal TokenSet? Restore(string issuer, string clientId) =>
        IdTokenCheck.Reread(IdToken, issuer, clientId) is { } idToken ? new(AccessToken, idToken, RefreshToken, ExpiresAt, Scope) : null;
}
