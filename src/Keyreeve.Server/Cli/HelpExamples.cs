using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace Keyreeve.Server.Cli;

/// <summary>An example for every command, below its help. Names are those of the demo where there is one.</summary>
public static class HelpExamples
{
    private const string Certificate = "5f2d08c61b3a4e7c9d10aa54c3b1e0f7", Thumbprint = "0c1f2e3d4b5a69788796a5b4c3d2e1f00c1f2e3d4b5a69788796a5b4c3d2e1f0";

    /// <summary>By the words of the command; what follows <c>keyreeve</c> there.</summary>
    public static IReadOnlyDictionary<string, string> All { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["serve"] = "--data /var/lib/keyreeve --config /etc/keyreeve.json --set Tokens:AccessTokenSeconds=300",
        ["tour seal"] = "--spoil WrongPassword",
        ["tour all"] = "",
        ["admin user list"] = "",
        ["admin user show"] = "alice",
        ["admin user add"] = "carol --val-user-id sip:carol@val.example --service pump-control",
        ["admin user edit"] = "carol --service pump-control --service fleet-tracking",
        ["admin user remove"] = "carol",
        ["admin user password"] = "carol --temporary",
        ["admin user disable"] = "carol",
        ["admin user enable"] = "carol",
        ["admin user unlock"] = "carol",
        ["admin user second-factor list"] = "carol",
        ["admin user second-factor remove"] = "carol totp",
        ["admin client list"] = "",
        ["admin client show"] = "seal-client",
        ["admin client add"] = "my-sim-c --name \"My SIM-C\" --redirect-uri http://127.0.0.1:8400/callback --scopes \"openid val:pump-control seal:key_management\"",
        ["admin client edit"] = "my-sim-c --access-token-seconds 300",
        ["admin client remove"] = "my-sim-c",
        ["admin client secret add"] = "my-sim-c",
        ["admin client secret remove"] = "my-sim-c oldest",
        ["admin service list"] = "",
        ["admin service show"] = "pump-control",
        ["admin service add"] = "pump-control --name \"Pump control\" --audience https://val.example/pump-control",
        ["admin service edit"] = "pump-control --acr urn:keyreeve:acr:two-factor",
        ["admin service remove"] = "pump-control",
        ["admin issuer list"] = "",
        ["admin issuer show"] = "https://sim.partner.example",
        ["admin issuer add"] = "https://sim.partner.example --name \"Partner VAL system\" --jwks-uri https://sim.partner.example/jwks --client val-server --scopes val:pump-control --federated true",
        ["admin issuer edit"] = "https://sim.partner.example --disabled true",
        ["admin issuer remove"] = "https://sim.partner.example",
        ["admin device list"] = "",
        ["admin device show"] = "ue-7",
        ["admin device add"] = "ue-7 --service pump-control",
        ["admin device edit"] = "ue-7 --service pump-control --service fleet-tracking",
        ["admin device remove"] = "ue-7",
        ["admin key list"] = "--service pump-control",
        ["admin key show"] = "--service pump-control --user sip:carol@val.example",
        ["admin key versions"] = "--service pump-control --user sip:carol@val.example",
        ["admin key add"] = "--service pump-control --user sip:carol@val.example --payload-file payload.txt",
        ["admin key edit"] = "--service pump-control --user sip:carol@val.example --payload-file next.txt --activates-at 2027-01-01T00:00:00Z",
        ["admin key remove"] = "--service pump-control --user sip:carol@val.example",
        ["admin key recover"] = "--service pump-control --user sip:carol@val.example",
        ["admin key shred"] = "--service pump-control --user sip:carol@val.example",
        ["admin key import"] = "keys.ndjson --dry-run",
        ["admin profile list"] = "--service pump-control",
        ["admin profile show"] = "--service pump-control --user sip:carol@val.example",
        ["admin profile add"] = "--service pump-control --user sip:carol@val.example --document-file profile.json",
        ["admin profile edit"] = "--service pump-control --user sip:carol@val.example --document-file profile.json",
        ["admin profile remove"] = "--service pump-control --user sip:carol@val.example",
        ["admin certificate list"] = "--client val-1",
        ["admin certificate show"] = Certificate,
        ["admin certificate issue"] = "--client val-1 --new val-1",
        ["admin certificate renew"] = Certificate + " --new val-1-next",
        ["admin certificate revoke"] = Certificate + " --reason keyCompromise",
        ["admin signing-key list"] = "",
        ["admin signing-key show"] = "_kprPn43g43Pi89nuWzo4GK5Bkx9a7EulCgKfRhfPE8",
        ["admin signing-key rotate"] = "",
        ["admin signing-key revoke"] = "_kprPn43g43Pi89nuWzo4GK5Bkx9a7EulCgKfRhfPE8",
        ["admin operator list"] = "",
        ["admin operator show"] = Thumbprint,
        ["admin operator add"] = "Dora --new dora",
        ["admin operator remove"] = Thumbprint,
        ["admin db status"] = "--data /var/lib/keyreeve",
        ["admin db migrate"] = "--data /var/lib/keyreeve",
        ["admin db copy"] = "--data /var/lib/keyreeve --to \"Host=db.example;Database=keyreeve;Username=keyreeve\"",
        ["admin kek status"] = "",
        ["admin kek rotate"] = "",
        ["admin kek retire"] = "",
        ["admin audit list"] = "--kind token. --outcome refused --from 2026-01-31T12:00:00Z",
        ["admin audit export"] = "--out audit.ndjson",
        ["admin outbox list"] = "",
        ["admin outbox drop"] = "events:fleet",
        ["seal status"] = "",
        ["seal init"] = "--method shares --shares 5 --threshold 3 --share-dir shares",
        ["seal unseal"] = "--share-file one.share --share-file two.share --share-file three.share",
        ["seal lock"] = "",
        ["seal rotate"] = "--service pump-control",
        ["seal destroy"] = "--service pump-control",
        ["token decode"] = "--jwks jwks.json eyJhbGciOiJFUzI1NiJ9...",
        ["audit verify"] = "--data /var/lib/keyreeve",
        ["audit head"] = "--data /var/lib/keyreeve",
        ["backup"] = "/backups/keyreeve-2026-01-31.backup --data /var/lib/keyreeve",
        ["restore"] = "/backups/keyreeve-2026-01-31.backup --data /var/lib/keyreeve",
        ["doctor"] = "--data /var/lib/keyreeve",
    };

    /// <summary>Shows them with the help of the command.</summary>
    internal static HelpOption AddTo(HelpOption help)
    {
        help.Action = new ExampleAction((SynchronousCommandLineAction)help.Action!);
        return help;
    }

    /// <summary>The words of a command, without the program's name.</summary>
    internal static string PathOf(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{PathOf(parent)} {command.Command.Name}".TrimStart() : "";

    private sealed class ExampleAction(SynchronousCommandLineAction inner) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var code = inner.Invoke(parseResult);
            var path = PathOf(parseResult.CommandResult);
            if (All.TryGetValue(path, out var example))
                parseResult.InvocationConfiguration.Output.WriteLine($"Example:\n  {$"keyreeve {path} {example}".TrimEnd()}\n");
            return code;
        }
    }
}
