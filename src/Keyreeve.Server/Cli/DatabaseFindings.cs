using Keyreeve.Storage;

namespace Keyreeve.Server.Cli;

/// <summary>One thing that <c>keyreeve doctor</c> found about a PostgreSQL database.</summary>
/// <param name="IsBad">The server would not start.</param>
/// <param name="What">What was found.</param>
/// <param name="Cure">What mends it; empty when it is good.</param>
internal sealed record DatabaseFindings(bool IsBad, string What, string Cure)
{
    /// <summary>Asks the server; nothing is changed there.</summary>
    public static async Task<IReadOnlyList<DatabaseFindings>> OfAsync(PostgresAddress address, CancellationToken cancel)
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
        var findings = new List<DatabaseFindings> { facts.Refusal is { } refusal ? new(true, version, refusal) : new(false, version, "") };
        if (!facts.Fsync)
            findings.Add(new(false, "the database runs with fsync=off", "a power cut loses what was acknowledged: set fsync=on in postgresql.conf"));
        if (facts.IsSuperuser)
            findings.Add(new(false, "the role is a superuser", "it needs no more than a database of its own: CREATE ROLE keyreeve LOGIN; ALTER DATABASE ... OWNER TO keyreeve"));
        return findings;
    }
}
