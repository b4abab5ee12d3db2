using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Keyreeve.Server.Admin.KeyRecords;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Cli.Import;

/// <summary>
/// Imports a file of key records, batch by batch. A batch that was answered is on the server's disk; the state beside the file says so, and the next run
/// goes on behind it. Each line is added, there already, or in the report: none is lost in silence.
/// </summary>
internal sealed class KeyImport(string file, Action<long, long> progress) : IDisposable
{
    /// <summary>Octets of a batch, about. Our choice: a few hundred records, and less than a request may have (1 MiB).</summary>
    private const int MaxBatch = 512 * 1024;

    /// <summary>Batches under way. Our choice: what server, database and this command do to a batch takes about as long.</summary>
    private const int AtOnce = 3;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>The report of this run.</summary>
    public ImportReport? Report { get; private set; }

    /// <summary>True when it went on where an earlier run had stopped.</summary>
    public bool WentOn { get; private set; }

    public void Dispose() => _hash.Dispose();

    /// <summary>Sends it all. What the server refuses as a whole is an <see cref="AdminFailure"/> that says how far it came.</summary>
    public async Task<ImportCounts> RunAsync(AdminServer server, CancellationToken cancel)
    {
        await using var stream = Open();
        var state = await GoOnAsync(stream, server.Authority, cancel);
        using var report = Report = new ImportReport(file + ".refused", state.ReportOctets);
        report.Begin();
        var reader = NewReader(stream);
        reader.StartAt(state.Octets, state.Counts.Lines);
        progress(state.Octets, stream.Length);
        try
        {
            await SendAllAsync(reader, server, (sent, answer) =>
            {
                var counts = Count(sent.Batch, answer, state.Counts, report);
                report.Flush();
                state = state with { Octets = sent.Batch.End, Sha256 = sent.Sha256, ReportOctets = report.Octets, Counts = counts };
                state.Keep(file);
                progress(sent.Batch.End, stream.Length);
            }, cancel);
        }
        catch (AdminFailure e)
        {
            throw new AdminFailure(e.ExitCode, $"{e.Message}. {state.Counts.Lines} lines are done and stay so: run it again, and it goes on behind them");
        }
        catch (OperationCanceledException)
        {
            throw AdminFailure.Refused($"stopped. {state.Counts.Lines} lines are done and stay so: run it again, and it goes on behind them");
        }
        File.Delete(ImportState.FileOf(file));
        return state.Counts;
    }

