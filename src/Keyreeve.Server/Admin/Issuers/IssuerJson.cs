using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Admin.Clients;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Server.Admin.Issuers;

/// <summary>A trusted issuer as the admin API writes and reads it.</summary>
internal static class IssuerJson
{
    private static readonly AdminField[] Fields =
    [
        new("issuer", FieldKind.Text, "iss of its tokens, an absolute URI; compared as a string.", Required: true),
        new("name", FieldKind.Text, "For operators.", Required: true),
        new("jwks", FieldKind.Object, "Its public keys."),
        new("jwksUri", FieldKind.Text, "Where its public keys are fetched from, https; instead of jwks."),
        new("algorithms", FieldKind.Texts, "What it signs with: ES256 (default), ES384, RS256, PS256."),
        new("scopes", FieldKind.Text, "What its users may have here, separated by spaces: VAL services (val:S) and SEAL services."),
        new("clients", FieldKind.Texts, "The clients that may present its tokens; none when absent."),
        new("links", FieldKind.Texts, "Its users that are users here, each SUB=SUBJECT; at most 1000."),
        new("federated", FieldKind.Flag, "Users that are not linked are known here as issuer|sub; without it they are refused."),
        new("acr", FieldKind.Text, "The authentication class its logins count as: 3gpp:acr:password (default), urn:keyreeve:acr:two-factor, phr."),
        new("introspectionUri", FieldKind.Text, "Its introspection endpoint, https: it is asked at every exchange whether its token holds. With introspectionClientId and introspectionSecret."),
        new("introspectionClientId", FieldKind.Text, "Our client_id there."),
        new("tokenSeconds", FieldKind.Number, "10 to 86400: what is made of its tokens lives no longer. Without it 120 where it is asked, else as long as its token."),
        new("disabled", FieldKind.Flag, "Its tokens are refused, and what stands on them ends."),
        new("version", FieldKind.Number, "Row version, the ETag.", ReadOnly: true),
    ];

    public static readonly AdminSchema Schema = new("TrustedIssuer", Fields);

    public static readonly AdminSchema New = new("NewTrustedIssuer",
        [.. Fields, new AdminField("introspectionSecret", FieldKind.Text, "Our secret there; never shown. Left out, it stays while introspectionUri and introspectionClientId do.", WriteOnly: true)]);

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
        ["introspectionUri"] = issuer.Origin?.Address,
        ["introspectionClientId"] = issuer.Origin?.ClientId,
        ["tokenSeconds"] = issuer.TokenSeconds,
        ["disabled"] = issuer.Disabled,
        ["version"] = issuer.Version,
    };

    /// <summary>The issuer of the body; its identifier is the path's where there is one. Whether it fits the rest is for <see cref="IssuerRules"/>.</summary>
    public static Outcome<TrustedIssuer> Read(JsonBody body, string? pathId, TrustedIssuer? before, Kek kek)
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
            Origin = ReadOrigin(body, id, before?.Origin, kek),
            TokenSeconds = body.Number("tokenSeconds", 10, 86400),
            Disabled = body.Flag("disabled", absent: false),
        };
        if (body.Texts("algorithms", 8, 16) is { Count: > 0 } names)
            issuer = issuer with { Algorithms = [.. names.Select(name => ReadAlgorithm(body, name)).Distinct()] };
        return body.Wrong is { } wrong ? wrong : issuer;
    }

    private static OriginCheck? ReadOrigin(JsonBody body, string issuer, OriginCheck? before, Kek kek)
    {
        var (address, clientId, secret) = (ClientJson.ReadPage(body, "introspectionUri"), body.Text("introspectionClientId"), body.Text("introspectionSecret", 512));
        if (address is null && clientId is null && secret is null)
            return null;
        if (address is null || clientId is null)
            body.Fail(address is null ? "introspectionUri" : "introspectionClientId", "introspectionUri and introspectionClientId go together");
        else if (secret is not null)
            return new(address, clientId, kek.Seal(OriginCheck.PurposeOf(issuer), Encoding.UTF8.GetBytes(secret)));
        // A secret goes only where it was meant to go: another address or name needs it anew.
        else if (before is not null && before.Address == address && before.ClientId == clientId)
            return before;
        else
            body.Fail("introspectionSecret", "introspectionSecret is required for a new introspectionUri or introspectionClientId");
        return null;
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
