using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Keys;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage.Transfer;

/// <summary>Files that carry the right seal and lie in what is under it: refused without a store that a server would use, and without the memory they claim.</summary>
public sealed class HostileBackupTests : IAsyncLifetime
{
    private FullStore _store = null!;
    private BackupHeader _header = null!;
    private byte[] _body = null!;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _store = await FullStore.MakeAsync(1);
        _header = await _store.BackUpAsync(_store.In("good"));
        _body = Body(await File.ReadAllBytesAsync(_store.In("good"), None));
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task A_file_put_together_by_hand_is_one_like_ours() => Assert.Null(await FailureAsync(_header, _body));

    [Fact]
    public async Task A_value_that_claims_gigabytes_is_refused_by_its_claim()
    {
        var place = FirstRow();
        // The first column of the first row is a text or octets: its length becomes 2 GiB - 1, then negative, then one more than is read.
        foreach (var claim in (int[])[int.MaxValue, -1, (16 * 1024 * 1024) + 1])
        {
            var body = (byte[])_body.Clone();
            BitConverter.TryWriteBytes(body.AsSpan(place + 2), claim);
            Assert.IsType<InvalidDataException>(await FailureAsync(_header, body));
        }
    }

    [Fact]
    public async Task A_bomb_takes_no_more_memory_than_a_value_may_have()
    {
        // 1 GiB of zeroes is some 5 MB of gzip: read as a name it ends at the first octet, read as a row at the first value.
        var bomb = new ZeroStream(1L << 30);
        var before = GC.GetTotalAllocatedBytes();
        Assert.IsType<InvalidDataException>(await FailureAsync(_header, _body.AsSpan(0, FirstRow() + 1).ToArray(), bomb));
        Assert.True(GC.GetTotalAllocatedBytes() - before < 1L << 28);
    }

    [Theory]
    [InlineData("users", "users; DROP TABLE users")]
    [InlineData("users", "sqlite_master")]
    [InlineData("users", "schema_migrations")]
    [InlineData("val_services", "users")]
    public async Task A_table_that_the_schema_does_not_have_is_refused(string table, string instead) =>
        Assert.IsType<InvalidDataException>(await FailureAsync(_header, Replace(_body, table, instead)));

    [Theory]
    [InlineData("username", "username) VALUES (1); --")]
    [InlineData("username", "email")]
    [InlineData("username", "nosuch")]
    public async Task A_column_that_the_table_does_not_have_is_refused(string column, string instead) =>
        Assert.IsType<InvalidDataException>(await FailureAsync(_header, Replace(_body, column, instead)));

    [Fact]
    public async Task A_value_of_another_type_is_refused()
    {
        var body = (byte[])_body.Clone();
        body[FirstRow() + 1] = 1;
        Assert.IsType<InvalidDataException>(await FailureAsync(_header, body));
        body[FirstRow() + 1] = 0;
        Assert.IsType<InvalidDataException>(await FailureAsync(_header, body));
        body[FirstRow() + 1] = 9;
        Assert.IsType<InvalidDataException>(await FailureAsync(_header, body));
    }

    [Fact]
    public async Task Other_counts_than_the_headers_and_octets_after_the_end_are_refused()
    {
        var rows = _header.Rows.ToDictionary(StringComparer.Ordinal);
        rows["users"]++;
        Assert.IsType<InvalidDataException>(await FailureAsync(_header with { Rows = rows }, _body));
        Assert.IsType<InvalidDataException>(await FailureAsync(_header, [.. _body, 0]));
        Assert.IsType<InvalidDataException>(await FailureAsync(_header, _body[..^1]));
        rows.Remove("users");
        Assert.IsType<InvalidDataException>(await FailureAsync(_header with { Rows = rows }, _body));
    }

    [Fact]
    public async Task Rows_that_refer_to_nobody_are_refused_by_the_engine() =>
        // The text of all first rows, once: in the first table that has it, so that others refer to what is not there.
        Assert.NotNull(await FailureAsync(_header, ReplaceFirstAfter(_body, "users", "row 0", "row X")));

