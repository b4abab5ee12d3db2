using System.CommandLine;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Keys;

namespace Keyreeve.Server.Cli;

/// <summary>
/// <c>keyreeve seal init</c>: what the key store is sealed by from now on. A key or shares are made here and are on disk, or on the screen, before the server
/// is told: so that whatever dies in between, nothing is sealed by what nobody has.
/// </summary>
internal static class SealInitCommand
{
    public static Command Create(AdminTools tools)
    {
        var input = new SealSecretInput();
        var method = new Option<string>("--method") { Description = "kek (opens by itself, the default of a new store), key-file, passphrase or shares", Required = true };
        method.AcceptOnlyFromAmong("kek", "key-file", "passphrase", "shares");
        var shares = new Option<int>("--shares") { Description = "how many shares are made", DefaultValueFactory = _ => 5 };
        var threshold = new Option<int>("--threshold") { Description = "how many of them open", DefaultValueFactory = _ => 3 };
        var folder = new Option<string?>("--share-dir") { Description = "folder for the shares, a file for each; without it they are printed" };
        var command = input.AddTo(new Command("init", "Seal the key store by another method or secret. It must be open; records are not touched.") { method, shares, threshold, folder });
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var (name, body) = (parse.GetValue(method)!, new JsonObject { ["method"] = parse.GetValue(method) });
            if (name == "passphrase")
                body["passphrase"] = input.NewPassphrase(parse);
            else if (name == "key-file")
                body["key"] = KeyOf(input.KeyFile(parse) ?? throw AdminFailure.Usage("give --key-file FILE: one that is there is used, else a new key is written to it"));
            else if (name == "shares")
                MakeShares(body, parse.GetValue(shares), parse.GetValue(threshold), parse.GetValue(folder), output);
            var status = (await server.SendAsync(HttpMethod.Post, "seal/init", body, null, SealSecretInput.Flags)).Document;
            if (output.ForPeople)
                output.Done(NextOf(name), null);
            SealCommand.Show(output, status);
        }));
        return command;
    }

    private static string NextOf(string method) => method switch
    {
        "kek" => "sealed by the server's KEK: it opens by itself at every start",
        "key-file" => "sealed by the key file. Give every node Seal:KeyFile or KEYREEVE_SEAL_KEY, or open each by: keyreeve seal unseal --key-file FILE",
        "passphrase" => "sealed by the passphrase. After every start of a node: keyreeve seal unseal",
        _ => "sealed by the shares. After every start of a node, each custodian in turn: keyreeve seal unseal",
    };

    private static string KeyOf(string file)
    {
        if (File.Exists(file) || file == "-")
            return AdminFiles.ReadText("--key-file", file).Trim();
        var text = UnsealKey.NewFile();
        Write("--key-file", file, text);
        return text;
    }

    private static void MakeShares(JsonObject body, int shares, int threshold, string? folder, AdminOutput output)
    {
        if (shares is < 2 or > Shamir.MaxShares || threshold < 2 || threshold > shares)
            throw AdminFailure.Usage($"--shares is 2 to {Shamir.MaxShares}, and --threshold 2 to --shares");
        if (folder is null && !output.ForPeople)
            throw AdminFailure.Usage("with --json give --share-dir: shares are not printed then");
        using var key = PinnedSecret.Random(SealingKey.KeySize);
        var set = ShareText.NewSet();
        var made = Shamir.Split(key.Span, shares, threshold, Shamir.Fill);
        foreach (var quorum in (Share[][])[made[..threshold], made[^threshold..]])
            using (var again = Shamir.Combine(quorum))
                if (!again.Span.SequenceEqual(key.Span))
                    throw AdminFailure.Refused("the shares do not give the key again; nothing was changed");
        foreach (var share in made)
            if (folder is not null)
                Write("--share-dir", Path.Combine(folder, $"share-{set}-{share.X:00}.txt"), ShareText.Write(set, share));
            else
                output.Secret($"share {share.X} of {shares}", ShareText.Write(set, share));
        body["key"] = System.Buffers.Text.Base64Url.EncodeToString(key.Span);
        (body["set"], body["shares"], body["threshold"]) = (set, shares, threshold);
    }

    private static void Write(string flag, string file, string text)
    {
        using var stream = AdminFiles.Create(flag, file);
        stream.Write(Encoding.ASCII.GetBytes(text + "\n"));
        stream.Flush(flushToDisk: true);
    }
}
