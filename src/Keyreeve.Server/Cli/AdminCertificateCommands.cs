using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin certificate</c>: certificates of the built-in authorities.</summary>
internal static class AdminCertificateCommands
{
    private static readonly string[] Columns = ["serial", "authority", "clientId", "name", "notAfter", "replacedBy", "revokedAt"];

    public static Command Create(AdminTools tools) => new("certificate", "Certificates of the built-in authorities: issue, renew, revoke.")
    {
        CreateIssue(tools), CreateList(tools), CreateShow(tools), CreateRenew(tools), CreateRevoke(tools),
    };

    private static Command CreateIssue(AdminTools tools)
    {
        var client = new Option<string?>("--client") { Description = "the client it is for; without names it gets the one of its registration" };
        var authority = new Option<string?>("--authority") { Description = "val (default), capif or servers" };
        var name = new Option<string?>("--name") { Description = "common name, for people" };
        var uris = new Option<string[]>("--uri") { Description = "a URI in the subjectAltName" };
        var dns = new Option<string[]>("--dns") { Description = "a DNS name in the subjectAltName: the server's host or localhost" };
        var addresses = new Option<string[]>("--address") { Description = "an IP address in the subjectAltName" };
        var use = new Option<string[]>("--use") { Description = "client (default) or server; may be given twice" };
        var key = new KeySource();
        var command = key.AddTo(new Command("issue", "Issue a certificate.") { client, authority, name, uris, dns, addresses, use });
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var body = new JsonObject();
            foreach (var (member, option) in new[] { ("clientId", client), ("authority", authority), ("name", name) })
                if (parse.GetValue(option) is { } value)
                    body[member] = value;
            foreach (var (member, option) in new[] { ("uris", uris), ("dnsNames", dns), ("addresses", addresses), ("use", use) })
                if (parse.GetValue(option) is { Length: > 0 } values)
                    body[member] = new JsonArray([.. values.Select(v => (JsonNode)v)]);
            await key.SendAsync(parse, server, output, "certificates", body, "issued");
        }));
        return command;
    }

    private static Command CreateRenew(AdminTools tools)
    {
        var serial = SerialArgument();
        var key = new KeySource();
        var command = key.AddTo(new Command("renew", "Issue another one with the same names; the one before stays good until it ends or is revoked.") { serial });
        command.SetAction((parse, _) => tools.RunAsync(parse, (server, output) =>
            key.SendAsync(parse, server, output, $"certificates/{Uri.EscapeDataString(parse.GetValue(serial)!)}/renew", [], "renewed: issued")));
        return command;
    }

    private static Command CreateList(AdminTools tools)
    {
        var client = new Option<string?>("--client") { Description = "of this client only" };
        var command = new Command("list", "List them.") { client };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.List(
            await server.ListAsync("certificates" + (parse.GetValue(client) is { } id ? "?clientId=" + Uri.EscapeDataString(id) : "")), Columns, "certificate")));
        return command;
    }

    private static Command CreateShow(AdminTools tools)
    {
        var serial = SerialArgument();
        var command = new Command("show", "Show one, with its chain.") { serial };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var shown = (await server.GetAsync("certificates/" + Uri.EscapeDataString(parse.GetValue(serial)!))).Document;
            var chain = (string)shown["certificate"]!;
            if (output.ForPeople)
                shown.Remove("certificate");
            output.Show(shown);
            if (output.ForPeople)
                Console.Write(chain);
        }));
        return command;
    }

    private static Command CreateRevoke(AdminTools tools)
    {
        var serial = SerialArgument();
        var reason = new Option<string?>("--reason") { Description = "unspecified (default), keyCompromise, affiliationChanged, superseded, cessationOfOperation or privilegeWithdrawn" };
        var command = new Command("revoke", "Refuse it from now on, and name it in the authority's list.") { serial, reason };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var body = new JsonObject();
            if (parse.GetValue(reason) is { } why)
                body["reason"] = why;
            var revoked = (await server.SendAsync(HttpMethod.Post, $"certificates/{Uri.EscapeDataString(parse.GetValue(serial)!)}/revoke", body, null,
                new Dictionary<string, string> { ["reason"] = "--reason" })).Document;
            output.Done($"revoked certificate {revoked["serial"]} of {revoked["clientId"] ?? revoked["name"]}", revoked);
        }));
        return command;
    }

    private static Argument<string> SerialArgument() => new("serial") { Description = "as in: certificate list" };

    /// <summary>--csr FILE or --new PREFIX, and --days: a private key is never sent.</summary>
    private sealed class KeySource
    {
        private static readonly Dictionary<string, string> Flags = new(StringComparer.Ordinal)
        {
            ["clientId"] = "--client",
            ["authority"] = "--authority",
            ["name"] = "--name",
            ["uris"] = "--uri",
            ["dnsNames"] = "--dns",
            ["addresses"] = "--address",
            ["use"] = "--use",
            ["days"] = "--days",
            ["csr"] = "--csr",
        };

        private readonly Option<string?> _csr = new("--csr") { Description = "a PEM file with a PKCS#10 request, whose key is taken; the certificate is printed" };
        private readonly Option<string?> _fresh = new("--new") { Description = "make a key here, and write PREFIX.pem and PREFIX.key" };
        private readonly Option<int?> _days = new("--days") { Description = "1 to 1095" };

        public Command AddTo(Command command)
        {
            foreach (var option in (Option[])[_csr, _fresh, _days])
                command.Options.Add(option);
            return command;
        }

        public async Task SendAsync(ParseResult parse, AdminServer server, AdminOutput output, string path, JsonObject body, string done)
        {
            var (request, prefix) = (parse.GetValue(_csr), parse.GetValue(_fresh));
            if (request is null == prefix is null)
                throw AdminFailure.Usage("give exactly one of --new PREFIX and --csr FILE");
            if (prefix is not null && (File.Exists(prefix + ".key") || File.Exists(prefix + ".pem")))
                throw AdminFailure.Usage($"--new {prefix}: {prefix}.key or {prefix}.pem exists already");
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            body["csr"] = request is not null ? AdminFiles.ReadText("--csr", request) : new CertificateRequest("CN=certificate", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();
            if (parse.GetValue(_days) is { } days)
                body["days"] = days;
            var made = (await server.SendAsync(HttpMethod.Post, path, body, null, Flags)).Document;
            var chain = (string)made["certificate"]!;
            if (prefix is not null)
            {
                var cure = $"revoke the certificate ({made["serial"]}) and try again";
                AdminFiles.Write(prefix + ".key", key.ExportPkcs8PrivateKeyPem() + "\n", cure);
                AdminFiles.Write(prefix + ".pem", chain, cure);
            }
            output.Done($"{done} certificate {made["serial"]} until {made["notAfter"]}{(prefix is null ? "" : $" ({prefix}.pem, {prefix}.key)")}", made);
            if (prefix is null && output.ForPeople)
                Console.Write(chain);
        }
    }
}
