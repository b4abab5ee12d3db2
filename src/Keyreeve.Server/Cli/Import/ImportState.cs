using System.Text.Json;

namespace Keyreeve.Server.Cli.Import;

/// <summary>What became of the lines so far.</summary>
/// <param name="Lines">Lines of the file that were answered for.</param>
/// <param name="Added">Records that were added.</param>
/// <param name="Changed">Records that have a new version.</param>
/// <param name="Unchanged">Records that were there already.</param>
/// <param name="Refused">Lines that were refused and are in the report.</param>
/// <param name="Empty">Lines without anything.</param>
internal sealed record ImportCounts(long Lines, long Added, long Changed, long Unchanged, long Refused, long Empty);

/// <summary>
/// How far an import is, in a file beside the one that is imported: what the server has acknowledged, and by what it is known that the file is still
/// the same up to there. Without it, or when anything differs, the import begins at the beginning, which changes nothing that is there already.
/// </summary>
/// <param name="Server">Whom it was sent to.</param>
/// <param name="Octets">Of the file, acknowledged.</param>
/// <param name="Sha256">Of these octets.</param>
/// <param name="ReportOctets">Of the report, for these lines.</param>
/// <param name="Counts">What became of the lines.</param>
internal sealed record ImportState(string Server, long Octets, string Sha256, long ReportOctets, ImportCounts Counts)
{
    /// <summary>Where it is kept.</summary>
    public static string FileOf(string imported) => imported + ".import";

    /// <summary>The state of an earlier run, or null.</summary>
    public static ImportState? Find(string imported)
    {
        try
        {
            return JsonSerializer.Deserialize<ImportState>(File.ReadAllBytes(FileOf(imported)), JsonSerializerOptions.Web) is { Octets: >= 0, Counts: not null, Sha256: not null } state ? state : null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Keeps it: all of it or what was there before.</summary>
    public void Keep(string imported)
    {
        var (file, made) = (FileOf(imported), FileOf(imported) + ".new");
        File.Delete(made);
        using (var stream = new FileStream(made, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
            JsonSerializer.Serialize(stream, this, JsonSerializerOptions.Web);
        File.Move(made, file, overwrite: true);
    }
}
