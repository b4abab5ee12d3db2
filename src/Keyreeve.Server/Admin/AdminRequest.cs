using System.Globalization;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;

namespace Keyreeve.Server.Admin;

/// <summary>One request of an operator.</summary>
public sealed class AdminRequest(HttpContext http, AdminContext admin, AuthenticatedOperator who, IReadOnlyList<string> ids)
{
    /// <summary>Octets of a body. Our choice: a key set of 256 KiB goes in, and a payload of 64 KiB whose every octet is an escape of six.</summary>
    public const int MaxBody = 448 * 1024;

    /// <summary>Items on a page when the caller does not say.</summary>
    public const int DefaultLimit = 100;

    /// <summary>Items on a page at most.</summary>
    public const int MaxLimit = 1000;

    /// <summary>What operations share.</summary>
    public AdminContext Admin { get; } = admin;

    /// <summary>Who asks.</summary>
    public AuthenticatedOperator Operator { get; } = who;

    /// <summary>The identifiers of the path, decoded once, in the order of the pattern.</summary>
    public IReadOnlyList<string> Ids { get; } = ids;

    /// <summary>The first of them.</summary>
    public string Id => Ids[0];

    /// <summary>Ends reading when the caller goes away. A change that has begun is finished.</summary>
    public CancellationToken Cancel => http.RequestAborted;

    /// <summary>A parameter of the query, or null.</summary>
    public string? Query(string name) => http.Request.Query[name] is [var value] ? value : null;

    /// <summary>A parameter of the query that may come several times.</summary>
    public IReadOnlyList<string?> Queries(string name) => http.Request.Query[name];

    /// <summary>The body as an object of the schema.</summary>
    public async Task<Outcome<JsonBody>> ReadAsync(AdminSchema schema)
    {
        if (FormBody.WhyNotJson(http.Request) is { } notJson)
            return notJson;
        if (!(await FormBody.ReadAsync(http.Request, MaxBody)).Succeeded(out var octets, out var refusal))
            return refusal;
        var body = JsonBody.Read(octets.Memory, schema);
        // Passwords, secrets and payloads come this way.
        octets.Clear();
        return body;
    }

    /// <summary>The body as lines of JSON; the caller clears it.</summary>
    public async Task<Outcome<FormBody.Body>> ReadLinesAsync(int limit) => FormBody.WhyNotJson(http.Request, "application/x-ndjson") is { } notLines
        ? notLines
        : await FormBody.ReadAsync(http.Request, limit);

    /// <summary>True for If-None-Match: *, which asks for a resource that is not there.</summary>
    public bool IfNoneMatch => http.Request.Headers.IfNoneMatch is ["*"];

    /// <summary>The same, where an empty body says nothing and is allowed.</summary>
    public async Task<Outcome<JsonBody>> ReadOptionalAsync(AdminSchema schema) =>
        http.Request.ContentLength is null or 0 && http.Request.ContentType is null ? JsonBody.Read("{}"u8.ToArray(), schema) : await ReadAsync(schema);

    /// <summary>The version in If-Match; null when the header is not there. A text that is no version of ours matches nothing: -1.</summary>
    public long? IfMatch => EntityTag.IfMatch(http.Request);

    /// <summary>The version that a change must find, of one that is there: any of several tags, or * (RFC 9110 13.1.1).</summary>
    public long? IfMatchOf(long current) => EntityTag.IfMatch(http.Request, current);

    /// <summary>True when the caller has this version already: then 304 says all.</summary>
    public bool Knows(long version) => EntityTag.IsKnown(http.Request, version);

    /// <summary>Cursor and length of the page asked for.</summary>
    public Outcome<PageAsked> Page()
    {
        if (http.Request.Query["limit"].Count > 1 || http.Request.Query["after"].Count > 1)
            return Refusal.Of(RefusalCode.RepeatedParameter, "limit and after are sent once");
        if (Query("limit") is not { } text)
            return new PageAsked(Query("after"), DefaultLimit);
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is >= 1 and <= MaxLimit
            ? new PageAsked(Query("after"), limit)
            : Refusal.About(RefusalCode.InvalidParameter, "limit", $"limit is 1 to {MaxLimit}");
    }

    /// <summary>The audit entry of a change. <paramref name="detail"/> names what was changed and never holds a secret.</summary>
    public AuditEntry Entry(string kind, string? clientId, string? subject, string? detail) => new()
    {
        Kind = kind,
        Outcome = AuditOutcome.Changed,
        At = Admin.Now.ToUnixTimeMilliseconds(),
        Actor = Operator.Actor,
        ClientId = clientId,
        Subject = subject,
        Detail = detail,
        Source = http.Connection.RemoteIpAddress?.ToString(),
        CorrelationId = http.TraceIdentifier,
    };

    /// <summary>Makes this node see the change before the operator has the answer.</summary>
    public Task RefreshAsync() => Admin.Parts.State.RefreshAsync(CancellationToken.None);
}

/// <summary>A page of a list.</summary>
/// <param name="After">Cursor: the last item of the page before, or null.</param>
/// <param name="Limit">Items at most.</param>
public sealed record PageAsked(string? After, int Limit)
{
    /// <summary>The store is asked for one more than is shown: so it is known whether there is a next page.</summary>
    public int Fetch => Limit + 1;

    /// <summary><c>{"items":[...],"next":cursor or null}</c></summary>
    public AdminAnswer Of<T>(IReadOnlyList<T> fetched, Func<T, JsonNode> write, Func<T, string> cursor) => AdminAnswer.Ok(new JsonObject
    {
        ["items"] = new JsonArray([.. fetched.Take(Limit).Select(write)]),
        ["next"] = fetched.Count > Limit ? cursor(fetched[Limit - 1]) : null,
    });
}
