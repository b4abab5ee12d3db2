using Keyreeve.Storage;

namespace Keyreeve.Server.Cli;

/// <summary>What <c>doctor</c> says of a PostgreSQL database.</summary>
internal static class DatabaseFindings
{
    /// <summary>Asks the server; nothing is changed there.</summary>
    public static async Task<IReadOnlyList<Finding>> OfAsync(PostgresAddress address, CancellationToken cancel)
    {
        PostgresFacts facts;
        try
        {
            facts = await PostgresEngine.ExamineAsync(address, cancel);
        }
        catch (StoreUnavailableException e)
        {
            return [new(true, $"database {address}: {e.Message}", "is it running, and do host, port, user, password and TLS of Storage:Connection fit? The server's log says why it refuses")];
        }
        var version = $"database {address}: PostgreSQL {facts.Version / 10000}.{facts.Version % 10000}, {facts.Encoding}{(facts.IsEncrypted ? ", under TLS" : "")}";
        var findings = new List<Finding> { facts.Refusal is { } refusal ? new(true, version, refusal) : new(false, version, "") };
        if (!facts.Fsync)
            findings.Add(new(false, "the database runs with fsync=off", "a power cut loses what was acknowledged: set fsync=on in postgresql.conf"));
        if (facts.IsSuperuser)
            findings.Add(new(false, "the role is a superuser", "it needs no more than a database of its own: CREATE ROLE keyreeve LOGIN; ALTER DATABASE ... OWNER TO keyreeve"));
        return findings;
    }
}
