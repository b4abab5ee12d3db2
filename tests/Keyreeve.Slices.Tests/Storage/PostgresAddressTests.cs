using Keyreeve.Storage;
using Npgsql;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>What is taken as the address of a PostgreSQL database, and how little of it is shown.</summary>
public sealed class PostgresAddressTests
{
    private static NpgsqlConnectionStringBuilder Read(string text, bool allowPlain = false) =>
        PostgresAddress.TryRead(text, allowPlain, out var address, out var wrong) ? address.Open("node") : throw new InvalidOperationException(wrong);

    [Theory]
    [InlineData("Host=db.example;Port=5433;Username=u;Password=p;Database=d")]
    [InlineData("host=db.example;port=5433;username=u;password=p;database=d")]
    [InlineData("postgresql://u:p@db.example:5433/d")]
    [InlineData("postgres://u:p@db.example:5433/d")]
    [InlineData("postgresql://u:p@db.example:5433/d?sslmode=verify-full")]
    public void Both_ways_of_writing_an_address_mean_the_same(string text)
    {
        var read = Read(text);
        Assert.Equal(("db.example", 5433, "u", "p", "d", SslMode.VerifyFull), (read.Host, read.Port, read.Username, read.Password, read.Database, read.SslMode));
    }

    [Fact]
    public void Characters_that_an_address_needs_elsewhere_are_written_escaped()
    {
        var read = Read("postgresql://u%40x:p%3A%2F%40;%23@db.example/d%2Fe?sslrootcert=%2Fetc%2Fca.pem&sslmode=verify-ca");
        Assert.Equal(("u@x", "p:/@;#", "d/e", "/etc/ca.pem", SslMode.VerifyCA), (read.Username, read.Password, read.Database, read.RootCertificate, read.SslMode));
    }

    [Theory]
    [InlineData("Host=localhost")]
    [InlineData("Host=127.0.0.1")]
    [InlineData("Host=127.0.0.1:5433")]
    [InlineData("Host=::1")]
    [InlineData("Host=/var/run/postgresql")]
    [InlineData("postgresql:///keyreeve?host=/var/run/postgresql")]
    [InlineData("postgresql://localhost/keyreeve?sslmode=disable")]
    [InlineData("Host=localhost,127.0.0.1;SslMode=Disable")]
    public void On_the_same_machine_nothing_need_be_encrypted(string text) => Assert.True(Read(text).SslMode is SslMode.Prefer or SslMode.Disable);

    [Theory]
    [InlineData("Host=db.example;SslMode=Disable")]
    [InlineData("Host=db.example;SslMode=Allow")]
    [InlineData("Host=db.example;SslMode=Prefer")]
    [InlineData("Host=db.example;Ssl Mode=Prefer")]
    [InlineData("Host=localhost,db.example;SslMode=Prefer")]
    [InlineData("Host=127.0.0.1.example;SslMode=Disable")]
    [InlineData("Host=localhost.example;SslMode=Disable")]
    [InlineData("Host=10.0.0.1;SslMode=Disable")]
    [InlineData("postgresql://db.example/keyreeve?sslmode=disable")]
    [InlineData("postgresql://db.example/keyreeve?SSL%20Mode=prefer")]
    [InlineData("postgresql://localhost/keyreeve?host=db.example&sslmode=prefer")]
    public void Over_a_network_plain_text_must_be_allowed(string text)
    {
        Assert.False(PostgresAddress.TryRead(text, allowPlain: false, out _, out var wrong));
        Assert.Contains("Storage:AllowPlain=true", wrong, StringComparison.Ordinal);
        Assert.True(Read(text, allowPlain: true).SslMode < SslMode.Require);
    }

    [Theory]
    [InlineData("Host=db.example")]
    [InlineData("Host=localhost,db.example")]
    [InlineData("postgresql://db.example/keyreeve")]
    public void Over_a_network_the_servers_certificate_is_checked_unless_less_is_asked_for(string text)
    {
        Assert.Equal(SslMode.VerifyFull, Read(text).SslMode);
        // Also where plain text is allowed: it must be asked for.
        Assert.Equal(SslMode.VerifyFull, Read(text, allowPlain: true).SslMode);
    }

    [Theory]
    [InlineData("Host=localhost;Passwort=s3cret")]
    [InlineData("Host=localhost;Port=s3cret")]
    [InlineData("Host=localhost;Password=a;s3cret=b")]
    [InlineData("Password=s3cret;Database=Host=")]
    [InlineData("postgresql://u:s3cret@:x/")]
    [InlineData("postgresql://u:s3cret@host/d?s3cret=1")]
    [InlineData("postgresql://u:s3cret@host/d?sslmode=s3cret")]
    [InlineData("postgresql://u:s3cret@host/d?s3cret")]
    public void What_is_wrong_is_said_without_a_word_of_the_address(string text)
    {
        Assert.False(PostgresAddress.TryRead(text, allowPlain: false, out _, out var wrong));
        Assert.DoesNotContain("s3cret", wrong, StringComparison.Ordinal);
    }

    [Fact]
    public void An_address_prints_as_host_and_database()
    {
        Assert.True(PostgresAddress.TryRead("postgresql://u:s3cret@db.example/d", false, out var address, out _));
        Assert.Equal("db.example/d", $"{address}");
    }
}
