using Spectre.Console;

namespace Keyreeve.Server.Hosting;

/// <summary>What a person sees when the server is up.</summary>
public static class FirstScreen
{
    /// <summary>Commands worth trying, for a data folder and the issuer of this run.</summary>
    public static IReadOnlyList<string> TryNext(string folder, string issuer)
    {
        var data = Path.GetRelativePath(Environment.CurrentDirectory, folder);
        return
        [
            "./keyreeve tour seal",
            $"curl --cacert {data}/ca.pem {issuer}/.well-known/openid-configuration",
            $"./keyreeve admin user list --data {data}",
        ];
    }

    /// <summary>Prints it.</summary>
    public static void Write(IAnsiConsole console, KeyreeveServer server, ServerOptions options)
    {
        console.MarkupLineInterpolated($"[bold]Keyreeve[/] is ready at [link]{server.Issuer}[/]");
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumn("").AddColumn("");
        foreach (var (name, endPoint) in server.EndPoints)
            table.AddRow(Markup.Escape("  " + name), Markup.Escape(endPoint.ToString()));
        table.AddRow("  trust", Markup.Escape(server.Folder.CaPem));
        if (File.Exists(server.Folder.AdminPem))
            table.AddRow("  operate with", Markup.Escape(server.Folder.AdminPem));
        if (options.Settings.Postgres is { } database)
            table.AddRow("  database", Markup.Escape($"{database}, as node {options.Settings.Node}"));
        if (options.Demo)
            table.AddRow("  demo data", Markup.Escape(server.Folder.Demo) + " (users, passwords, clients, key records)");
        console.Write(table);
        if (options.Demo)
        {
            console.MarkupLine("Try next, in another terminal:");
            foreach (var line in TryNext(server.Folder.Root, server.Issuer))
                console.Profile.Out.Writer.WriteLine("  " + line); // never folded: it is to be copied
        }
        console.WriteLine("Stop with Ctrl-C.");
    }
}
