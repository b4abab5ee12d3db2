using System.Text.Json.Nodes;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;

namespace Keyreeve.Server.Admin;

/// <summary>What an operation answers: a document, nothing (204), or a refusal with its status.</summary>
public sealed record AdminAnswer
{
    private AdminAnswer(int status) => Status = status;

    /// <summary>HTTP status.</summary>
    public int Status { get; }

    /// <summary>The document, or null.</summary>
    public JsonNode? Body { get; private init; }

    /// <summary>Writes the body piece by piece, or null.</summary>
    public Func<Stream, CancellationToken, Task>? WriteAsync { get; private init; }

    /// <summary>What the body is.</summary>
    public string MediaType { get; private init; } = "application/json";

    /// <summary>Row version for the ETag, or null.</summary>
    public long? Version { get; private init; }

    /// <summary>Where the new resource is, or null.</summary>
    public string? Location { get; private init; }

    /// <summary>Why not, or null.</summary>
    public Refusal? Refusal { get; private init; }

    /// <summary>The cause of the problem document when it is not the refusal's code.</summary>
    public string? Cause { get; private init; }

    /// <summary>Done, nothing to say.</summary>
    public static AdminAnswer Nothing { get; } = new(StatusCodes.Status204NoContent);

    /// <summary>304: the caller has this version.</summary>
    public static AdminAnswer NotModified(long version) => new(StatusCodes.Status304NotModified) { Version = version };

    /// <summary>200 with a document.</summary>
    public static AdminAnswer Ok(JsonNode body, long? version = null) => new(StatusCodes.Status200OK) { Body = body, Version = version };

    /// <summary>200 with a body that is as long as it is; one that breaks off is cut off.</summary>
    public static AdminAnswer Stream(string mediaType, Func<Stream, CancellationToken, Task> write) => new(StatusCodes.Status200OK) { WriteAsync = write, MediaType = mediaType };

    /// <summary>201 with the new resource.</summary>
    public static AdminAnswer Created(string location, JsonNode body, long? version = null) =>
        new(StatusCodes.Status201Created) { Body = body, Version = version, Location = location };

    /// <summary>428: a change says which version it was made from.</summary>
    public static AdminAnswer IfMatchRequired { get; } = Problem(StatusCodes.Status428PreconditionRequired, "PreconditionRequired",
        Refusal.About(RefusalCode.MissingParameter, "If-Match", "If-Match is required: send the ETag of the version you read"));

    /// <summary>412: somebody else was faster.</summary>
    public static AdminAnswer Changed { get; } = Problem(StatusCodes.Status412PreconditionFailed, "PreconditionFailed",
        Refusal.About(RefusalCode.Conflict, "If-Match", "it was changed since it was read: read it again"));

    /// <summary>404.</summary>
    public static AdminAnswer NotFound(string what) => Refusal.Of(RefusalCode.NotFound, $"there is no such {what}");

    /// <summary>What a save that expected a version was refused for: the version, or a name that belongs to another.</summary>
    public static AdminAnswer OfSave(Refusal refusal) => refusal is { Code: RefusalCode.Conflict, Param: null } ? Changed : refusal;

    /// <summary>A refusal with the status of its code.</summary>
    public static implicit operator AdminAnswer(Refusal refusal) => new(ProblemDocument.StatusOf(refusal.Code)) { Refusal = refusal };

    private static AdminAnswer Problem(int status, string cause, Refusal refusal) => new(status) { Refusal = refusal, Cause = cause };
}
