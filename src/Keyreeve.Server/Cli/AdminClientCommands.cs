using System.CommandLine;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin client</c></summary>
internal static class AdminClientCommands
{
    private static readonly AdminResource Clients = new("client", "SIM-Cs, VAL servers and other OAuth clients.", "clients", "clientId",
        ["clientId", "name", "profile", "authMethods", "grants", "scopes", "disabled"],
        [
            AdminFlag.Text("--name", "name", "shown to users"),
            AdminFlag.Text("--profile", "profile", "seal or openid"),
            AdminFlag.Texts("--auth-method", "authMethods", "client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none"),
            new("--jwks", "jwks", typeof(JsonObject), "a file with its public keys: for private_key_jwt and signed key requests, and with use enc for key material and tokens that are encrypted for it"),
            AdminFlag.Texts("--redirect-uri", "redirectUris", "a redirect URI"),
            AdminFlag.Texts("--grant", "grants", "authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:token-exchange or urn:ietf:params:oauth:grant-type:jwt-bearer"),
            AdminFlag.Text("--scopes", "scopes", "what it may ask for, separated by spaces"),
            new("--pkce-optional", "pkceOptional", typeof(bool), "confidential clients of profile openid only"),
            AdminFlag.Text("--consent", "consent", "remember, always or implied"),
            AdminFlag.Text("--audience", "audience", "as a resource server: whose tokens it may introspect"),
            AdminFlag.Texts("--owned-service", "ownedServices", "as a VAL server: a VAL service it owns"),
            AdminFlag.Texts("--certificate", "certificates", "a PEM file, or a SHA-256 thumbprint") with { MayBeFile = true },
            AdminFlag.Text("--tls-name", "tlsName", "for tls_client_auth, the name its certificate holds: KIND:VALUE with subject_dn, san_dns, san_uri, san_ip or san_email"),
            new("--require-certificate", "requireCertificate", typeof(bool), "SEAL-S: its tokens are good at the SEAL APIs only with a certificate of --tls-name"),
            AdminFlag.Text("--id-token-algorithm", "idTokenAlgorithm", "ES256 or RS256; default by profile: seal ES256, openid RS256"),
            new("--access-token-seconds", "accessTokenSeconds", typeof(int), "10 to 86400"),
            AdminFlag.Text("--minimum-acr", "minimumAcr", "the weakest authentication class of its users"),
            AdminFlag.Text("--description", "description", "shown to users under the name"),
            AdminFlag.Text("--client-uri", "clientUri", "its website"),
            AdminFlag.Text("--logo-uri", "logoUri", "its logo"),
            AdminFlag.Text("--policy-uri", "policyUri", "how it uses users' data"),
            AdminFlag.Text("--tos-uri", "tosUri", "its terms of service"),
            AdminFlag.Text("--jwks-uri", "jwksUri", "where its public keys are fetched from, instead of --jwks"),
            AdminFlag.Texts("--post-logout-redirect-uri", "postLogoutRedirectUris", "where a browser may go after a logout"),
            new("--bound-tokens", "boundTokens", typeof(bool), "access tokens are bound to its certificate"),
            new("--require-pushed-requests", "requirePushedRequests", typeof(bool), "authorization requests are pushed first"),
            new("--encrypt-access-tokens", "encryptAccessTokens", typeof(bool), "access tokens are encrypted for their resource server"),
            AdminFlag.Text("--km-request-signature", "kmRequestSignature", "optional, or required: its key requests are signed with a key of --jwks or --jwks-uri"),
            AdminFlag.Text("--km-payload-encryption", "kmPayloadEncryption", "none, or required: key material is encrypted for its key of use enc"),
            new("--may-impersonate", "mayImpersonate", typeof(bool), "token exchange gives it tokens that do not name it as the actor"),
            AdminFlag.Text("--subject-type", "subjectType", "public, or pairwise: its users have names of their own in its sector"),
            AdminFlag.Text("--sector", "sectorIdentifier", "for pairwise, the host that names the sector; default: that of the redirect URIs"),
            new("--disabled", "disabled", typeof(bool), "true ends its tokens"),
            AdminFlag.Text("--secret-file", "secret", "a file with a secret made elsewhere, or - for standard input; without it one is made") with { IsFile = true, OnlyAdd = true },
        ])
    {
        Secret = ("clientSecret", "client secret"),
    };

    public static Command Create(AdminTools tools)
    {
        var command = Clients.CreateCommand(tools);
        command.Subcommands.Add(new Command("secret", "Rotate secrets: add the new one, move the client over, remove the old one.") { CreateAdd(tools), CreateRemove(tools) });
        return command;
    }

    private static Command CreateAdd(AdminTools tools)
    {
        var id = Clients.IdArgument();
        var file = new Option<string?>("--secret-file") { Description = "a file with a secret made elsewhere, or - for standard input; without it one is made" };
        var command = new Command("add", "Add a second secret.") { id, file };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var body = new JsonObject();
            if (parse.GetValue(file) is { } name)
                body["secret"] = AdminFiles.ReadText("--secret-file", name).TrimEnd('\r', '\n');
            var path = await Clients.PathOfAsync(server, parse.GetValue(id)!);
            var answer = (await server.SendAsync(HttpMethod.Post, path + "/secrets", body, null, new Dictionary<string, string> { ["secret"] = "--secret-file" })).Document;
            output.Done($"added secret {answer["id"]} to client {parse.GetValue(id)}", answer);
            output.Secret("client secret", (string?)answer["clientSecret"]);
        }));
        return command;
    }

    private static Command CreateRemove(AdminTools tools)
    {
        var id = Clients.IdArgument();
        var secret = new Argument<string>("secret") { Description = "its id (see: client show), or oldest", DefaultValueFactory = _ => "oldest" };
        var command = new Command("remove", "Remove a secret; without an id, the older of the two.") { id, secret };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var path = await Clients.PathOfAsync(server, parse.GetValue(id)!);
            await server.SendAsync(HttpMethod.Delete, $"{path}/secrets/{Uri.EscapeDataString(parse.GetValue(secret)!)}", null, null, null);
            output.Done($"removed secret {parse.GetValue(secret)} of client {parse.GetValue(id)}", null);
        }));
        return command;
    }
}
