namespace Keyreeve.Bench;

/// <summary>What is measured.</summary>
internal enum Work
{
    ClientCredentials,
    Introspection,
    KeyRequest,
    CodeFlow,
    Refresh,
}

/// <summary>One line of the table and what we promise of it (docs/architecture.md, "Time budgets").</summary>
/// <param name="Work">What is asked.</param>
/// <param name="Name">As printed.</param>
/// <param name="Against">The side that it is held against.</param>
/// <param name="Budget">CPU time of that side for one, divided by ours, at least.</param>
/// <param name="Requests">HTTP requests in one piece of work.</param>
/// <param name="Why">Where the time goes, by the profile in bench/README.md: printed when the budget is missed.</param>
/// <param name="WhyGrowth">What a large store costs more: printed when it costs too much more.</param>
internal sealed record Row(Work Work, string Name, string Against, double Budget, int Requests, string Why, string WhyGrowth)
{
    /// <summary>Rows of one engine in the budget's words only: "code + PKCE flow, refresh with rotation (SQLite)".</summary>
    public bool BudgetSpeaksOf(string engine) => Work is not (Work.CodeFlow or Work.Refresh) || engine == "SQLite";

    /// <summary>What PostgreSQL's rows cost more, which have not been profiled on their own; null when it is as on SQLite.</summary>
    public string? WhyPostgres { get; init; }

    /// <summary>The reason on an engine.</summary>
    public string WhyOn(string engine) => engine == "PostgreSQL" && WhyPostgres is { } own ? own : Why;

    /// <summary>All rows, in the order of the architecture's budgets.</summary>
    public static IReadOnlyList<Row> All { get; } =
    [
        new(Work.ClientCredentials, "client_credentials", "limit", 0.6, 1, "routing, form, client check, audit line and its write in the background",
            "the server remembers 20,000 clients; of a million drawn at random nearly each is read from the store and parsed"),
        new(Work.Introspection, "introspection", "limit", 0.5, 1, "routing, form, client check, SHA-256 of the token, JSON",
            "the server remembers 20,000 clients; of a million drawn at random nearly each is read from the store and parsed"),
        new(Work.KeyRequest, "KM request", "limit", 0.4, 1, "perf: two fifths of it are managed code (half of that ASP.NET, sockets and telemetry), a sixth libcrypto (TLS, AES-GCM twice, hashes), a sixth the kernel, a twentieth SQLite (the audit line); the record is in memory",
            "records that are not in memory yet: at the start a walk reads them, and larger stores than Seal:KeyMemoryMegabytes do not fit")
        {
            WhyPostgres = "two journeys to the database (the memory of requests that nodes share, the record) and the audit line: two fifths are PostgreSQL's own time (of it DB), the rest, ours and the driver's, has no profile",
        },
        new(Work.CodeFlow, "code + PKCE flow", "oidc-provider", 4, 2, "perf: a third of it is the store (session, user, factors, consent and code are rows), a seventh libcrypto; the peer keeps objects in memory",
            "deeper indexes, and pages that are in the kernel's cache but not in the connection's"),
        new(Work.Refresh, "refresh with rotation", "oidc-provider", 4, 1, "perf: three tenths of it are libcrypto (two ES256 signatures, which the peer makes too), a quarter the store; the peer keeps objects in memory",
            "deeper indexes, and pages that are in the kernel's cache but not in the connection's"),
    ];
}
