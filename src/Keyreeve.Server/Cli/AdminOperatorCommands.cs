using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin operator</c></summary>
internal static class AdminOperatorCommands
{
    private static readonly string[] Columns = ["thumbprint", "name", "you"];

    public static Command Create(AdminTools tools)
    {
        var list = new Command("list", "List registered operator certificates.");
        list.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.List(await server.ListAsync("operators"), Columns, "operator")));

        var shown = new Argument<string>("thumbprint");
        var show = new Command("show", "Show one.") { shown };
        show.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.Show(
            (await server.ListAsync("operators")).FirstOrDefault(k => (string?)k!["thumbprint"] == parse.GetValue(shown)) as JsonObject
                ?? throw AdminFailure.Refused($"there is no operator {parse.GetValue(shown)}; see: keyreeve admin operator list"))));

        var removed = new Argument<string>("thumbprint") { Description = "as in: operator list" };
        var remove = new Command("remove", "Remove a registration, never the last; it counts from the next request on.") { removed };
        remove.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            await server.SendAsync(HttpMethod.Delete, "operators/" + Uri.EscapeDataString(parse.GetValue(removed)!), null, null, null);
            output.Done($"removed operator {parse.GetValue(removed)}", null);
        }));
        return new Command("operator", "Certificates of people and programs that may use this.") { list, show, CreateAdd(tools), remove };
    }

    private static Command CreateAdd(AdminTools tools)
    {
        var name = new Argument<string>("name") { Description = "whose it is" };
        var certificate = new Option<string?>("--certificate") { Description = "a PEM file: a certificate that this server's Operators CA issued" };
        var csr = new Option<string?>("--csr") { Description = "a PEM file with a PKCS#10 request; the certificate is printed" };
        var fresh = new Option<string?>("--new") { Description = "make a key here, and write PREFIX.pem and PREFIX.key" };
        var command = new Command("add", "Register another operator.") { name, certificate, csr, fresh };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var (pem, request, prefix) = (parse.GetValue(certificate), parse.GetValue(csr), parse.GetValue(fresh));
            if (new[] { pem, request, prefix }.Count(v => v is not null) != 1)
                throw AdminFailure.Usage("give exactly one of --new PREFIX, --csr FILE and --certificate FILE");
            if (prefix is not null && (File.Exists(prefix + ".key") || File.Exists(prefix + ".pem")))
                throw AdminFailure.Usage($"--new {prefix}: {prefix}.key or {prefix}.pem exists already");
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var body = new JsonObject { ["name"] = parse.GetValue(name) };
            if (pem is not null)
                body["certificate"] = AdminFiles.ReadText("--certificate", pem);
            else
                body["csr"] = request is not null
                    ? AdminFiles.ReadText("--csr", request)
                    : new CertificateRequest("CN=operator", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();
            var made = (await server.SendAsync(HttpMethod.Post, "operators", body, null,
                new Dictionary<string, string> { ["name"] = "<name>", ["certificate"] = "--certificate", ["csr"] = "--csr" })).Document;
            if (prefix is not null)
            {
                AdminFiles.Write(prefix + ".key", key.ExportPkcs8PrivateKeyPem() + "\n", "the operator was registered: remove the operator and try again");
                AdminFiles.Write(prefix + ".pem", (string)made["certificate"]!, "the operator was registered: remove the operator and try again");
            }
            output.Done($"added operator {made["name"]} with certificate {made["thumbprint"]}{(prefix is null ? "" : $" ({prefix}.pem, {prefix}.key)")}", made);
            if (request is not null && output.ForPeople)
                Console.Write((string)made["certificate"]!);
        }));
        return command;
    }
}
