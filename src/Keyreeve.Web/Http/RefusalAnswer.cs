using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Http;

/// <summary>
/// How an endpoint words a refusal that comes from outside of its operation (the store is away, too much is waiting): as it words all
/// others. One without this answers with a problem document.
/// </summary>
/// <param name="WriteAsync">Writes the answer; nothing was written before.</param>
public sealed record RefusalAnswer(Func<HttpContext, Refusal, Task> WriteAsync);

/// <summary>Puts it on endpoints.</summary>
public static class RefusalAnswers
{
    /// <summary>Refusals of this endpoint are worded so.</summary>
    public static TBuilder Refusing<TBuilder>(this TBuilder endpoint, Func<HttpContext, Refusal, Task> writeAsync)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new RefusalAnswer(writeAsync));
}
