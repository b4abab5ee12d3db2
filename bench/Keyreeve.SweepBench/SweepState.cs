using System.Globalization;
using Keyreeve.Storage;

namespace Keyreeve.Bench.Sweeping;

/// <summary>Where the sweep is: the oldest rows that are left, looked up in the indexes by which it deletes.</summary>
/// <param name="Code">The end of the oldest code, Unix seconds.</param>
/// <param name="Family">The end of the oldest family, Unix milliseconds.</param>
internal readonly record struct SweepState(long Code, long Family)
{
    public static Task<SweepState> ReadAsync(IDatabase database) => database.ReadAsync(async connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT (SELECT min(expires_at) FROM authorization_codes), (SELECT min(idle_expires_at) FROM refresh_families)";
        await using var row = await command.ExecuteReaderAsync();
        await row.ReadAsync();
        return new SweepState(await row.IsDBNullAsync(0) ? long.MaxValue : row.GetInt64(0), await row.IsDBNullAsync(1) ? long.MaxValue : row.GetInt64(1));
    }, CancellationToken.None);

    /// <summary>True when nothing is left that had ended an hour before.</summary>
    public bool IsDone(DateTimeOffset now) => Code > now.AddHours(-1).ToUnixTimeSeconds() && Family > now.ToUnixTimeMilliseconds();

    /// <summary>Expired rows that are left, counted: some seconds of reading.</summary>
    public static Task<long> CountAsync(IDatabase database) => database.ReadAsync(async connection =>
    {
        var now = database.Clock.GetUtcNow();
        using var command = connection.CreateCommand();
        command.CommandText = string.Create(CultureInfo.InvariantCulture, $"""
            SELECT (SELECT count(*) FROM authorization_codes WHERE expires_at <= {now.AddHours(-1).ToUnixTimeSeconds()})
                 + (SELECT count(*) FROM refresh_families WHERE idle_expires_at <= {now.ToUnixTimeMilliseconds()})
            """);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }, CancellationToken.None);
}
