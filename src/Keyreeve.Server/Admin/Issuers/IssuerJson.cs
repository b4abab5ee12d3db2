using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Admin.Clients;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Server.Admin.Issuers;

/// <summary>A trusted issuer as the admin API writes and reads it.</summary>
internal static class IssuerJson
{
    public static readonly AdminSchema Schema = new("TrustedIssuer",
        new AdminField("issuer", FieldKind.Text, "iss of its tokens, an absolute URI; compared as a string.", Required: true),
        new AdminField("name", FieldKind.Text, "For operators.", Required: true),
        new AdminField("jwks", FieldKind.Object, "Its public keys."),
        new AdminField("jwksUri", FieldKind.Text, "Where its public keys are fetched from, https; instead of jwks."),
        new AdminField("algorithms", FieldKind.Texts, "What it signs with: ES256 (default), ES384, RS256, PS256."),
        new AdminField("scopes", FieldKind.Text, "What its users may have here, separated by spaces: VAL services (val:S) and SEAL services."),
        new AdminField("clients", FieldKind.Texts, "The clients that may present its tokens; none when absent."),
        new AdminField("links", FieldKind.Texts, "Its users that are users here, each SUB=SUBJECT; at most 1000."),
        new AdminField("federated", FieldKind.Flag, "Users that are not linked are known here as issuer|sub; without it they are refused."),
        new AdminField("acr", FieldKind.Text, "The authentication class its logins count as: 3gpp:acr:password (default), urn:keyreeve:acr:two-factor, phr."),
        new AdminField("disabled", FieldKind.Flag, "Its tokens are refused, and what stands on them ends."),
        new AdminField("version", FieldKind.Number, "Row version, the ETag.", ReadOnly: true));

    public static string Path(string issuer) => $"{AdminRoutes.Base}/issuers/{Uri.EscapeDataString(issuer)}";

    public static JsonObject Write(TrustedIssuer issuer) => new()
    {
        ["issuer"] = issuer.Issuer,
        ["name"] = issuer.Name,
        ["jwks"] = issuer.Keys is null ? null : ClientJson.WriteKeys(issuer.Keys),
        ["jwksUri"] = issuer.KeysUri,
        ["algorithms"] = Changes.Array(issuer.Algorithms.Select(a => a.Name())),
        ["scopes"] = issuer.Scopes.Text,
        ["clients"] = Changes.Array(issuer.Clients),
        ["links"] = Changes.Array(issuer.Links.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => l.Key + "=" + l.Value)),
        ["federated"] = issuer.Federated,
        ["acr"] = issuer.Acr,
        ["disabled"] = issuer.Disabled,
        ["version"] = issuer.Version,
    };

    /// <summary>The issuer of the body; its identifier is the path's where there is one. Whether it fits the rest is for <see cref="IssuerRules"/>.</summary>
    public static Outcome<TrustedIssuer> Read(JsonBody body, string? pathId)
    {
        var id = body.RequiredText("issuer", 200);
        if (body.Wrong is null && pathId is not null && id != pathId)
            body.Fail("issuer", "issuer is the one of the path; it cannot be changed");
        var issuer = new TrustedIssuer
        {
            Issuer = id,
            Name = body.RequiredText("name"),
            Keys = ClientJson.ReadKeys(body),
            KeysUri = ClientJson.ReadPage(body, "jwksUri"),
            Scopes = ClientJson.ReadScopes(body),
            Clients = [.. body.Texts("clients", 200, 255) ?? []],
            Links = ReadLinks(body),
            Federated = body.Flag("federated", absent: false),
            Acr = body.Text("acr") ?? AuthenticationClass.Password,
            Disabled = body.Flag("disabled", absent: false),
        };
        if (body.Texts("algorithms", 8, 16) is { Count: > 0 } names)
            issuer = issuer with { Algorithms = [.. names.Select(name => ReadAlgorithm(body, name)).Distinct()] };
        return body.Wrong is { } wrong ? wrong : issuer;
    }

    private static JwsAlgorithm ReadAlgorithm(JsonBody body, string name)
    {
        if (!JwsAlgorithms.TryParse(name, out var algorithm) || !algorithm.IsAsymmetric())
            body.Fail("algorithms", $"algorithms: {JsonBody.Shown(name)} is none of {string.Join(", ", JwsAlgorithms.All.Where(a => a.IsAsymmetric()).Select(a => a.Name()))}");
        return algorithm;
    }

    private static ImmutableDictionary<string, string> ReadLinks(JsonBody body)
    {
        var links = TrustedIssuer.NoLinks.ToBuilder();
        foreach (var text in body.Texts("links", TrustedIssuer.MaxLinks, 512) ?? [])
        {
            // A subject of ours has no equals sign; theirs may.
            var at = text.LastIndexOf('=');
            if (at <= 0 || !User.IsSubject(text[(at + 1)..]))
                body.Fail("links", $"links: {JsonBody.Shown(text)} is not SUB=SUBJECT, the second being a user's subject here (u-...)");
            else if (!links.TryAdd(text[..at], text[(at + 1)..]))
                body.Fail("links", $"links: {JsonBody.Shown(text[..at])} is linked twice");
        }
        return links.ToImmutable();
    }
}