    [Fact]
    public async Task Schemas_of_a_newer_or_another_program_are_refused()
    {
        Assert.IsType<SchemaRefusedException>(await FailureAsync(_header with { Schema = [.. _header.Schema, "from_the_future"] }, _body));
        Assert.IsType<SchemaRefusedException>(await FailureAsync(_header with { Schema = ["another"] }, _body));
        Assert.IsType<TransferRefusedException>(await FailureAsync(_header with { Format = 2 }, _body));
        Assert.NotNull(await FailureAsync(_header with { Schema = [] }, _body));
    }

    [Fact]
    public async Task A_header_without_end_is_not_read_to_its_end()
    {
        await File.WriteAllBytesAsync(_store.In("long"), [.. "keyreeve-backup\n"u8, .. new byte[1_000_000]], None);
        Assert.Throws<TransferRefusedException>(() => BackupReader.Open(_store.In("long")));
    }

    private async Task<Exception?> FailureAsync(BackupHeader header, byte[] body, Stream? more = null)
    {
        var (file, target) = (_store.In("hostile"), _store.In("target.db"));
        await using (var output = new FileStream(file, FileMode.Create, FileAccess.ReadWrite))
        {
            output.Write("keyreeve-backup\n"u8);
            output.Write(header.Write());
            output.Write("\n"u8);
            await using (var gzip = new GZipStream(output, CompressionLevel.Fastest, leaveOpen: true))
            {
                gzip.Write(body);
                if (more is not null)
                    await more.CopyToAsync(gzip, 1 << 20, None);
            }
            output.Position = 0;
            var hash = await SHA256.HashDataAsync(output, None);
            output.Write(_store.Kek.Seal("backup", hash));
        }
        try
        {
            await BackupFileTests.RestoreAsync(_store, file, target, keepGrants: false, acceptDamage: false);
        }
        catch (Exception failure) when (failure is not Xunit.Sdk.XunitException)
        {
            // What was begun is nothing that a server takes for a store.
            if (File.Exists(target) && failure is not TransferRefusedException and not SchemaRefusedException)
                await Assert.ThrowsAsync<SchemaRefusedException>(() => SqliteEngine.OpenAsync(target, TimeProvider.System, "node-1", None));
            return failure;
        }
        return null;
    }

    private static byte[] Body(byte[] file)
    {
        var start = Array.IndexOf(file, (byte)'\n', Array.IndexOf(file, (byte)'\n') + 1) + 1;
        using var gzip = new GZipStream(new MemoryStream(file[start..^69]), CompressionMode.Decompress);
        var body = new MemoryStream();
        gzip.CopyTo(body);
        return body.ToArray();
    }

    /// <summary>Where the first row of the first table begins with 'R'.</summary>
    private int FirstRow()
    {
        var place = 1 + 4 + BitConverter.ToInt32(_body, 1);
        var columns = _body[place++];
        for (var i = 0; i < columns; i++)
            place += 4 + BitConverter.ToInt32(_body, place) + 1;
        Assert.Equal((byte)'R', _body[place]);
        Assert.InRange(_body[place + 1], 2, 3);
        return place;
    }

    /// <summary>Another name, with its length.</summary>
    private static byte[] Replace(byte[] body, string name, string instead)
    {
        byte[] old = [.. BitConverter.GetBytes(name.Length), .. Encoding.UTF8.GetBytes(name)];
        var place = body.AsSpan().IndexOf(old);
        Assert.True(place > 0);
        return [.. body[..place], .. BitConverter.GetBytes(instead.Length), .. Encoding.UTF8.GetBytes(instead), .. body[(place + old.Length)..]];
    }

    private static byte[] ReplaceFirstAfter(byte[] body, string table, string text, string instead)
    {
        byte[] name = [(byte)'T', .. BitConverter.GetBytes(table.Length), .. Encoding.UTF8.GetBytes(table)];
        var after = body.AsSpan().IndexOf(name);
        var place = after + body.AsSpan(after).IndexOf(Encoding.UTF8.GetBytes(text));
        Assert.True(after > 0 && place > after);
        return [.. body[..place], .. Encoding.UTF8.GetBytes(instead), .. body[(place + text.Length)..]];
    }

    private sealed class ZeroStream(long length) : Stream
    {
        private long _left = length;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = (int)Math.Min(count, _left);
            Array.Clear(buffer, offset, read);
            _left -= read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
