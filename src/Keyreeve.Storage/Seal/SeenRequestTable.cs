using System.Globalization;
using System.Text;
using Keyreeve.Seal;

namespace Keyreeve.Storage;

/// <summary>
/// Accepted KM requests of all nodes. On PostgreSQL the tables are UNLOGGED: an insertion writes no log and waits for no disk, and a
/// crash of the database empties them. So the horizon, made once by the migration, stands in a table of that kind too: where it is
/// missing, the requests are.
/// </summary>
public sealed class SeenRequestTable(IDatabase database) : ISeenRequestStore
{
    /// <inheritdoc />
    public Task<IReadOnlySet<SeenRequest>> AddAsync(IReadOnlyList<(SeenRequest Request, long DateTime)> requests, long lostUntil, CancellationToken cancel) =>
        database.WriteSharedAsync<IReadOnlySet<SeenRequest>>(async unit =>
        {
            var added = await InsertAsync(unit, requests);
            // After the insertion: whoever forgets raises the horizon first, so a row that could be inserted because another was forgotten sees it.
            var refusedUntil = await unit.SingleAsync<long?>("SELECT refused_until FROM km_requests_horizon WHERE id = 1", new { });
            if (refusedUntil is null)
            {
                await unit.ExecuteAsync("INSERT INTO km_requests_horizon (id, refused_until) VALUES (1, @Until) ON CONFLICT (id) DO NOTHING", new { Until = lostUntil });
                refusedUntil = lostUntil;
            }
            foreach (var (request, dateTime) in requests)
                if (dateTime <= refusedUntil)
                    added.Remove(request);
            return added;
        }, cancel);

    /// <inheritdoc />
    public async Task<int> ForgetAsync(long before, int kept, int limit, CancellationToken cancel)
    {
        var until = await database.WriteAsync(async unit =>
        {
            var date = await unit.SingleAsync<long?>("SELECT dated FROM km_requests_seen WHERE dated < @Before ORDER BY dated DESC LIMIT 1 OFFSET @Kept",
                new { Before = before, Kept = (long)kept });
            if (date is not null)
                await unit.ExecuteAsync("""
                    INSERT INTO km_requests_horizon (id, refused_until) VALUES (1, @Until)
                    ON CONFLICT (id) DO UPDATE SET refused_until = CASE WHEN excluded.refused_until > km_requests_horizon.refused_until THEN excluded.refused_until ELSE km_requests_horizon.refused_until END
                    """, new { Until = date.Value });
            return date;
        }, cancel);
        var forgotten = 0;
        for (var deleted = limit; until is not null && deleted == limit; forgotten += deleted)
            deleted = await database.WriteSharedAsync(unit => unit.ExecuteAsync(
                "DELETE FROM km_requests_seen WHERE (a, b) IN (SELECT a, b FROM km_requests_seen WHERE dated <= @Until ORDER BY dated LIMIT @Limit " + database.SkipLocked + ")",
                new { Until = until.Value, Limit = (long)limit }), cancel);
        return forgotten;
    }

    /// <summary>
    /// One statement. Its length is a power of two, the last row repeated, so that there are few texts to prepare; in the order of the
    /// key, so that two nodes with the same requests wait for each other and never in a circle.
    /// </summary>
    private static async Task<HashSet<SeenRequest>> InsertAsync(UnitOfWork unit, IReadOnlyList<(SeenRequest Request, long DateTime)> requests)
    {
        var rows = requests.OrderBy(r => r.Request.A).ThenBy(r => r.Request.B).ToList();
        var length = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)rows.Count);
        var names = Enumerable.Range(0, length).SelectMany(i => (string[])[Name('a', i), Name('b', i), Name('d', i)]).ToArray();
        var command = Prepared.On(unit.Connection, TextOf(length), names);
        command.Transaction = unit.Transaction;
        for (var i = 0; i < length; i++)
        {
            var (request, dateTime) = rows[Math.Min(i, rows.Count - 1)];
            command.Parameters[3 * i].Value = request.A;
            command.Parameters[3 * i + 1].Value = request.B;
            command.Parameters[3 * i + 2].Value = dateTime;
        }
        var added = new HashSet<SeenRequest>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            added.Add(new(reader.GetInt64(0), reader.GetInt64(1)));
        return added;
    }

    private static string TextOf(int length)
    {
        var text = new StringBuilder("INSERT INTO km_requests_seen (a, b, dated) VALUES ");
        for (var i = 0; i < length; i++)
            text.Append(i == 0 ? "(" : ", (").Append(Name('a', i)).Append(", ").Append(Name('b', i)).Append(", ").Append(Name('d', i)).Append(')');
        return text.Append(" ON CONFLICT DO NOTHING RETURNING a, b").ToString();
    }

    private static string Name(char column, int row) => string.Create(CultureInfo.InvariantCulture, $"@{column}{row}");
}
