using Keyreeve.Storage;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public sealed class SqliteStatementTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyreeve-statement-");

    public SqliteStatementTests() => NativeSqlite.Bind();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_is_bound_comes_back_as_it_was_also_what_is_empty_or_long()
    {
        using var connection = Open();
        foreach (var text in new[] { "", "a", "größer 🔑", new string('x', 5000), "a\0b" })
            foreach (var octets in new[] { [], [0], new byte[5000] })
            {
                var echo = SqliteStatement.On(connection, "SELECT CAST(@Text AS BLOB), @Octets, @Number, NULL", "@Octets", "@Text", "@Number");
                echo.Bind(0, octets);
                echo.Bind(1, text);
                echo.Bind(2, long.MinValue);
                Assert.True(echo.Step());
                Assert.False(echo.IsNull(0));
                Assert.False(echo.IsNull(1));
                Assert.Equal(text, System.Text.Encoding.UTF8.GetString(echo.Octets(0)));
                Assert.Equal(octets, echo.Octets(1));
                Assert.Equal(long.MinValue, echo.Number(2));
                Assert.True(echo.IsNull(3));
                Assert.False(echo.Step());
                echo.Reset();
            }
    }

    [Fact]
    public void A_text_is_parsed_once_per_connection()
    {
        using var connection = Open();
        using var other = Open();
        var first = SqliteStatement.On(connection, "SELECT 1");
        Assert.Same(first, SqliteStatement.On(connection, "SELECT 1"));
        Assert.NotSame(first, SqliteStatement.On(other, "SELECT 1"));
    }

    [Fact]
    public void An_error_is_the_providers_and_leaves_the_statement_as_new()
    {
        using var connection = Open();
        Run(connection, "CREATE TABLE t (a BIGINT PRIMARY KEY)");
        var insert = SqliteStatement.On(connection, "INSERT INTO t (a) VALUES (@A)", "@A");
        Insert(1);
        var failure = Assert.Throws<SqliteException>(() => Insert(1));
        Assert.Equal(19, failure.SqliteErrorCode); // SQLITE_CONSTRAINT
        Insert(2);
        Assert.Equal(2L, Run(connection, "SELECT COUNT(*) FROM t"));
        Assert.Equal(1, Assert.Throws<SqliteException>(() => SqliteStatement.On(connection, "SELECT nothing FROM nowhere")).SqliteErrorCode);

        void Insert(long value)
        {
            insert.Bind(0, value);
            insert.Step();
            insert.Reset();
        }
    }

    [Fact]
    public void A_name_that_is_not_in_the_text_is_refused()
    {
        using var connection = Open();
        Assert.Throws<ArgumentException>(() => SqliteStatement.On(connection, "SELECT @A", "@B"));
    }

    [Fact]
    public void A_closed_connection_leaves_no_file_open()
    {
        var connection = Open();
        Run(connection, "PRAGMA journal_mode = WAL; CREATE TABLE t (a BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)");
        var select = SqliteStatement.On(connection, "SELECT a FROM t");
        Assert.True(select.Step()); // in the middle of it
        connection.Dispose();
        // The last connection takes the log away; one that is held open by a statement would not.
        Assert.False(File.Exists(Path.Combine(_folder.FullName, "t.db-wal")));
    }

    private static object? Run(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Path.Combine(_folder.FullName, "t.db"), Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }
}
