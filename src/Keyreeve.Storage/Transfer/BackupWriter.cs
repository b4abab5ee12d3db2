using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Keys;

namespace Keyreeve.Storage;

/// <summary>
/// Writes a backup. The format, which docs/operations.md explains for operators:
/// <code>
///  file   := "keyreeve-backup" LF | header, one line of JSON, LF | gzip( body ) | seal(69)
///  body   := table* attachment* 'Z'
///  table  := 'T' name columns(1) ( name kind(1) )* ( 'R' row )* 'E' rows(8)          row: RowCodec
///  attachment := 'F' name octets                                                     only from a demo folder
///  name, octets := length(4, little endian) | octets
///  seal   := the KEK's seal, for the purpose "backup", of the SHA-256 of every octet before it
/// </code>
/// The seal makes a torn file, a changed one, and one that somebody without the KEK made, all the same: not a backup. The KEK itself is never in it.
/// </summary>
public static class BackupWriter
{
    internal const string Purpose = "backup";

    /// <summary>The first line.</summary>
    internal static readonly byte[] FirstLine = "keyreeve-backup\n"u8.ToArray();

    /// <summary>Octets of the seal: version 1, id 8, nonce 12, hash 32, tag 16.</summary>
    internal const int SealLength = 69;

    /// <summary>Writes the state of one moment, while others may write on, into a file that is there whole or not at all.</summary>
    /// <param name="door">The store.</param>
    /// <param name="kek">Seals the file.</param>
    /// <param name="origin">Who writes, with the members that only the caller knows.</param>
    /// <param name="attachments">Files beside the store, by name.</param>
    /// <param name="path">A file that is not there.</param>
    /// <param name="progress">Told now and then.</param>
    /// <param name="cancel">Leaves nothing behind.</param>
    /// <exception cref="TransferRefusedException">The store cannot be backed up by this program, or the file is there.</exception>
    public static async Task<BackupHeader> WriteAsync(
        StoreDoor door, Kek kek, BackupOrigin origin, IReadOnlyDictionary<string, byte[]> attachments, string path, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        path = Path.GetFullPath(path);
        if (File.Exists(path))
            throw new TransferRefusedException($"{path} is there already; a backup never overwrites: give another name, as keyreeve-$(date +%F).backup");
        if (Path.GetDirectoryName(path) is { } folder && !Directory.Exists(folder))
            throw new TransferRefusedException($"there is no folder {folder} to write the backup into: make it first, as by mkdir -m 700 {folder}");
        var temporary = path + ".unfinished";
        try
        {
            BackupHeader header;
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
            await using (var file = new FileStream(temporary, options))
            {
                // A leftover of this name keeps the mode it had.
                File.SetUnixFileMode(file.SafeFileHandle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                await using var hashed = new HashedWriteStream(file, hash);
                header = await WriteAsync(door, kek, origin, attachments, hashed, progress, cancel);
                var seal = kek.Seal(Purpose, hash.GetHashAndReset());
                file.Write(seal.Length == SealLength ? seal : throw new InvalidOperationException($"a seal has {seal.Length} octets, the format has {SealLength}"));
                file.Flush(flushToDisk: true);
            }
            // Not File.Move with overwrite: what came there meanwhile is somebody's.
            File.Move(temporary, path, overwrite: false);
            return header;
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static async Task<BackupHeader> WriteAsync(
        StoreDoor door, Kek kek, BackupOrigin origin, IReadOnlyDictionary<string, byte[]> attachments, Stream output, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        await using var snapshot = await door.BeginSnapshotAsync(cancel);
        var catalogue = await door.ReadCatalogueAsync(snapshot, cancel);
        if (!catalogue.Any(t => t.Name == "schema_migrations"))
            throw new TransferRefusedException("this is no store of Keyreeve: it has no table schema_migrations");
        if (catalogue.Any(t => t.Name == StoreMarks.Table) && await StoreMarks.FillingAsync(door.Connection, snapshot) is { } by)
            throw new TransferRefusedException($"the store is half filled ({by} has not ended): there is nothing to back up");
        var steps = await MigrationRunner.AppliedAsync(door.Connection, snapshot);
        MigrationRunner.Refuse(steps);
        var tables = TableShape.InOrder(catalogue);
        var rows = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var table in tables)
            rows.Add(table.Name, await door.CountAsync(table, snapshot, cancel));
        var header = new BackupHeader
        {
            Format = BackupHeader.CurrentFormat,
            Program = origin.Program,
            Engine = door.Engine,
            Node = origin.Node,
            At = origin.At,
            Demo = origin.Demo,
            Schema = [.. steps.Select(s => s.Name)],
            Keks = await SealedColumns.KeksAsync(door.Connection, snapshot, cancel),
            Rows = rows,
        };
        // Found out now and not on the day of the restore.
        if (header.Keks.FirstOrDefault(id => !SealedColumns.Knows(kek, id)) is { } foreign)
            throw new TransferRefusedException($"the store is sealed by KEK {foreign}, the one that is here is {kek.Id}: put the store's own KEK in its place");
        output.Write(FirstLine);
        output.Write(header.Write());
        output.Write("\n"u8);
        await using var gzip = new GZipStream(output, CompressionLevel.Fastest, leaveOpen: true);
        await using var body = new BufferedStream(gzip, 64 * 1024);
        foreach (var table in tables)
            await WriteTableAsync(door, table, snapshot, rows[table.Name], body, progress, cancel);
        foreach (var (name, octets) in attachments)
        {
            body.WriteByte((byte)'F');
            Write(body, Encoding.UTF8.GetBytes(name));
            Write(body, octets);
        }
        body.WriteByte((byte)'Z');
        return header;
    }

    private static async Task WriteTableAsync(
        StoreDoor door, TableShape table, System.Data.Common.DbTransaction snapshot, long total, Stream body, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        body.WriteByte((byte)'T');
        Write(body, Encoding.UTF8.GetBytes(table.Name));
        body.WriteByte(checked((byte)table.Columns.Count));
        foreach (var column in table.Columns)
        {
            Write(body, Encoding.UTF8.GetBytes(column.Name));
            body.WriteByte((byte)column.Kind);
        }
        var buffer = new ArrayBufferWriter<byte>();
        var count = 0L;
        await foreach (var row in door.ReadRowsAsync(table, snapshot, cancel))
        {
            buffer.ResetWrittenCount();
            RowCodec.Write(buffer, row);
            body.WriteByte((byte)'R');
            body.Write(buffer.WrittenSpan);
            if (++count % 1000 == 0)
                progress?.Invoke(new("writing", table.Name, count, total));
        }
        // One snapshot, two counts: another number would mean that it is none.
        if (count != total)
            throw new InvalidDataException($"table {table.Name} has {count} rows where {total} were counted");
        body.WriteByte((byte)'E');
        body.Write(BitConverter.GetBytes(count));
        progress?.Invoke(new("writing", table.Name, count, total));
    }

    private static void Write(Stream body, byte[] octets)
    {
        body.Write(BitConverter.GetBytes(octets.Length));
        body.Write(octets);
    }
}

/// <summary>What a backup says of where it comes from.</summary>
/// <param name="Program">Version of the program.</param>
/// <param name="Node">Name of the node.</param>
/// <param name="At">Unix seconds.</param>
/// <param name="Demo">From a demo folder.</param>
public sealed record BackupOrigin(string Program, string Node, long At, bool Demo);