    /// <summary>
    /// Several batches are under way at once: while the store writes one, the server seals the next and reads another. They are accounted for in the order
    /// of the file, so a batch behind one that failed counts as not sent; sent again, it changes nothing.
    /// </summary>
    private async Task SendAllAsync(LineReader reader, AdminServer server, Action<Sent, JsonObject> answered, CancellationToken cancel)
    {
        var underWay = new Queue<Sent>(AtOnce);
        try
        {
            while (await reader.ReadAsync(cancel) is { } batch)
            {
                var records = BatchRecords.Of(batch.Octets.Span);
                var sha256 = Convert.ToHexStringLower(_hash.GetCurrentHash());
                while (underWay.Count == AtOnce || underWay.Any(sent => sent.Records.Overlaps(records)))
                    await HearAsync();
                underWay.Enqueue(new Sent(batch, sha256, records, server.SendLinesAsync("key-records/import", batch.Octets)));
            }
            while (underWay.Count > 0)
                await HearAsync();
        }
        finally
        {
            // What is still under way is heard out, whatever it says: its octets belong to this.
            foreach (var sent in underWay)
                await sent.Answer.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        async Task HearAsync()
        {
            var first = underWay.Dequeue();
            answered(first, await first.Answer);
        }
    }

    /// <summary>Reads every line as the server would, and sends nothing. What only the store knows is not found out.</summary>
    public async Task<ImportCounts> TryAsync(CancellationToken cancel)
    {
        await using var stream = Open();
        using var report = Report = new ImportReport(file + ".dry-run", 0);
        report.Begin();
        var (reader, counts) = (NewReader(stream), new ImportCounts(0, 0, 0, 0, 0, 0));
        while (await reader.ReadAsync(cancel) is { } batch)
        {
            var (line, empty) = (batch.First, 0L);
            for (var rest = batch.Octets; rest.Length > 0; line++)
            {
                var end = rest.Span.IndexOf((byte)'\n');
                var octets = rest[..end];
                rest = rest[(end + 1)..];
                if (batch.TooLong.Contains(line))
                    report.Add(TooLong(line));
                else if (KeyRecordLines.IsEmpty(octets.Span))
                    empty++;
                else if (KeyRecordLines.TryRead(octets, out var read, out var error))
                    read.Material.Clear();
                else
                    report.Add(new(line, error.Param, error.Reason));
            }
            counts = counts with { Lines = reader.LinesRead, Refused = report.Added, Empty = counts.Empty + empty };
            progress(batch.End, stream.Length);
        }
        return counts;
    }

    private FileStream Open()
    {
        try
        {
            var stream = new FileStream(file, new FileStreamOptions { Options = FileOptions.SequentialScan });
            if (stream.CanSeek)
                return stream;
            stream.Dispose();
            throw AdminFailure.Usage($"{file} is no file: an import that breaks off goes on in the middle of it");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AdminFailure.Usage($"{file}: {e.Message}");
        }
    }

    private LineReader NewReader(FileStream stream) =>
        new(stream, KeyMaterial.MaxLength, MaxBatch, KeyRecordLines.MaxLines, AtOnce) { Passing = _hash.AppendData };

    /// <summary>The state of an earlier run on the same server, when the file is the same up to there; else that of one that begins.</summary>
    private async Task<ImportState> GoOnAsync(FileStream stream, string server, CancellationToken cancel)
    {
        if (ImportState.Find(file) is { } state && state.Server == server && state.Octets <= stream.Length)
        {
            var buffer = new byte[256 * 1024];
            for (var left = state.Octets; left > 0;)
            {
                var read = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), cancel);
                if (read == 0)
                    break;
                _hash.AppendData(buffer.AsSpan(0, read));
                left -= read;
            }
            if (Convert.ToHexStringLower(_hash.GetCurrentHash()) == state.Sha256)
            {
                WentOn = true;
                return state;
            }
        }
        stream.Position = 0;
        _hash.GetHashAndReset();
        return new(server, 0, "", 0, new(0, 0, 0, 0, 0, 0));
    }

    private static RefusedLine TooLong(long line) => new(line, null, $"is longer than {KeyMaterial.MaxLength / 1024} KiB");

    /// <summary>The server's answer added up. It answers for each line, or this is not its answer.</summary>
    private static ImportCounts Count(LineBatch batch, JsonObject answer, ImportCounts before, ImportReport report)
    {
        try
        {
            var refused = new List<RefusedLine>(batch.TooLong.Select(TooLong));
            foreach (var one in answer["refused"]!.AsArray())
                refused.Add(new(batch.First - 1 + (long)one!["line"]!, (string?)one["param"], (string)one["reason"]!));
            var (added, changed, unchanged, empty) = ((long)answer["added"]!, (long)answer["changed"]!, (long)answer["unchanged"]!, (long)answer["empty"]! - batch.TooLong.Count);
            if (added + changed + unchanged + empty + refused.Count != batch.Lines)
                throw new FormatException();
            refused.Sort((a, b) => a.Line.CompareTo(b.Line));
            refused.ForEach(report.Add);
            return new(before.Lines + batch.Lines, before.Added + added, before.Changed + changed, before.Unchanged + unchanged, before.Refused + refused.Count, before.Empty + empty);
        }
        catch (Exception e) when (e is NullReferenceException or InvalidOperationException or FormatException)
        {
            throw AdminFailure.Refused("the server did not answer for every line: is it older than this program?");
        }
    }

    /// <summary>A batch under way.</summary>
    /// <param name="Batch">Its lines.</param>
    /// <param name="Sha256">Of the file up to its end.</param>
    /// <param name="Records">What it is about.</param>
    /// <param name="Answer">What the server says.</param>
    private sealed record Sent(LineBatch Batch, string Sha256, HashSet<int> Records, Task<JsonObject> Answer);
}
